// How a session finds the balancer of a name that only a connection brings up, such as the name its client asks for.
import type { Balancer } from "../balancer/balancer.ts";

/** Who waits for a balancer. */
export interface Asker {
  onBalancer(balancer: Balancer): void;
  /** There will be none: too many names are in use, or the process stops. */
  onNoBalancer(): void;
}

/** Finds balancers by path. */
export interface Lookup {
  /** The balancer, when it is there; else the asker is told later, once, unless it leaves before. */
  find(path: string, asker: Asker): Balancer | undefined;
  /** The asker waits no more. */
  leave(path: string, asker: Asker): void;
}
