// From the configuration of a balancer to its pickers, and to what they must be told.
import type { LoadBalancerConfig } from "../config/types.ts";
import type { Clock } from "../lib/clock.ts";
import type { Rng } from "../lib/rng.ts";
import { AperturePicker } from "./aperture.ts";
import type { Endpoint } from "./endpoint.ts";
import { EwmaPicker } from "./ewma.ts";
import { Latencies } from "./latency.ts";
import { LeastConnectionsPicker } from "./least-connections.ts";
import { p2cPickers } from "./p2c.ts";
import type { Picker } from "./picker.ts";
import { RendezvousPicker } from "./rendezvous.ts";
import { RoundRobinPicker } from "./round-robin.ts";

/** The pickers of one destination. */
export interface Pickers {
  /** A new, empty one. */
  readonly make: () => Picker<Endpoint>;
  /** Whether picks go by the client's address: then it must be given, and a split goes by it too. */
  readonly byClient: boolean;
  /** To be told how long endpoints let clients wait; undefined where nobody wants to know. */
  readonly latencies: Latencies | undefined;
}

/** What pickers are made of. */
export interface PickerParts {
  readonly clock: Clock;
  readonly rng: Rng;
  /** Place of this process among others, from 0 to below 1: see AperturePicker. Asked where there is an aperture. */
  readonly place: () => number;
}

const PLAIN = { byClient: false, latencies: undefined };

/** Everything that `config` decides about how endpoints are chosen. */
export function createPickers(config: LoadBalancerConfig, parts: PickerParts): Pickers {
  const { clock, rng } = parts;
  switch (config.kind) {
    case "p2c":
      return p2cPickers(rng);
    case "ewma": {
      const latencies = new Latencies(clock, config.decayTimeMs);
      return { byClient: false, latencies, make: () => new EwmaPicker(rng, latencies) };
    }
    case "leastConnections":
      return { ...PLAIN, make: () => new LeastConnectionsPicker(rng) };
    case "roundRobin":
      return { ...PLAIN, make: () => new RoundRobinPicker(rng) };
    case "aperture": {
      const place = parts.place();
      return { ...PLAIN, make: () => new AperturePicker({ settings: config, clock, rng, place }) };
    }
    case "maglev": {
      const { maxLoadFactor } = config;
      return {
        byClient: true,
        latencies: undefined,
        make: () => new RendezvousPicker(maxLoadFactor, clock),
      };
    }
    default:
      return config satisfies never;
  }
}
