// One destination on the control thread: turns what its name stands for into changes for the workers, and keeps the
// identity of endpoints across changes.
import type { WeightedAddress } from "../naming/resolution.ts";
import type { EndpointRow } from "../telemetry/endpoint-table.ts";
import type { EndpointSpec, UpdateEndpoints } from "../wire/messages.ts";
import type { EndpointRows } from "./endpoint-rows.ts";
import type { NameState } from "./names.ts";

/** Endpoints in one message: applying one should not hold up a worker's connections for long. */
const ENDPOINTS_PER_MESSAGE = 500;

/** An endpoint that some worker may know. */
export interface EndpointEntry {
  readonly spec: EndpointSpec;
  /** Numbers of the whole process. */
  readonly row: EndpointRow;
  /** No longer resolved; connections run on. */
  readonly retired: boolean;
}

interface Entry {
  spec: EndpointSpec;
  readonly row: EndpointRow;
  /** Undefined while resolved. */
  removal: { readonly epoch: number; readonly waitingFor: Set<number> } | undefined;
}

export class Destination {
  readonly id: number;
  readonly router: string;
  readonly path: string;
  readonly #rows: EndpointRows;
  readonly #workers: number;
  readonly #broadcast: (update: UpdateEndpoints) => void;
  readonly #nextEndpointId: () => number;
  readonly #entries = new Map<string, Entry>();
  readonly #byId = new Map<number, Entry>();
  #nextEpoch = 1;
  #name: NameState | undefined;

  constructor(parts: {
    readonly id: number;
    readonly router: string;
    readonly path: string;
    readonly rows: EndpointRows;
    readonly workers: number;
    readonly broadcast: (update: UpdateEndpoints) => void;
    /** Ids are unique for the life of the process. */
    readonly nextEndpointId: () => number;
  }) {
    this.id = parts.id;
    this.router = parts.router;
    this.path = parts.path;
    this.#rows = parts.rows;
    this.#workers = parts.workers;
    this.#broadcast = parts.broadcast;
    this.#nextEndpointId = parts.nextEndpointId;
  }

  /** What the name last stood for; undefined before the first answer. */
  get name(): NameState | undefined {
    return this.#name;
  }

  get endpoints(): readonly EndpointEntry[] {
    return Array.from(this.#entries.values(), ({ spec, row, removal }) => ({
      spec,
      row,
      retired: removal !== undefined,
    }));
  }

  /** Applies a new answer: only what differs goes to the workers. */
  apply(name: NameState): void {
    this.#name = name;
    const { resolution } = name;
    const known = resolution.state === "bound" || resolution.state === "neg";
    const wanted = resolution.state === "bound" ? resolution.endpoints : [];
    const removed = this.#retireMissing(wanted);
    const reweighed: { id: number; weight: number }[] = [];
    const added = wanted.flatMap((address) => this.#addOrReweigh(address, reweighed));
    this.#send(known, added, reweighed, removed, this.#broadcast);
  }

  /** Everything a worker must be told that starts now. */
  replay(send: (update: UpdateEndpoints) => void): void {
    const state = this.#name?.resolution.state;
    const live = this.endpoints.filter(({ retired }) => !retired).map(({ spec }) => spec);
    this.#send(state === "bound" || state === "neg", live, [], [], send);
  }

  /** A worker has no connection any more to an endpoint that was removed. */
  released(worker: number, id: number, epoch: number): void {
    const entry = this.#byId.get(id);
    if (entry?.removal?.epoch !== epoch) return;
    entry.removal.waitingFor.delete(worker);
    if (entry.removal.waitingFor.size > 0) return;
    this.#entries.delete(keyOf(entry.spec));
    this.#byId.delete(id);
    this.#rows.free(entry.spec);
  }

  /** A worker has died: its load is gone, and it will release nothing any more. */
  workerDied(worker: number): void {
    for (const entry of this.#entries.values()) {
      this.#rows.view(entry.spec, worker).clearOwnState();
      if (entry.removal !== undefined) this.released(worker, entry.spec.id, entry.removal.epoch);
    }
  }

  #retireMissing(wanted: readonly WeightedAddress[]): { id: number; epoch: number }[] {
    const keys = new Set(wanted.map(keyOf));
    const removed: { id: number; epoch: number }[] = [];
    for (const [key, entry] of this.#entries) {
      if (keys.has(key) || entry.removal !== undefined) continue;
      const epoch = this.#nextEpoch;
      this.#nextEpoch += 1;
      entry.removal = {
        epoch,
        waitingFor: new Set(Array.from({ length: this.#workers }, (_, index) => index)),
      };
      removed.push({ id: entry.spec.id, epoch });
    }
    return removed;
  }

  #addOrReweigh(
    address: WeightedAddress,
    reweighed: { id: number; weight: number }[],
  ): EndpointSpec[] {
    const key = keyOf(address);
    const known = this.#entries.get(key);
    if (known === undefined) {
      const { page, row } = this.#rows.allocate();
      const { ip, port, weight } = address;
      const spec = { id: this.#nextEndpointId(), ip, port, weight, page, row };
      const entry: Entry = { spec, row: this.#rows.view(spec, 0), removal: undefined };
      this.#entries.set(key, entry);
      this.#byId.set(spec.id, entry);
      return [spec];
    }
    const returns = known.removal !== undefined;
    const changed = known.spec.weight !== address.weight;
    known.removal = undefined;
    known.spec = { ...known.spec, weight: address.weight };
    if (returns) return [known.spec];
    if (changed) reweighed.push({ id: known.spec.id, weight: address.weight });
    return [];
  }

  #send(
    known: boolean,
    added: readonly EndpointSpec[],
    reweighed: UpdateEndpoints["reweighed"],
    removed: UpdateEndpoints["removed"],
    send: (update: UpdateEndpoints) => void,
  ): void {
    const message = { type: "update-endpoints", destination: this.id } as const;
    const first = added.slice(0, ENDPOINTS_PER_MESSAGE);
    send({ ...message, state: known ? "known" : "unknown", added: first, reweighed, removed });
    for (let at = ENDPOINTS_PER_MESSAGE; at < added.length; at += ENDPOINTS_PER_MESSAGE) {
      const more = added.slice(at, at + ENDPOINTS_PER_MESSAGE);
      send({ ...message, state: "known", added: more, reweighed: [], removed: [] });
    }
  }
}

function keyOf({ ip, port }: { readonly ip: string; readonly port: number }): string {
  return `${ip} ${port}`;
}
