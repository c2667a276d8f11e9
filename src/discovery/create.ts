// From the `interpreter` of a configuration to what resolves names: the one place that knows all kinds.
import type { InterpreterConfig } from "../config/types.ts";
import type { Clock } from "../lib/clock.ts";
import type { Rng } from "../lib/rng.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Registry } from "../telemetry/registry.ts";
import { type HostLookup, systemHostLookup } from "./host-lookup.ts";
import type { Interpreter } from "./interpreter.ts";
import { ResolverMetrics } from "./metrics.ts";
import type { NameService } from "./name-service.ts";
import { oneBranch } from "./one-branch.ts";

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
  /** The names of this process, for `default`: one service for all routers. Without it only `/$/` is known. */
  readonly names?: NameService;
}

/** An interpreter that counts its answers. */
export interface CountedInterpreter extends Interpreter {
  /** Ends its metrics: nobody asks it any more. */
  release(): void;
}

/** The interpreter that `config` asks for. */
export async function createInterpreter(
  config: InterpreterConfig,
  parts: ResolverParts,
): Promise<CountedInterpreter> {
  const namespace = config.kind === "io.l5d.namerd.http" ? config.namespace : "";
  const metrics = new ResolverMetrics(parts.registry, namespace, parts.router);
  const interpreter = await make(config, parts, metrics);
  return {
    bind(path, signal, report) {
      interpreter.bind(path, signal, (binding) => {
        if (binding.state === "neg" || binding.state === "failed") metrics.count(binding);
        report(binding);
      });
    },
    addresses(id, signal, report) {
      interpreter.addresses(id, signal, (resolution) => {
        metrics.count(resolution);
        report(resolution);
      });
    },
    release: () => metrics.release(),
  };
}

// Each kind is loaded when it is asked for: they hold up to 2 MB of private memory.
async function make(
  config: InterpreterConfig,
  parts: ResolverParts,
  metrics: ResolverMetrics,
): Promise<Interpreter> {
  const { clock, rng, log, lookup = systemHostLookup } = parts;
  switch (config.kind) {
    case "default": {
      const { InProcessInterpreter } = await import("./in-process.ts");
      return new InProcessInterpreter(parts.names ?? (await onlyBuiltIn(parts)), config.dtab);
    }
    case "io.l5d.namerd.http": {
      const { NamerdInterpreter } = await import("./namerd/namerd.ts");
      return new NamerdInterpreter(config, { clock, rng, log, metrics });
    }
    case "io.l5d.fs": {
      const { FsResolver } = await import("./fs/fs.ts");
      const { systemFolderWatches: folders } = await import("./fs/folder-watches.ts");
      return oneBranch(new FsResolver(config, { clock, rng, log, metrics, lookup, folders }));
    }
    case "io.l5d.static": {
      const { StaticResolver } = await import("./static.ts");
      return oneBranch(new StaticResolver(config, { clock, rng, log, metrics, lookup }));
    }
    default:
      return config satisfies never;
  }
}

async function onlyBuiltIn(parts: ResolverParts): Promise<NameService> {
  const { createNamers } = await import("./create-namers.ts");
  return (await createNamers([], parts)).service;
}
