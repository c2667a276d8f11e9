// The endpoints of one destination on one worker: which may be picked, which are ejected, which are retired.
import type { Rng } from "../lib/rng.ts";
import type { Endpoint } from "./endpoint.ts";
import { P2cPicker } from "./p2c.ts";
import type { Picker } from "./picker.ts";

/** Keeps every endpoint in the picker that fits its state. Owns no socket and no timer. */
export class Pool {
  readonly #ready: Picker<Endpoint>;
  readonly #ejected: Picker<Endpoint>;
  readonly #live = new Map<number, Endpoint>();
  readonly #retired = new Map<number, Endpoint>();

  constructor(rng: Rng) {
    this.#ready = new P2cPicker(rng);
    this.#ejected = new P2cPicker(rng);
  }

  /** Endpoints that are resolved now. */
  get size(): number {
    return this.#live.size;
  }

  /** Whether endpoints are resolved and every one of them is ejected: then all are tried. */
  get panics(): boolean {
    return this.#ejected.pick() !== undefined && this.#ready.pick() === undefined;
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
    this.#ready.remove(endpoint);
    endpoint.state = "ejected";
    endpoint.row.setEjected(true);
    this.#ejected.add(endpoint);
  }

  /** Picks an ejected endpoint again. */
  readmit(endpoint: Endpoint): void {
    if (endpoint.state !== "ejected") return;
    this.#ejected.remove(endpoint);
    endpoint.state = "ready";
    endpoint.row.setEjected(false);
    this.#ready.add(endpoint);
  }

  /** The endpoint for one more connection: a ready one, or, when there is none, an ejected one. */
  pick(): Endpoint | undefined {
    return this.#ready.pick() ?? this.#ejected.pick();
  }

  /** The same, none of `tried`. For the path of failure: costs O(log n) for each that was tried. */
  pickOther(tried: readonly Endpoint[]): Endpoint | undefined {
    const held = tried.filter((endpoint) => endpoint.state !== "retired");
    for (const endpoint of held) this.#pickerOf(endpoint).remove(endpoint);
    const picked = this.pick();
    for (const endpoint of held) this.#pickerOf(endpoint).add(endpoint);
    return picked;
  }

  #pickerOf(endpoint: Endpoint): Picker<Endpoint> {
    return endpoint.state === "ejected" ? this.#ejected : this.#ready;
  }
}
