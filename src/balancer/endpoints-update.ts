// What the control thread says of the endpoints of a destination, as a balancer takes it.

import type { Endpoint, EndpointCondition } from "./endpoint.ts";
import type { BranchWeight } from "./pool.ts";

/** A change of the endpoints, applied at once. */
export interface EndpointsUpdate {
  /** False while nothing is resolved: sessions wait instead of being refused. */
  readonly known: boolean;
  /** All branches there are. */
  readonly branches: readonly BranchWeight[];
  readonly added: readonly Endpoint[];
  readonly changed: readonly ({ readonly id: number } & EndpointCondition)[];
  readonly removed: readonly { readonly id: number; readonly epoch: number }[];
}
