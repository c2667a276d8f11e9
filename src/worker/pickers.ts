// The pickers of a destination on a worker, whichever balancer it has.
import { placeOf } from "../balancer/aperture.ts";
import { createPickers, type Pickers } from "../balancer/pickers.ts";
import type { LoadBalancerConfig } from "../config/types.ts";
import type { WorkerParts } from "./parts.ts";

/** Pickers as `config` asks for, of the destination at `path`. */
export function pickersOf(
  config: LoadBalancerConfig,
  path: string,
  { clock, rng, hostName }: Pick<WorkerParts, "clock" | "rng" | "hostName">,
): Pickers {
  return createPickers(config, { clock, rng, place: () => placeOf(hostName(), path) });
}
