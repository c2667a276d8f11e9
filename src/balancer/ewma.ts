// Power of two choices by load and latency. Owns the choice; latency.ts owns the latencies.
import type { Rng } from "../lib/rng.ts";
import type { Latencies, Timed } from "./latency.ts";
import { swapChance } from "./p2c.ts";
import type { Pickable } from "./picker.ts";
import { TwoChoicesPicker } from "./two-choices.ts";

/**
 * Draws two as P2cPicker does. Of two that are equally fast it chooses as P2cPicker does; of others, the slower by a factor
 * f counts as if it held f (load + 1) - 1 connections, so that a free one that is twice as slow is passed over for a free
 * one, but taken instead of a fast one with two. Latencies differ a little all the time: as the chance of a swap is linear
 * in that excess, small differences shift shares a little instead of deciding every pick.
 */
export class EwmaPicker<E extends Pickable & Timed> extends TwoChoicesPicker<E> {
  private readonly latencies: Latencies;

  constructor(rng: Rng, latencies: Latencies) {
    super(rng);
    this.latencies = latencies;
  }

  protected chance(
    first: E,
    firstWeight: number,
    second: E,
    secondWeight: number,
    total: number,
  ): number {
    const factor = this.latencies.ratio(first, second);
    return swapChance(
      factor > 1 ? factor * (first.load + 1) - 1 : first.load,
      firstWeight,
      factor < 1 ? (second.load + 1) / factor - 1 : second.load,
      secondWeight,
      total,
    );
  }
}
