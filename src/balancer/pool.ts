// The endpoints of one destination on one worker: which may be picked, which are ejected, which are retired.
import { chanceOf } from "../lib/hash.ts";
import type { Rng } from "../lib/rng.ts";
import type { Endpoint, EndpointCondition } from "./endpoint.ts";
import type { Picker } from "./picker.ts";
import type { Pickers } from "./pickers.ts";

/** A branch and its share of the connections. */
export interface BranchWeight {
  readonly branch: number;
  /** Relative to the other branches; finite, 0 or more. */
  readonly weight: number;
}

interface Branch {
  readonly id: number;
  /** 0 also for a branch that has gone and whose endpoints are not retired yet. */
  weight: number;
  isGone: boolean;
  ready: Picker<Endpoint>;
  ejected: Picker<Endpoint>;
  /** Those that active checks have found to be down. */
  unhealthy: Picker<Endpoint>;
  /** Those that an operator has taken out; nothing picks from it. */
  disabled: Picker<Endpoint>;
}

/**
 * Keeps every endpoint in the picker of its branch that fits its state. A connection is given to a branch in proportion to
 * weight, whatever the loads: that is what a traffic split promises. Within the branch the picker chooses. Branches none
 * of whose endpoints may be picked leave their share to the others. Owns no socket and no timer.
 */
export class Pool {
  readonly #rng: Rng;
  #pickers: Pickers;
  readonly #branches = new Map<number, Branch>();
  readonly #live = new Map<number, Endpoint>();
  readonly #retired = new Map<number, Endpoint>();
  /** The branch, where only one has weight: the way of nearly all picks. */
  #only: Branch | undefined;

  constructor(rng: Rng, pickers: Pickers) {
    this.#rng = rng;
    this.#pickers = pickers;
  }

  /** Endpoints that are resolved now. */
  get size(): number {
    return this.#live.size;
  }

  /** Whether there are endpoints that are not picked now, and will be once they are healthy or enabled again. */
  get mayRecover(): boolean {
    return [...this.#branches.values()].some(
      ({ weight, unhealthy, disabled }) =>
        weight > 0 && (unhealthy.weight > 0 || disabled.weight > 0),
    );
  }

  /** Whether endpoints are resolved and every one of them is ejected: then all are tried. */
  get panics(): boolean {
    const branches = [...this.#branches.values()].filter(({ weight }) => weight > 0);
    return (
      branches.every(({ ready }) => !(ready.weight > 0)) &&
      branches.some(({ ejected }) => ejected.weight > 0)
    );
  }

  /**
   * From now on these are the branches. Endpoints of others are picked no more, and are to be retired. Answers whether
   * a branch with endpoints had no weight and has some now.
   */
  setBranches(weights: readonly BranchWeight[]): boolean {
    const wanted = new Map(weights.map(({ branch, weight }) => [branch, weight]));
    for (const id of wanted.keys()) this.#branch(id);
    let hasRisen = false;
    for (const branch of this.#branches.values()) {
      const weight = wanted.get(branch.id);
      branch.isGone = weight === undefined;
      hasRisen ||= branch.weight === 0 && (weight ?? 0) > 0 && !isEmpty(branch);
      branch.weight = weight ?? 0;
    }
    for (const branch of this.#branches.values()) this.#forgetIfEmpty(branch);
    const [first, ...others] = [...this.#branches.values()].filter(({ weight }) => weight > 0);
    this.#only = others.length === 0 ? first : undefined;
    return hasRisen;
  }

  /** Chooses among the same endpoints in another way from now on: their loads, failures and states stay. */
  setPickers(pickers: Pickers): void {
    for (const endpoint of this.#live.values()) this.#pickerOf(endpoint).remove(endpoint);
    this.#pickers = pickers;
    for (const branch of this.#branches.values()) Object.assign(branch, newPickers(pickers));
    for (const endpoint of this.#live.values()) this.#pickerOf(endpoint).add(endpoint);
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

  /** What the control thread says of an endpoint has changed. */
  change(endpoint: Endpoint, { weight, healthy, enabled }: EndpointCondition): void {
    const before = this.#pickerOf(endpoint);
    const wasWeight = endpoint.weight;
    endpoint.weight = weight;
    endpoint.healthy = healthy;
    endpoint.enabled = enabled;
    if (endpoint.state === "retired") return;
    const after = this.#pickerOf(endpoint);
    if (after !== before) {
      before.remove(endpoint);
      after.add(endpoint);
    } else if (wasWeight !== weight) after.reweigh(endpoint);
  }

  /** Takes an endpoint out; it is kept until `forget` for the sake of its connections. */
  retire(endpoint: Endpoint): void {
    this.#pickerOf(endpoint).remove(endpoint);
    endpoint.row.setEjected(false);
    endpoint.state = "retired";
    this.#live.delete(endpoint.id);
    this.#retired.set(endpoint.id, endpoint);
    this.#forgetIfEmpty(this.#branch(endpoint.branch));
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

  /**
   * The endpoint for one more connection: a ready one, or, when there is none, an ejected one. `client` is a hash of the
   * client's address where the pickers go by it, any number where they do not.
   */
  pick(client: number): Endpoint | undefined {
    const only = this.#only;
    if (only !== undefined) return only.ready.pick(client) ?? only.ejected.pick(client);
    return this.#pickFrom("ready", client) ?? this.#pickFrom("ejected", client);
  }

  /** The same, none of `tried`. For the path of failure: costs O(log n) for each that was tried. */
  pickOther(tried: readonly Endpoint[], client: number): Endpoint | undefined {
    const held = tried.filter((endpoint) => endpoint.state !== "retired");
    for (const endpoint of held) this.#pickerOf(endpoint).remove(endpoint);
    const picked = this.pick(client);
    for (const endpoint of held) this.#pickerOf(endpoint).add(endpoint);
    return picked;
  }

  #pickFrom(which: "ready" | "ejected", client: number): Endpoint | undefined {
    if (this.#pickers.byClient) return this.#branchOf(which, client)?.[which].pick(client);
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
    return last?.[which].pick(client);
  }

  /** The client's branch, by weighted rendezvous (see RendezvousPicker): only as many clients move as a weight does. */
  #branchOf(which: "ready" | "ejected", client: number): Branch | undefined {
    let best: Branch | undefined;
    let bestTime = Number.POSITIVE_INFINITY;
    for (const branch of this.#branches.values()) {
      if (!(branch.weight > 0 && branch[which].weight > 0)) continue;
      const time = -Math.log(chanceOf(client, branch.id, 0)) / branch.weight;
      if (best !== undefined && time >= bestTime) continue;
      best = branch;
      bestTime = time;
    }
    return best;
  }

  #pickerOf(endpoint: Endpoint): Picker<Endpoint> {
    const branch = this.#branch(endpoint.branch);
    if (!endpoint.enabled) return branch.disabled;
    if (!endpoint.healthy) return branch.unhealthy;
    return endpoint.state === "ejected" ? branch.ejected : branch.ready;
  }

  #branch(id: number): Branch {
    const known = this.#branches.get(id);
    if (known !== undefined) return known;
    const branch: Branch = { id, weight: 0, isGone: true, ...newPickers(this.#pickers) };
    this.#branches.set(id, branch);
    return branch;
  }

  #forgetIfEmpty(branch: Branch): void {
    if (branch.isGone && isEmpty(branch)) this.#branches.delete(branch.id);
  }
}

function newPickers({
  make,
}: Pickers): Pick<Branch, "ready" | "ejected" | "unhealthy" | "disabled"> {
  return { ready: make(), ejected: make(), unhealthy: make(), disabled: make() };
}

function isEmpty({ ready, ejected, unhealthy, disabled }: Branch): boolean {
  return ready.size + ejected.size + unhealthy.size + disabled.size === 0;
}
