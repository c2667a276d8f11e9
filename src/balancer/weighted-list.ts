// Endpoints in a list with their weights in a tree: what pickers share that draw by weight. Owns each one's place.
import type { Pickable } from "./picker.ts";
import { SumTree } from "./sum-tree.ts";

/** The half of a picker that knows its endpoints. `add`, `remove` and `reweigh` are O(log n). */
export abstract class WeightedList<E extends Pickable> {
  // Plain fields: these are read on every pick.
  protected readonly endpoints: E[] = [];
  // The weight of endpoints[i] is at index i.
  protected readonly weights = new SumTree();

  get size(): number {
    return this.endpoints.length;
  }

  get weight(): number {
    return this.weights.total;
  }

  add(endpoint: E): void {
    if (endpoint.pickerIndex !== -1) return;
    endpoint.pickerIndex = this.endpoints.length;
    this.endpoints.push(endpoint);
    this.weights.set(endpoint.pickerIndex, endpoint.weight);
  }

  remove(endpoint: E): void {
    const index = endpoint.pickerIndex;
    if (this.endpoints[index] !== endpoint) return;
    // The last one moves into the gap, so that nothing else has to.
    const last = this.endpoints.pop();
    const lastWeight = this.weights.get(this.endpoints.length);
    this.weights.set(this.endpoints.length, 0);
    endpoint.pickerIndex = -1;
    if (last === undefined || last === endpoint) return;
    this.endpoints[index] = last;
    this.weights.set(index, lastWeight);
    last.pickerIndex = index;
  }

  reweigh(endpoint: E): void {
    if (this.endpoints[endpoint.pickerIndex] !== endpoint) return;
    this.weights.set(endpoint.pickerIndex, endpoint.weight);
  }
}
