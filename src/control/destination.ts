// One destination on the control thread: turns what its name stands for into changes for the workers, and keeps the
// identity of endpoints across changes.
import type { WeightedAddress } from "../naming/resolution.ts";
import type { EndpointRow } from "../telemetry/endpoint-table.ts";
import type { BranchSpec, EndpointSpec, UpdateEndpoints } from "../wire/messages.ts";
import type { BoundBranch, BoundState } from "./bindings.ts";
import type { EndpointRows } from "./endpoint-rows.ts";

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
  readonly #branchIds = new Map<string, number>();
  #nextBranchId = 0;
  #nextEpoch = 1;
  #bound: BoundState | undefined;

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

  /** What is in effect; undefined before the first answer. */
  get bound(): BoundState | undefined {
    return this.#bound;
  }

  get endpoints(): readonly EndpointEntry[] {
    return Array.from(this.#entries.values(), ({ spec, row, removal }) => ({
      spec,
      row,
      retired: removal !== undefined,
    }));
  }

  /** Applies a new answer: only what differs goes to the workers. */
  apply(bound: BoundState): void {
    this.#bound = bound;
    const branches = this.#numberBranches(bound.branches);
    const removed = this.#retireMissing(bound.branches);
    const reweighed: { id: number; weight: number }[] = [];
    const added = bound.branches.flatMap(({ id, endpoints }) => {
      const branch = this.#branchIds.get(id) ?? 0;
      return endpoints.flatMap((address) => this.#addOrReweigh(branch, address, reweighed));
    });
    this.#send({ branches, added, reweighed, removed }, this.#broadcast);
  }

  /** Everything a worker must be told that starts now. */
  replay(send: (update: UpdateEndpoints) => void): void {
    const branches = this.#numberBranches(this.#bound?.branches ?? []);
    const added = this.endpoints.filter(({ retired }) => !retired).map(({ spec }) => spec);
    this.#send({ branches, added, reweighed: [], removed: [] }, send);
  }

  /** A worker has no connection any more to an endpoint that was removed. */
  released(worker: number, id: number, epoch: number): void {
    const entry = this.#byId.get(id);
    if (entry?.removal?.epoch !== epoch) return;
    entry.removal.waitingFor.delete(worker);
    if (entry.removal.waitingFor.size > 0) return;
    this.#entries.delete(keyOf(entry.spec.branch, entry.spec));
    this.#byId.delete(id);
    this.#rows.free(entry.spec);
  }

  /** A worker has died: its load is gone, and it will release nothing any more. */
  workerDied(worker: number): void {
    for (const entry of this.#entries.values()) {
      this.#rows.clearWorker(entry.spec, worker);
      if (entry.removal !== undefined) this.released(worker, entry.spec.id, entry.removal.epoch);
    }
  }

  /** Numbers stand for branch ids in messages: the same one as long as the branch, or a connection of it, is there. */
  #numberBranches(branches: readonly BoundBranch[]): readonly BranchSpec[] {
    const wanted = new Set(branches.map(({ id }) => id));
    const used = new Set(Array.from(this.#entries.values(), ({ spec }) => spec.branch));
    for (const [id, number] of this.#branchIds) {
      if (!wanted.has(id) && !used.has(number)) this.#branchIds.delete(id);
    }
    return branches.map(({ id, weight }) => {
      const number = this.#branchIds.get(id) ?? this.#nextBranchId++;
      this.#branchIds.set(id, number);
      return { branch: number, weight };
    });
  }

  #retireMissing(branches: readonly BoundBranch[]): { id: number; epoch: number }[] {
    const keys = new Set(
      branches.flatMap(({ id, endpoints }) => {
        const branch = this.#branchIds.get(id) ?? 0;
        return endpoints.map((address) => keyOf(branch, address));
      }),
    );
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
    branch: number,
    address: WeightedAddress,
    reweighed: { id: number; weight: number }[],
  ): EndpointSpec[] {
    const key = keyOf(branch, address);
    const known = this.#entries.get(key);
    if (known === undefined) {
      const { page, row } = this.#rows.allocate();
      const { ip, port, weight } = address;
      const spec = { id: this.#nextEndpointId(), branch, ip, port, weight, page, row };
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
    {
      branches,
      added,
      reweighed,
      removed,
    }: Pick<UpdateEndpoints, "branches" | "added" | "reweighed" | "removed">,
    send: (update: UpdateEndpoints) => void,
  ): void {
    const { known = false } = this.#bound ?? {};
    const base = { type: "update-endpoints", destination: this.id, known, branches } as const;
    const none = { added: [], reweighed: [], removed: [] };
    if (added.length + reweighed.length + removed.length <= ENDPOINTS_PER_MESSAGE) {
      return send({ ...base, added, reweighed, removed });
    }
    // New ones first: at no time is there less to choose from than before and after.
    for (const some of chunks(added)) send({ ...base, ...none, added: some });
    for (const some of chunks(reweighed)) send({ ...base, ...none, reweighed: some });
    for (const some of chunks(removed)) send({ ...base, ...none, removed: some });
  }
}

function keyOf(
  branch: number,
  { ip, port }: { readonly ip: string; readonly port: number },
): string {
  return `${branch} ${ip} ${port}`;
}

function chunks<T>(list: readonly T[]): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(list.length / ENDPOINTS_PER_MESSAGE) }, (_, index) =>
    list.slice(index * ENDPOINTS_PER_MESSAGE, (index + 1) * ENDPOINTS_PER_MESSAGE),
  );
}
