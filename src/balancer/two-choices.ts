// The draw of two endpoints that p2c and ewma have in common. Owns the draw, not the choice between the two.
import type { Rng } from "../lib/rng.ts";
import type { Pickable, Picker } from "./picker.ts";
import { WeightedList } from "./weighted-list.ts";

/** Draws two distinct endpoints in proportion to weight. `pick` is O(log n) and allocates nothing. */
export abstract class TwoChoicesPicker<E extends Pickable>
  extends WeightedList<E>
  implements Picker<E>
{
  private readonly rng: Rng;

  /** @param rng asked two or three times a pick; once when a single endpoint has weight */
  constructor(rng: Rng) {
    super();
    this.rng = rng;
  }

  /** How likely the second drawn should replace the first; below 0 is never, above 1 always. See swapChance. */
  protected abstract chance(
    first: E,
    firstWeight: number,
    second: E,
    secondWeight: number,
    total: number,
  ): number;

  pick(): E | undefined {
    const { weights, rng } = this;
    const total = weights.total;
    const random = rng.next() * total;
    const firstIndex = weights.find(random);
    const first = this.endpoints[firstIndex];
    if (first === undefined) return undefined;
    const firstWeight = weights.get(firstIndex);
    const others = total - firstWeight;
    if (!(others > 0)) return first;

    // The second draw is from the others alone: their running sum is the whole one with the first's
    // stretch cut out.
    const rest = rng.next() * others;
    const cut = random - weights.remainder;
    const secondIndex = weights.find(rest < cut ? rest : rest + firstWeight);
    const second = this.endpoints[secondIndex];
    // Rounding at an edge of the cut may draw the first again, which then has no rival.
    if (second === undefined || second === first) return first;

    const chance = this.chance(first, firstWeight, second, weights.get(secondIndex), total);
    // Comparing first spares the draw in most picks.
    if (!(chance > 0)) return first;
    return chance >= 1 || rng.next() < chance ? second : first;
  }
}
