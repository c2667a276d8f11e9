// One branch of a pool: its pickers, and how much of its weight may be picked.
import type { Endpoint } from "./endpoint.ts";
import type { Picker } from "./picker.ts";
import type { Pickers } from "./pickers.ts";

/** A branch. */
export class Branch {
  readonly id: number;
  /** 0 also for a branch that has gone and whose endpoints are not retired yet. */
  weight = 0;
  isGone = true;
  ready: Picker<Endpoint>;
  ejected: Picker<Endpoint>;
  /** Those that active checks have found to be down. */
  unhealthy: Picker<Endpoint>;
  /** Those that an operator has taken out; nothing picks from it. */
  disabled: Picker<Endpoint>;
  /** Weight of the enabled endpoints, whatever slow start leaves of it. */
  enabledWeight = 0;
  /** The part of it that is healthy and not ejected. */
  usableWeight = 0;
  /** How many endpoints have that weight. */
  usable = 0;
  #enabled = 0;

  constructor(id: number, pickers: Pickers) {
    this.id = id;
    this.ready = pickers.make();
    this.ejected = pickers.make();
    this.unhealthy = pickers.make();
    this.disabled = pickers.make();
  }

  /** Empty ones of another kind. Endpoints are to be moved by the caller. */
  usePickers({ make }: Pickers): void {
    this.ready = make();
    this.ejected = make();
    this.unhealthy = make();
    this.disabled = make();
  }

  get isEmpty(): boolean {
    const { ready, ejected, unhealthy, disabled } = this;
    return ready.size + ejected.size + unhealthy.size + disabled.size === 0;
  }

  /** Takes an endpoint into account as it is now, or with -1 out of it. */
  count(endpoint: Endpoint, sign: 1 | -1): void {
    const { fullWeight, enabled, state } = endpoint;
    if (!enabled || state === "retired" || !(fullWeight > 0) || fullWeight === Infinity) return;
    this.#enabled += sign;
    this.enabledWeight += sign * fullWeight;
    if (isUsable(endpoint)) {
      this.usable += sign;
      this.usableWeight += sign * fullWeight;
    }
    if (this.#enabled > 0) return;
    // What rounding has left would be weight that nobody has.
    this.enabledWeight = 0;
    this.usableWeight = 0;
  }
}

/** Whether connections may go there while all is well. */
export function isUsable({ fullWeight, healthy, enabled, state }: Endpoint): boolean {
  return fullWeight > 0 && healthy && enabled && state === "ready";
}
