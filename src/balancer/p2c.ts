// Weighted least-loaded power of two choices. Owns the choice, not the draw (two-choices.ts), the endpoints or
// their loads. Why this rule, and its figures: docs/decisions/0001-pick-rule.md.
import type { Rng } from "../lib/rng.ts";
import type { Pickable } from "./picker.ts";
import type { Pickers } from "./pickers.ts";
import { TwoChoicesPicker } from "./two-choices.ts";

/**
 * Draws two distinct endpoints in proportion to weight and takes the second if, chance deciding
 * over parts of a connection, it is the less loaded for its weight. With equal weights that is the
 * classic rule: the lower load wins, a tie goes to the first drawn (Mitzenmacher, "The Power of Two
 * Choices in Randomized Load Balancing", 1996).
 *
 * Shares of connections follow the weights: exactly while nothing is held, within 5 % (mostly 2 %)
 * at any number of held connections, as `test/simulation/balance.test.ts` shows.
 */
export class P2cPicker<E extends Pickable> extends TwoChoicesPicker<E> {
  protected chance(
    first: E,
    firstWeight: number,
    second: E,
    secondWeight: number,
    total: number,
  ): number {
    return swapChance(first.load, firstWeight, second.load, secondWeight, total);
  }
}

/** The default: known without loading the others (pickers.ts). */
export function p2cPickers(rng: Rng): Pickers {
  return { byClient: false, latencies: undefined, make: () => new P2cPicker(rng) };
}

/**
 * How likely the second drawn should replace the first; below 0 is never, above 1 always.
 *
 * Always keeping the first would give shares in exact proportion to weight. Swaps leave them so if,
 * between any two endpoints whose mean loads are as their weights, those from a to b and those from
 * b to a cancel out. A yes-or-no comparison of load/weight does not do that: loads are whole
 * numbers, so an endpoint whose fair share is a fraction looks too full or too empty most of the
 * time. A chance linear in both loads does: its mean depends on the mean loads alone. So:
 *
 * - The chance is the first's excess over the second, counted in connections of the lighter of the
 *   two. One whole connection too many is a sure swap, a part of one a swap with that chance.
 * - As the second is drawn from what the first leaves, a pair comes up heavy first more often than
 *   light first, by (total - light) : (total - heavy). Heavy first swaps less by that ratio, as
 *   Metropolis-Hastings sampling corrects for a lopsided proposal (Hastings, 1970).
 *
 * Above 1 linearity ends; what is left of the error comes from there.
 */
export function swapChance(
  load1: number,
  weight1: number,
  load2: number,
  weight2: number,
  total: number,
): number {
  if (weight1 <= weight2) return load1 - load2 * (weight1 / weight2);
  return (load1 * (weight2 / weight1) - load2) * ((total - weight1) / (total - weight2));
}
