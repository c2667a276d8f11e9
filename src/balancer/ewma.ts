// Power of two choices by load and latency. Owns the choice; latency.ts owns the latencies.
import type { Rng } from "../lib/rng.ts";
import type { Latencies, Timed } from "./latency.ts";
import { swapChance } from "./p2c.ts";
import type { Pickable, Picker } from "./picker.ts";
import { WeightedList } from "./weighted-list.ts";

/**
 * Draws two as P2cPicker does. Of two that are equally fast it chooses as P2cPicker does; of others, the slower by a factor
 * f counts as if it held f (load + 1) - 1 connections, so that a free one that is twice as slow is passed over for a free
 * one, but taken instead of a fast one with two. Latencies differ a little all the time: as the chance of a swap is linear
 * in that excess, small differences shift shares a little instead of deciding every pick.
 *
 * `pick` is O(log n) and allocates nothing.
 */
export class EwmaPicker<E extends Pickable & Timed> extends WeightedList<E> implements Picker<E> {
  private readonly rng: Rng;
  private readonly latencies: Latencies;

  constructor(rng: Rng, latencies: Latencies) {
    super();
    this.rng = rng;
    this.latencies = latencies;
  }

  pick(): E | undefined {
    const weights = this.weights;
    const total = weights.total;
    const random = this.rng.next() * total;
    const firstIndex = weights.find(random);
    const first = this.endpoints[firstIndex];
    if (first === undefined) return undefined;
    const firstWeight = weights.get(firstIndex);
    const others = total - firstWeight;
    if (!(others > 0)) return first;

    // As in P2cPicker: from the others alone.
    const rest = this.rng.next() * others;
    const cut = random - weights.remainder;
    const secondIndex = weights.find(rest < cut ? rest : rest + firstWeight);
    const second = this.endpoints[secondIndex];
    if (second === undefined || second === first) return first;

    const nowMs = this.latencies.now();
    const factor = this.latencies.of(first, nowMs) / this.latencies.of(second, nowMs);
    const chance = swapChance(
      factor > 1 ? factor * (first.load + 1) - 1 : first.load,
      firstWeight,
      factor < 1 ? (second.load + 1) / factor - 1 : second.load,
      weights.get(secondIndex),
      total,
    );
    if (!(chance > 0)) return first;
    return chance >= 1 || this.rng.next() < chance ? second : first;
  }
}
