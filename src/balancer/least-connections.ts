// The least loaded of all endpoints. Owns the search.
import type { Rng } from "../lib/rng.ts";
import type { Pickable, Picker } from "./picker.ts";
import { WeightedList } from "./weighted-list.ts";

/**
 * Takes the endpoint with the fewest connections for its weight. Among equals those win in proportion to weight: the search
 * begins at one drawn by weight, and the first of the least is taken.
 *
 * `pick` looks at every endpoint, as loads change unannounced: other workers change them too. docs/guide/balancing.md says
 * from how many on that hurts. Allocates nothing.
 */
export class LeastConnectionsPicker<E extends Pickable>
  extends WeightedList<E>
  implements Picker<E>
{
  private readonly rng: Rng;

  /** @param rng asked once a pick */
  constructor(rng: Rng) {
    super();
    this.rng = rng;
  }

  pick(): E | undefined {
    const { endpoints, weights } = this;
    const start = weights.find(this.rng.next() * weights.total);
    let best = endpoints[start];
    if (best === undefined) return undefined;
    let bestLoad = best.load;
    let bestWeight = weights.get(start);
    const count = endpoints.length;
    // Nothing is below 0.
    for (let step = 1; step < count && bestLoad > 0; step += 1) {
      const index = start + step < count ? start + step : start + step - count;
      const endpoint = endpoints[index];
      const weight = weights.get(index);
      if (endpoint === undefined || !(weight > 0)) continue;
      const load = endpoint.load;
      if (load * bestWeight < bestLoad * weight) {
        best = endpoint;
        bestLoad = load;
        bestWeight = weight;
      }
    }
    return best;
  }
}
