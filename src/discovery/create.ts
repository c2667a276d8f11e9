// From the `interpreter` of a configuration to a resolver: the one place that knows all kinds.
import type { InterpreterConfig } from "../config/types.ts";
import type { Clock } from "../lib/clock.ts";
import type { Rng } from "../lib/rng.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Registry } from "../telemetry/registry.ts";
import { systemFolderWatches } from "./folder-watches.ts";
import { FsResolver } from "./fs.ts";
import { type HostLookup, systemHostLookup } from "./host-lookup.ts";
import { ResolverMetrics } from "./metrics.ts";
import { NamerdResolver } from "./namerd.ts";
import type { Resolver } from "./resolver.ts";
import { StaticResolver } from "./static.ts";

/** What resolvers are made of. */
export interface ResolverParts {
  /** Label of the router that asks. */
  readonly router: string;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  /** Host names to addresses; the system's way when not given. */
  readonly lookup?: HostLookup;
}

/** The resolver that `config` asks for. It counts its answers. */
export function createResolver(config: InterpreterConfig, parts: ResolverParts): Resolver {
  const namespace = config.kind === "io.l5d.namerd.http" ? config.namespace : "";
  const metrics = new ResolverMetrics(parts.registry, namespace, parts.router);
  const resolver = make(config, parts, metrics);
  return {
    watch(path, signal, report) {
      resolver.watch(path, signal, (resolution) => {
        metrics.count(resolution);
        report(resolution);
      });
    },
  };
}

function make(
  config: InterpreterConfig,
  { clock, rng, log, lookup = systemHostLookup }: ResolverParts,
  metrics: ResolverMetrics,
): Resolver {
  switch (config.kind) {
    case "io.l5d.namerd.http":
      return new NamerdResolver(config, { clock, rng, log, metrics });
    case "io.l5d.fs":
      return new FsResolver(config, {
        clock,
        rng,
        log,
        metrics,
        lookup,
        folders: systemFolderWatches,
      });
    case "io.l5d.static":
      return new StaticResolver(config, { clock, rng, log, metrics, lookup });
    default:
      return config satisfies never;
  }
}
