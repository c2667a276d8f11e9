// The endpoints of one destination on one worker: which may be picked, which are ejected, which are retired.
import { chanceOf } from "../lib/hash.ts";
import type { Rng } from "../lib/rng.ts";
import { Branch, isUsable } from "./branch.ts";
import type { Endpoint, EndpointCondition } from "./endpoint.ts";
import type { Picker } from "./picker.ts";
import type { Pickers } from "./pickers.ts";

/** A branch and its share of the connections. */
export interface BranchWeight {
  readonly branch: number;
  /** Relative to the other branches; finite, 0 or more. */
  readonly weight: number;
}

/** Panic ends this many percent above the share at which it begins: one endpoint that comes and goes does not flap it. */
const PANIC_MARGIN_PERCENT = 5;
/** Sums of weights are not exact. */
const ROUNDING = 1e-9;

/**
 * Keeps every endpoint in the picker of its branch that fits its state. A connection is given to a branch in proportion to
 * weight, whatever the loads: that is what a traffic split promises. Within the branch the picker chooses. Branches none
 * of whose endpoints may be picked leave their share to the others. Owns no socket and no timer.
 */
export class Pool {
  readonly #rng: Rng;
  #pickers: Pickers;
  #panicThresholdPercent: number;
  readonly #branches = new Map<number, Branch>();
  readonly #live = new Map<number, Endpoint>();
  readonly #retired = new Map<number, Endpoint>();
  readonly #parked = new Set<Endpoint>();
  /** The branch, where only one has weight: the way of nearly all picks. */
  #only: Branch | undefined;
  /** Too few may be picked: all enabled endpoints are in the pickers `ready`. */
  #ignoresHealth = false;

  /** @param panicThresholdPercent see DestinationConfig; 0 where not given */
  constructor(rng: Rng, pickers: Pickers, panicThresholdPercent = 0) {
    this.#rng = rng;
    this.#pickers = pickers;
    this.#panicThresholdPercent = panicThresholdPercent;
  }

  /** Endpoints that are resolved now. */
  get size(): number {
    return this.#live.size;
  }

  /** Whether there are endpoints that are not picked now, and will be once they are healthy or enabled again. */
  get mayRecover(): boolean {
    return this.#weighted().some(
      ({ unhealthy, disabled }) => unhealthy.weight > 0 || disabled.weight > 0,
    );
  }

  /** Whether endpoints are picked that are known to fail, because no others, or too few, are left. */
  get panics(): boolean {
    if (this.#ignoresHealth) return true;
    const branches = this.#weighted();
    return (
      !this.#hasFullReady() &&
      branches.every(({ ready }) => !(ready.weight > 0)) &&
      branches.some(({ ejected }) => ejected.weight > 0)
    );
  }

  /** How many endpoints other than these connections may go to while all is well. */
  usableBeside(endpoints: readonly Endpoint[]): number {
    const counted = endpoints.filter(
      (endpoint) => isUsable(endpoint) && this.#branch(endpoint.branch).weight > 0,
    );
    return this.#weighted().reduce((sum, { usable }) => sum + usable, -counted.length);
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
      hasRisen ||= branch.weight === 0 && (weight ?? 0) > 0 && !branch.isEmpty;
      branch.weight = weight ?? 0;
    }
    for (const branch of this.#branches.values()) this.#forgetIfEmpty(branch);
    const [first, ...others] = this.#weighted();
    this.#only = others.length === 0 ? first : undefined;
    return hasRisen;
  }

  /** Chooses among the same endpoints in another way from now on: their loads, failures and states stay. */
  setPickers(pickers: Pickers): void {
    for (const endpoint of this.#live.values()) this.#pickerOf(endpoint).remove(endpoint);
    this.#pickers = pickers;
    for (const branch of this.#branches.values()) branch.usePickers(pickers);
    for (const endpoint of this.#live.values()) this.#enter(endpoint);
  }

  /** Those that are resolved now, and those that are retired. */
  get endpoints(): readonly Endpoint[] {
    return [...this.#live.values(), ...this.#retired.values()];
  }

  /** From now on panic begins below this share; to be followed by `settle`. */
  setPanicThreshold(percent: number): void {
    this.#panicThresholdPercent = percent;
    if (percent === 0 && this.#ignoresHealth) this.#setPanic(false);
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
    this.#branch(endpoint.branch).count(endpoint, 1);
    this.#enter(endpoint);
  }

  /** What the control thread says of an endpoint has changed. To be followed by `settle`. */
  change(endpoint: Endpoint, { weight, healthy, enabled }: EndpointCondition): void {
    const wasWeight = endpoint.fullWeight;
    this.#update(endpoint, () => {
      endpoint.fullWeight = weight;
      endpoint.healthy = healthy;
      endpoint.enabled = enabled;
    });
    if (wasWeight !== weight) this.reweigh(endpoint);
  }

  /** The endpoint's weight is another one now. */
  reweigh(endpoint: Endpoint): void {
    if (endpoint.state !== "retired") this.#pickerOf(endpoint).reweigh(endpoint);
  }

  /** Takes an endpoint out; it is kept until `forget` for the sake of its connections. */
  retire(endpoint: Endpoint): void {
    const branch = this.#branch(endpoint.branch);
    branch.count(endpoint, -1);
    this.#pickerOf(endpoint).remove(endpoint);
    this.#parked.delete(endpoint);
    endpoint.state = "retired";
    this.#live.delete(endpoint.id);
    this.#retired.set(endpoint.id, endpoint);
    this.#forgetIfEmpty(branch);
  }

  /** Drops a retired endpoint. */
  forget(endpoint: Endpoint): void {
    this.#retired.delete(endpoint.id);
  }

  /** Stops picking an endpoint that has failed. */
  eject(endpoint: Endpoint): void {
    if (endpoint.state !== "ready") return;
    this.#update(endpoint, () => (endpoint.state = "ejected"));
    this.settle();
  }

  /** Picks an ejected endpoint again. */
  readmit(endpoint: Endpoint): void {
    if (endpoint.state !== "ejected") return;
    this.#update(endpoint, () => (endpoint.state = "ready"));
    this.settle();
  }

  /** Endpoints that are not picked because they are full. Retired ones are not among them. */
  get parked(): ReadonlySet<Endpoint> {
    return this.#parked;
  }

  /** Does not pick an endpoint until `unpark`: it has as many connections as it may have. */
  park(endpoint: Endpoint): void {
    if (endpoint.state === "retired") return;
    this.#pickerOf(endpoint).remove(endpoint);
    this.#parked.add(endpoint);
  }

  /** Picks an endpoint again that has room. */
  unpark(endpoint: Endpoint): void {
    if (this.#parked.delete(endpoint)) this.#enter(endpoint);
  }

  /** Up to `count` of those that are parked, another part each time. */
  someParked(count: number): readonly Endpoint[] {
    const some = [...this.#parked.values().take(count)];
    if (some.length === this.#parked.size) return some;
    for (const endpoint of some) {
      this.#parked.delete(endpoint);
      this.#parked.add(endpoint);
    }
    return some;
  }

  /** Looks whether enough endpoints may be picked, once changes are done. Answers whether panic has begun. */
  settle(): boolean {
    const threshold = this.#panicThresholdPercent;
    if (threshold === 0) return false;
    let enabled = 0;
    let usable = 0;
    for (const branch of this.#weighted()) {
      enabled += branch.enabledWeight;
      usable += branch.usableWeight;
    }
    const margin = this.#ignoresHealth ? PANIC_MARGIN_PERCENT : 0;
    const needed = (Math.min(100, threshold + margin) / 100) * enabled * (1 - ROUNDING);
    const isTooFew = usable < needed;
    if (isTooFew === this.#ignoresHealth) return false;
    this.#setPanic(isTooFew);
    return isTooFew;
  }

  /**
   * The endpoint for one more connection: a ready one, or, when there is none, an ejected one. `client` is a hash of the
   * client's address where the pickers go by it, any number where they do not.
   */
  pick(client: number): Endpoint | undefined {
    const only = this.#only;
    const ready = only === undefined ? this.#pickFrom("ready", client) : only.ready.pick(client);
    // Those that are well and only full are waited for: what fails is no way out.
    if (ready !== undefined || this.#hasFullReady()) return ready;
    return only === undefined ? this.#pickFrom("ejected", client) : only.ejected.pick(client);
  }

  /** The same, none of `tried`. For the path of failure: costs O(log n) for each that was tried. */
  pickOther(tried: readonly Endpoint[], client: number): Endpoint | undefined {
    if (tried.length === 0) return this.pick(client);
    const held = tried.filter((endpoint) => endpoint.state !== "retired");
    for (const endpoint of held) this.#pickerOf(endpoint).remove(endpoint);
    const picked = this.pick(client);
    for (const endpoint of held) this.#enter(endpoint);
    return picked;
  }

  #enter(endpoint: Endpoint): void {
    if (!this.#parked.has(endpoint)) this.#pickerOf(endpoint).add(endpoint);
  }

  /** Whether an endpoint would be picked if it were not full. */
  #hasFullReady(): boolean {
    for (const endpoint of this.#parked) {
      const branch = this.#branch(endpoint.branch);
      const isReady = this.#pickerOf(endpoint) === branch.ready;
      if (isReady && endpoint.weight > 0 && branch.weight > 0) return true;
    }
    return false;
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

  /** Changes what decides where an endpoint belongs, and puts it there. */
  #update(endpoint: Endpoint, change: () => void): void {
    if (endpoint.state === "retired") return change();
    const branch = this.#branch(endpoint.branch);
    const before = this.#pickerOf(endpoint);
    branch.count(endpoint, -1);
    change();
    branch.count(endpoint, 1);
    if (this.#pickerOf(endpoint) === before) return;
    before.remove(endpoint);
    this.#enter(endpoint);
  }

  #setPanic(ignoresHealth: boolean): void {
    const moving = [...this.#live.values()].filter(
      ({ enabled, healthy, state }) => enabled && !(healthy && state === "ready"),
    );
    for (const endpoint of moving) this.#pickerOf(endpoint).remove(endpoint);
    this.#ignoresHealth = ignoresHealth;
    for (const endpoint of moving) this.#enter(endpoint);
  }

  #pickerOf(endpoint: Endpoint): Picker<Endpoint> {
    const branch = this.#branch(endpoint.branch);
    if (!endpoint.enabled) return branch.disabled;
    if (this.#ignoresHealth) return branch.ready;
    if (!endpoint.healthy) return branch.unhealthy;
    return endpoint.state === "ejected" ? branch.ejected : branch.ready;
  }

  #weighted(): readonly Branch[] {
    return [...this.#branches.values()].filter(({ weight }) => weight > 0);
  }

  #branch(id: number): Branch {
    const known = this.#branches.get(id);
    if (known !== undefined) return known;
    const branch = new Branch(id, this.#pickers);
    this.#branches.set(id, branch);
    return branch;
  }

  #forgetIfEmpty(branch: Branch): void {
    if (branch.isGone && branch.isEmpty) this.#branches.delete(branch.id);
  }
}
