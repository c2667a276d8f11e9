// From the `interpreter` of a configuration to a resolver: the one place that knows all kinds.
import type { InterpreterConfig } from "../config/types.ts";
import type { Clock } from "../lib/clock.ts";
import type { Rng } from "../lib/rng.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Registry } from "../telemetry/registry.ts";
import { type HostLookup, systemHostLookup } from "./host-lookup.ts";
import { ResolverMetrics } from "./metrics.ts";
import type { Resolver } from "./resolver.ts";

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
export async function createResolver(
  config: InterpreterConfig,
  parts: ResolverParts,
): Promise<Resolver> {
  const namespace = config.kind === "io.l5d.namerd.http" ? config.namespace : "";
  const metrics = new ResolverMetrics(parts.registry, namespace, parts.router);
  const resolver = await make(config, parts, metrics);
  return {
    watch(path, signal, report) {
      resolver.watch(path, signal, (resolution) => {
        metrics.count(resolution);
        report(resolution);
      });
    },
  };
}

// Each kind is loaded when it is asked for: they hold up to 2 MB of private memory.
async function make(
  config: InterpreterConfig,
  { clock, rng, log, lookup = systemHostLookup }: ResolverParts,
  metrics: ResolverMetrics,
): Promise<Resolver> {
  switch (config.kind) {
    case "io.l5d.namerd.http": {
      const { NamerdResolver } = await import("./namerd.ts");
      return new NamerdResolver(config, { clock, rng, log, metrics });
    }
    case "io.l5d.fs": {
      const { FsResolver } = await import("./fs.ts");
      const { systemFolderWatches } = await import("./folder-watches.ts");
      return new FsResolver(config, {
        clock,
        rng,
        log,
        metrics,
        lookup,
        folders: systemFolderWatches,
      });
    }
    case "io.l5d.static": {
      const { StaticResolver } = await import("./static.ts");
      return new StaticResolver(config, { clock, rng, log, metrics, lookup });
    }
    default:
      return config satisfies never;
  }
}
