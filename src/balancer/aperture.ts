// Keeps a process to a part of the endpoints, as wide as its load needs. Owns the window and its width.
import type { Clock } from "../lib/clock.ts";
import { hashText } from "../lib/hash.ts";
import type { Rng } from "../lib/rng.ts";
import { HashOrder, type Slot } from "./hash-order.ts";
import { swapChance } from "./p2c.ts";
import type { Located, Picker } from "./picker.ts";
import { TotalLoad } from "./total-load.ts";

/** Draws of a second endpoint before the first is taken as it is: in a window that one endpoint fills nothing else comes. */
const REDRAWS = 8;
/** What the golden ratio has after the point. */
const GOLDEN_PART = 0.618_033_988_749_895;

export interface ApertureSettings {
  /** Least width, in endpoints of mean weight; 1 or more. */
  readonly minAperture: number;
  /** Connections for each endpoint in the window, below which it gets narrower. */
  readonly lowLoad: number;
  /** The same, above which it gets wider; above `lowLoad`. */
  readonly highLoad: number;
  /** Load is averaged over this time; > 0. */
  readonly smoothWindowMs: number;
}

/** What an aperture is made of. */
export interface ApertureParts {
  readonly settings: ApertureSettings;
  readonly clock: Clock;
  readonly rng: Rng;
  /** Where on the circle this process begins, from 0 to below 1: alike on all its workers, and by chance among processes. */
  readonly place: number;
}

/**
 * The place of a process, from 0 to below 1, of which nothing is known but the name of its host. Hosts that are numbered
 * (`proxy-0`, `proxy-1`, as in a StatefulSet) are spread evenly however many there are, as multiples of the golden ratio are,
 * and others by chance. Each destination begins elsewhere.
 */
export function placeOf(host: string, destination: string): number {
  const [number = ""] = /\d{0,9}$/.exec(host) ?? [];
  const family = host.slice(0, host.length - number.length);
  return (hashText(`${family} ${destination}`) / 2 ** 32 + Number(number) * GOLDEN_PART) % 1;
}

/**
 * Endpoints lie on a circle in the order of their hashes, each as long as its weight. The window begins at the place of the
 * process and is as long as `aperture` endpoints of mean weight; an endpoint at its edge counts with the part that is inside.
 * Within the window it chooses as P2cPicker does. As every point of the circle lies in as many windows as any other, up to
 * chance, endpoints get their weights' share from all processes together, at any width.
 *
 * The load that decides the width is that of the whole process. `pick` is O(endpoints / 128) and allocates nothing.
 */
export class AperturePicker<E extends Located> implements Picker<E> {
  private readonly parts: ApertureParts;
  private readonly order = new HashOrder<E>();
  private readonly totalLoad: TotalLoad;
  /** In endpoints of mean weight. */
  private width: number;
  private smoothLoad = 0;
  private smoothedMs: number;
  // The window of the pick under way: where it begins, and its length.
  private start = 0;
  private length = 0;
  /** The part of the last endpoint drawn that is in the window. */
  private drawnWeight = 0;

  constructor(parts: ApertureParts) {
    this.parts = parts;
    this.totalLoad = new TotalLoad(this.order, parts.clock);
    this.width = parts.settings.minAperture;
    this.smoothedMs = parts.clock.now();
  }

  get size(): number {
    return this.order.size;
  }

  get weight(): number {
    return this.order.weight;
  }

  /** How many endpoints of mean weight the window is wide. */
  get aperture(): number {
    return Math.min(this.width, this.order.weighted);
  }

  add(endpoint: E): void {
    if (this.order.add(endpoint)) this.totalLoad.change(endpoint.load);
  }

  remove(endpoint: E): void {
    if (this.order.remove(endpoint)) this.totalLoad.change(-endpoint.load);
  }

  reweigh(endpoint: E): void {
    this.order.reweigh(endpoint);
  }

  pick(): E | undefined {
    const { weight, weighted } = this.order;
    if (!(weight > 0)) return undefined;
    this.adjust(weighted);
    this.start = this.parts.place * weight;
    this.length = (Math.min(this.width, weighted) / weighted) * weight;
    const first = this.draw();
    if (first === undefined) return undefined;
    const firstWeight = this.drawnWeight;
    let second = first;
    for (let draws = 0; second === first && draws < REDRAWS; draws += 1)
      second = this.draw() ?? first;
    if (second === first) return first.endpoint;
    const chance = swapChance(
      first.endpoint.load,
      firstWeight,
      second.endpoint.load,
      this.drawnWeight,
      this.length,
    );
    if (!(chance > 0)) return first.endpoint;
    return chance >= 1 || this.parts.rng.next() < chance ? second.endpoint : first.endpoint;
  }

  /** One step for each pick: a load that grows brings its picks with it. */
  private adjust(weighted: number): void {
    const { clock, settings } = this.parts;
    const nowMs = clock.now();
    const left = Math.exp((this.smoothedMs - nowMs) / settings.smoothWindowMs);
    this.smoothLoad = this.smoothLoad * left + this.totalLoad.next() * (1 - left);
    this.smoothedMs = nowMs;
    // What was wider than there are endpoints now narrows from there.
    this.width = Math.min(this.width, Math.max(weighted, settings.minAperture));
    const perEndpoint = this.smoothLoad / this.width;
    if (perEndpoint >= settings.highLoad && this.width < weighted) this.width += 1;
    else if (perEndpoint <= settings.lowLoad && this.width > settings.minAperture) this.width -= 1;
  }

  private draw(): Slot<E> | undefined {
    const { weight } = this.order;
    const into = this.start + this.parts.rng.next() * this.length;
    const position = into < weight ? into : into - weight;
    const slot = this.order.find(position);
    const from = position - this.order.remainder;
    this.drawnWeight = slot === undefined ? 0 : this.inWindow(from, from + slot.weight);
    return slot;
  }

  /** How much of a stretch lies in the window, which may go past the end of the circle and on from its beginning. */
  private inWindow(from: number, to: number): number {
    const { weight } = this.order;
    const end = this.start + this.length;
    const inside = overlap(from, to, this.start, end) + overlap(from, to, 0, end - weight);
    return Math.min(to - from, inside);
  }
}

function overlap(from: number, to: number, start: number, end: number): number {
  return Math.max(0, Math.min(to, end) - Math.max(from, start));
}
