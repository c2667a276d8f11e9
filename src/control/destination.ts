// One destination on the control thread: turns what its name stands for into changes for the workers, and keeps the
// identity of endpoints across changes.
import type { WeightedAddress } from "../naming/resolution.ts";
import type { EndpointRow } from "../telemetry/endpoint-table.ts";
import type { BranchSpec, EndpointSpec, EndpointState, UpdateEndpoints } from "../wire/messages.ts";
import type { BoundBranch, BoundState } from "./bindings.ts";
import type { EndpointRows } from "./endpoint-rows.ts";

/** Endpoints in one message: applying one should not hold up a worker's connections for long. */
const ENDPOINTS_PER_MESSAGE = 500;

/** An endpoint that some worker may know. */
export interface EndpointEntry {
  readonly spec: EndpointSpec;
  /** What the name says, where `spec` has an operator's word. */
  readonly resolvedWeight: number;
  /** Numbers of the whole process. */
  readonly row: EndpointRow;
  /** No longer resolved; connections run on. */
  readonly retired: boolean;
}

/** Where an endpoint is. */
export interface EndpointAddress {
  readonly ip: string;
  readonly port: number;
}

/** What an operator wants of an endpoint, instead of what its name says. */
export interface EndpointOverride {
  readonly weight?: number;
  readonly enabled?: boolean;
}

interface Entry {
  /** As workers know it. */
  spec: EndpointSpec;
  /** As the name says. */
  resolvedWeight: number;
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
  readonly #onRemoved: (ids: readonly number[]) => void;
  readonly #onReturned: (ids: readonly number[]) => void;
  readonly #entries = new Map<string, Entry>();
  readonly #byId = new Map<number, Entry>();
  readonly #branchIds = new Map<string, number>();
  /** By address, for all branches; kept while an address is not resolved. */
  readonly #unhealthy = new Set<string>();
  readonly #overrides = new Map<string, EndpointOverride>();
  #nextBranchId = 0;
  #nextEpoch = 1;
  #bound: BoundState | undefined;
  #isRemoved = false;

  constructor(parts: {
    readonly id: number;
    readonly router: string;
    readonly path: string;
    readonly rows: EndpointRows;
    readonly workers: number;
    readonly broadcast: (update: UpdateEndpoints) => void;
    /** Ids are unique for the life of the process. */
    readonly nextEndpointId: () => number;
    /** Endpoints are no longer resolved, and workers were told so. */
    readonly onRemoved?: (ids: readonly number[]) => void;
    /** Such endpoints are resolved again while they still have connections. */
    readonly onReturned?: (ids: readonly number[]) => void;
  }) {
    this.id = parts.id;
    this.router = parts.router;
    this.path = parts.path;
    this.#rows = parts.rows;
    this.#workers = parts.workers;
    this.#broadcast = parts.broadcast;
    this.#nextEndpointId = parts.nextEndpointId;
    this.#onRemoved = parts.onRemoved ?? (() => {});
    this.#onReturned = parts.onReturned ?? (() => {});
  }

  /** What is in effect; undefined before the first answer. */
  get bound(): BoundState | undefined {
    return this.#bound;
  }

  /** No server leads here: it is there for the connections that it still has. */
  get isRemoved(): boolean {
    return this.#isRemoved;
  }

  get endpoints(): readonly EndpointEntry[] {
    return Array.from(this.#entries.values(), ({ spec, resolvedWeight, row, removal }) => ({
      spec,
      resolvedWeight,
      row,
      retired: removal !== undefined,
    }));
  }

  /** Applies a new answer: only what differs goes to the workers. */
  apply(bound: BoundState): void {
    this.#bound = bound;
    this.#isRemoved = false;
    this.#handDownNumbers(bound.branches);
    const branches = this.#numberBranches(bound.branches);
    const returned = this.#returning(bound.branches);
    const removed = this.#retireMissing(bound.branches);
    const changed: EndpointState[] = [];
    const added = bound.branches.flatMap(({ id, endpoints }) => {
      const branch = this.#branchIds.get(id) ?? 0;
      return endpoints.flatMap((address) => this.#addOrChange(branch, address, changed));
    });
    this.#send({ branches, added, changed, removed }, this.#broadcast);
    if (returned.length > 0) this.#onReturned(returned);
    if (removed.length > 0) this.#onRemoved(removed.map(({ id }) => id));
  }

  /** The ids of an address, one for each branch that has it; retired ones included. */
  idsOf(address: EndpointAddress): readonly number[] {
    return this.#entriesOf(address).map(({ spec }) => spec.id);
  }

  /** Active checks find an address up or down. It stays so until they say otherwise, resolved or not. */
  setHealth(address: EndpointAddress, healthy: boolean): void {
    const key = addressKey(address);
    if (healthy) this.#unhealthy.delete(key);
    else this.#unhealthy.add(key);
    this.#refresh(address);
  }

  /** An operator wants something else of an address than its name says; undefined: no more. */
  setOverride(address: EndpointAddress, override: EndpointOverride | undefined): void {
    const key = addressKey(address);
    if (override === undefined) this.#overrides.delete(key);
    else this.#overrides.set(key, override);
    this.#refresh(address);
  }

  /**
   * No server leads here any more: all endpoints are retired, and none is left once workers have released them. Answers
   * what workers must be told of them. `apply` takes the destination back.
   */
  remove(): UpdateEndpoints["removed"] {
    this.#bound = undefined;
    this.#isRemoved = true;
    this.#retireMissing([]);
    return Array.from(this.#entries.values(), ({ spec, removal }) => ({
      id: spec.id,
      epoch: removal?.epoch ?? 0,
    }));
  }

  /** Everything a worker must be told that starts now. */
  replay(send: (update: UpdateEndpoints) => void): void {
    const branches = this.#numberBranches(this.#bound?.branches ?? []);
    const added = this.endpoints.filter(({ retired }) => !retired).map(({ spec }) => spec);
    this.#send({ branches, added, changed: [], removed: [] }, send);
  }

  /**
   * A worker has no connection any more to an endpoint that was removed. Answers whether it was the last one, so that the
   * endpoint is forgotten.
   */
  released(worker: number, id: number, epoch: number): boolean {
    const entry = this.#byId.get(id);
    if (entry?.removal?.epoch !== epoch) return false;
    entry.removal.waitingFor.delete(worker);
    if (entry.removal.waitingFor.size > 0) return false;
    this.#entries.delete(keyOf(entry.spec.branch, entry.spec));
    this.#byId.delete(id);
    this.#rows.free(entry.spec);
    return true;
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

  /** Those that were removed, and are in the answer again. */
  #returning(branches: readonly BoundBranch[]): number[] {
    return branches.flatMap(({ id, endpoints }) => {
      const branch = this.#branchIds.get(id) ?? 0;
      return endpoints.flatMap((address) => {
        const entry = this.#entries.get(keyOf(branch, address));
        return entry?.removal === undefined ? [] : [entry.spec.id];
      });
    });
  }

  /**
   * A branch whose id is new takes over the number of one that goes, where they have endpoints in common: the same address
   * under another id (of a namer that was renamed, say) keeps its load, its failures and its warm connections.
   */
  #handDownNumbers(branches: readonly BoundBranch[]): void {
    const wanted = new Set(branches.map(({ id }) => id));
    const going = new Map<number, string>();
    for (const [id, number] of this.#branchIds) if (!wanted.has(id)) going.set(number, id);
    const fresh = branches.filter(({ id }) => !this.#branchIds.has(id));
    if (going.size === 0 || fresh.length === 0) return;
    const numbersAt = this.#numbersByAddress(going);
    for (const { id, endpoints } of fresh) {
      const common = new Map<number, number>();
      for (const number of endpoints.flatMap((one) => numbersAt.get(addressKey(one)) ?? [])) {
        if (going.has(number)) common.set(number, (common.get(number) ?? 0) + 1);
      }
      const [heir] = [...common].sort(([, a], [, b]) => b - a)[0] ?? [];
      if (heir === undefined) continue;
      this.#branchIds.delete(going.get(heir) ?? "");
      this.#branchIds.set(id, heir);
      going.delete(heir);
    }
  }

  /** The branches of these that have an endpoint at an address now. */
  #numbersByAddress(numbers: ReadonlyMap<number, unknown>): ReadonlyMap<string, readonly number[]> {
    const byAddress = new Map<string, number[]>();
    for (const { spec, removal } of this.#entries.values()) {
      if (removal !== undefined || !numbers.has(spec.branch)) continue;
      const key = addressKey(spec);
      byAddress.set(key, [...(byAddress.get(key) ?? []), spec.branch]);
    }
    return byAddress;
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

  #addOrChange(branch: number, address: WeightedAddress, changed: EndpointState[]): EndpointSpec[] {
    const key = keyOf(branch, address);
    const known = this.#entries.get(key);
    if (known === undefined) {
      const { page, row } = this.#rows.allocate();
      const { ip, port, weight } = address;
      const state = this.#stateOf(this.#nextEndpointId(), address, weight);
      const spec = { ...state, branch, ip, port, page, row };
      const entry: Entry = {
        spec,
        resolvedWeight: weight,
        row: this.#rows.view(spec, 0),
        removal: undefined,
      };
      this.#entries.set(key, entry);
      this.#byId.set(spec.id, entry);
      return [spec];
    }
    const returns = known.removal !== undefined;
    known.removal = undefined;
    known.resolvedWeight = address.weight;
    const change = this.#update(known);
    if (returns) return [known.spec];
    if (change !== undefined) changed.push(change);
    return [];
  }

  /** Tells workers of endpoints whose state is no longer what they know. */
  #refresh(address: EndpointAddress): void {
    const changed = this.#entriesOf(address).flatMap((entry) => {
      const change = this.#update(entry);
      return entry.removal !== undefined || change === undefined ? [] : [change];
    });
    if (changed.length === 0) return;
    const branches = (this.#bound?.branches ?? []).map(({ id, weight }) => ({
      branch: this.#branchIds.get(id) ?? 0,
      weight,
    }));
    this.#send({ branches, added: [], changed, removed: [] }, this.#broadcast);
  }

  /** By branch, not by looking through all: checks may change thousands of addresses one by one. */
  #entriesOf(address: EndpointAddress): readonly Entry[] {
    return Array.from(this.#branchIds.values()).flatMap(
      (branch) => this.#entries.get(keyOf(branch, address)) ?? [],
    );
  }

  /** Makes the entry's spec current; answers what has changed, if anything. */
  #update(entry: Entry): EndpointState | undefined {
    const { spec } = entry;
    const state = this.#stateOf(spec.id, spec, entry.resolvedWeight);
    const same =
      state.weight === spec.weight &&
      state.healthy === spec.healthy &&
      state.enabled === spec.enabled;
    if (same) return undefined;
    entry.spec = { ...spec, ...state };
    return state;
  }

  #stateOf(id: number, address: EndpointAddress, resolvedWeight: number): EndpointState {
    const key = addressKey(address);
    const { weight = resolvedWeight, enabled = true } = this.#overrides.get(key) ?? {};
    return { id, weight, healthy: !this.#unhealthy.has(key), enabled };
  }

  #send(
    {
      branches,
      added,
      changed,
      removed,
    }: Pick<UpdateEndpoints, "branches" | "added" | "changed" | "removed">,
    send: (update: UpdateEndpoints) => void,
  ): void {
    const { known = false } = this.#bound ?? {};
    const base = { type: "update-endpoints", destination: this.id, known, branches } as const;
    const none = { added: [], changed: [], removed: [] };
    if (added.length + changed.length + removed.length <= ENDPOINTS_PER_MESSAGE) {
      return send({ ...base, added, changed, removed });
    }
    // New ones first: at no time is there less to choose from than before and after.
    for (const some of chunks(added)) send({ ...base, ...none, added: some });
    for (const some of chunks(changed)) send({ ...base, ...none, changed: some });
    for (const some of chunks(removed)) send({ ...base, ...none, removed: some });
  }
}

function keyOf(branch: number, address: EndpointAddress): string {
  return `${branch} ${addressKey(address)}`;
}

function addressKey({ ip, port }: EndpointAddress): string {
  return `${ip} ${port}`;
}

function chunks<T>(list: readonly T[]): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(list.length / ENDPOINTS_PER_MESSAGE) }, (_, index) =>
    list.slice(index * ENDPOINTS_PER_MESSAGE, (index + 1) * ENDPOINTS_PER_MESSAGE),
  );
}
