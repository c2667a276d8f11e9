// The endpoints of one destination on one worker: which may be picked, which are ejected, which are retired.
import type { Rng } from "../lib/rng.ts";
import type { Endpoint } from "./endpoint.ts";
import { P2cPicker } from "./p2c.ts";
import type { Picker } from "./picker.ts";

/** A branch and its share of the connections. */
export interface BranchWeight {
  readonly branch: number;
  /** Relative to the other branches; finite, 0 or more. */
  readonly weight: number;
}

interface Branch {
  readonly id: number;
  weight: number;
  readonly ready: Picker<Endpoint>;
  readonly ejected: Picker<Endpoint>;
}

/**
 * Keeps every endpoint in the picker of its branch that fits its state. A connection is given to a branch in proportion to
 * weight, whatever the loads: that is what a traffic split promises. Within the branch the picker chooses. Branches none
 * of whose endpoints may be picked leave their share to the others. Owns no socket and no timer.
 */
export class Pool {
  readonly #rng: Rng;
  readonly #branches = new Map<number, Branch>();
  readonly #live = new Map<number, Endpoint>();
  readonly #retired = new Map<number, Endpoint>();
  /** The branch, where there is one only: the way of nearly all picks. */
  #only: Branch | undefined;

  constructor(rng: Rng) {
    this.#rng = rng;
  }

  /** Endpoints that are resolved now. */
  get size(): number {
    return this.#live.size;
  }

  /** Whether endpoints are resolved and every one of them is ejected: then all are tried. */
  get panics(): boolean {
    const branches = [...this.#branches.values()];
    return (
      branches.every(({ ready }) => !(ready.weight > 0)) &&
      branches.some(({ ejected }) => ejected.weight > 0)
    );
  }

  /** From now on these are the branches. The endpoints of others must have been retired. */
  setBranches(weights: readonly BranchWeight[]): void {
    const kept = new Set(weights.map(({ branch }) => branch));
    for (const id of this.#branches.keys()) if (!kept.has(id)) this.#branches.delete(id);
    for (const { branch, weight } of weights) this.#branch(branch).weight = weight;
    this.#noteOnly();
  }

  /** An endpoint that is resolved now, or one that is retired. */
  find(id: number): Endpoint | undefined {
    return this.#live.get(id) ?? this.#retired.get(id);
  }

  /** Takes an endpoint in, or a retired one back with its connections and its failures. */
  add(endpoint: Endpoint): void {
    this.#retired.delete(endpoint.id);
    this.#live.set(endpoint.id, endpoint);
    if (endpoint.state === "retired") endpoint.state = "ready";
    this.#pickerOf(endpoint).add(endpoint);
  }

  reweigh(endpoint: Endpoint, weight: number): void {
    endpoint.weight = weight;
    this.#pickerOf(endpoint).reweigh(endpoint);
  }

  /** Takes an endpoint out; it is kept until `forget` for the sake of its connections. */
  retire(endpoint: Endpoint): void {
    this.#pickerOf(endpoint).remove(endpoint);
    endpoint.row.setEjected(false);
    endpoint.state = "retired";
    this.#live.delete(endpoint.id);
    this.#retired.set(endpoint.id, endpoint);
  }

  /** Drops a retired endpoint. */
  forget(endpoint: Endpoint): void {
    this.#retired.delete(endpoint.id);
  }

  /** Stops picking an endpoint that has failed. */
  eject(endpoint: Endpoint): void {
    if (endpoint.state !== "ready") return;
    this.#pickerOf(endpoint).remove(endpoint);
    endpoint.state = "ejected";
    endpoint.row.setEjected(true);
    this.#pickerOf(endpoint).add(endpoint);
  }

  /** Picks an ejected endpoint again. */
  readmit(endpoint: Endpoint): void {
    if (endpoint.state !== "ejected") return;
    this.#pickerOf(endpoint).remove(endpoint);
    endpoint.state = "ready";
    endpoint.row.setEjected(false);
    this.#pickerOf(endpoint).add(endpoint);
  }

  /** The endpoint for one more connection: a ready one, or, when there is none, an ejected one. */
  pick(): Endpoint | undefined {
    const only = this.#only;
    if (only !== undefined) return only.ready.pick() ?? only.ejected.pick();
    return this.#pickFrom("ready") ?? this.#pickFrom("ejected");
  }

  /** The same, none of `tried`. For the path of failure: costs O(log n) for each that was tried. */
  pickOther(tried: readonly Endpoint[]): Endpoint | undefined {
    const held = tried.filter((endpoint) => endpoint.state !== "retired");
    for (const endpoint of held) this.#pickerOf(endpoint).remove(endpoint);
    const picked = this.pick();
    for (const endpoint of held) this.#pickerOf(endpoint).add(endpoint);
    return picked;
  }

  #pickFrom(which: "ready" | "ejected"): Endpoint | undefined {
    let total = 0;
    for (const branch of this.#branches.values()) {
      if (branch[which].weight > 0) total += branch.weight;
    }
    let rest = this.#rng.next() * total;
    let last: Branch | undefined;
    for (const branch of this.#branches.values()) {
      if (!(branch.weight > 0 && branch[which].weight > 0)) continue;
      last = branch;
      rest -= branch.weight;
      if (rest < 0) break;
    }
    // Where rounding left a rest, the last one has it.
    return last?.[which].pick();
  }

  #pickerOf(endpoint: Endpoint): Picker<Endpoint> {
    const branch = this.#branch(endpoint.branch);
    return endpoint.state === "ejected" ? branch.ejected : branch.ready;
  }

  #branch(id: number): Branch {
    const known = this.#branches.get(id);
    if (known !== undefined) return known;
    const ready = new P2cPicker<Endpoint>(this.#rng);
    const branch = { id, weight: 1, ready, ejected: new P2cPicker<Endpoint>(this.#rng) };
    this.#branches.set(id, branch);
    this.#noteOnly();
    return branch;
  }

  #noteOnly(): void {
    const [first, ...others] = this.#branches.values();
    // A single branch has all the connections, unless its weight says that it gets none.
    this.#only = others.length === 0 && first !== undefined && first.weight > 0 ? first : undefined;
  }
}
