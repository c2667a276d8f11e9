// From the `namers` of a configuration to the names of this process: the one place that knows all kinds.
import type { NamerConfig } from "../config/namer-types.ts";
import type { Clock } from "../lib/clock.ts";
import type { Rng } from "../lib/rng.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Registry } from "../telemetry/registry.ts";
import { Binder } from "./binder.ts";
import type { FollowedStatus } from "./followed-names.ts";
import { type HostLookup, systemHostLookup } from "./host-lookup.ts";
import { labelsOf } from "./inet.ts";
import { InetNamer, UTILITY_PREFIX } from "./inet-namer.ts";
import { type GuardedNamer, leafNamer } from "./leaf-namer.ts";
import type { MountedNamer } from "./lookups.ts";
import type { NameService } from "./name-service.ts";
import type { LeafSource, NamerDeps } from "./namer.ts";
import { NamerMetrics } from "./namer-metrics.ts";

export interface NamersParts {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  /** Host names to addresses; the system's way when not given. */
  readonly lookup?: HostLookup;
}

/** A namer as the admin port shows it. */
export interface NamerStatus extends FollowedStatus {
  /** Whole, such as `/#/io.l5d.fs`. */
  readonly prefix: string;
  readonly kind: string;
}

/** The names of this process. */
export interface NamerSet {
  readonly service: NameService;
  /** In the order of the configuration; the namers of `/$` come last. */
  statuses(): readonly NamerStatus[];
  /** Makes the metrics of what is true now current, for whoever is about to read them. */
  refreshMetrics(): void;
}

type Deps = NamerDeps & { readonly metrics: NamerMetrics };

interface Entry {
  readonly prefix: string;
  readonly kind: string;
  readonly metrics: NamerMetrics;
  readonly status: () => FollowedStatus;
}

/** An API server ends a watch after ten minutes at most, and the next one confirms; look-ups of names may come between. */
const K8S_CONFIRMS_WITHIN_MS = 900_000;
/** SRV records are asked for at an interval; after that, for the addresses of each target, from servers that may be slow. */
const SLOW_LOOKUP_MS = 60_000;

/** Follows nothing until somebody asks for a name. Where prefixes overlap, the namer configured last counts first. */
export async function createNamers(
  configs: readonly NamerConfig[],
  parts: NamersParts,
): Promise<NamerSet> {
  const { registry, clock, rng, log, lookup = systemHostLookup } = parts;
  const depsOf = (prefix: string): Deps => {
    const metrics = new NamerMetrics(registry, prefix);
    return { clock, rng, log, lookup, metrics };
  };
  const entries: Entry[] = [];
  const namers: MountedNamer[] = [];
  for (const config of configs) {
    const prefix = `/#${config.prefix}`;
    const deps = depsOf(prefix);
    const namer = await make(prefix, config, deps);
    entries.push({
      prefix,
      kind: config.kind,
      metrics: deps.metrics,
      status: () => namer.status(),
    });
    namers.push({ prefix: labelsOf(prefix) ?? [prefix], namer });
  }
  const deps = depsOf(UTILITY_PREFIX);
  const utilities = new InetNamer(deps);
  entries.push({
    prefix: UTILITY_PREFIX,
    kind: "built in",
    metrics: deps.metrics,
    status: () => utilities.status(),
  });
  return {
    service: new Binder({ namers, utilities, clock }),
    statuses: () => entries.map(({ prefix, kind, status }) => ({ prefix, kind, ...status() })),
    refreshMetrics: () => {
      for (const entry of entries) entry.metrics.set(entry.status());
    },
  };
}

// Each kind is loaded when it is asked for: they hold up to 2 MB of private memory.
async function make(prefix: string, config: NamerConfig, deps: Deps): Promise<GuardedNamer> {
  switch (config.kind) {
    case "io.l5d.fs": {
      const { FsNamer } = await import("./fs/fs-namer.ts");
      const { systemFolderWatches: folders } = await import("./fs/folder-watches.ts");
      return new FsNamer(prefix, config, { ...deps, folders });
    }
    case "io.l5d.static": {
      const { staticNamer } = await import("./static-namer.ts");
      return staticNamer(prefix, config, deps);
    }
    case "io.l5d.rewrite": {
      const { rewriteNamer } = await import("./rewrite-namer.ts");
      return rewriteNamer(config);
    }
    case "io.l5d.dnssrv": {
      const { dnsSrvSource } = await import("./dns/dnssrv-namer.ts");
      const withinMs = config.refreshIntervalMs + SLOW_LOOKUP_MS;
      return overSource(prefix, dnsSrvSource(config, deps), deps, withinMs);
    }
    case "io.l5d.consul": {
      const { consulSource, CONSUL_CONFIRMS_WITHIN_MS } = await import("./consul/consul-namer.ts");
      return overSource(prefix, consulSource(config, deps), deps, CONSUL_CONFIRMS_WITHIN_MS);
    }
    case "io.l5d.k8s":
    case "io.l5d.k8s.ns": {
      const { k8sSource } = await import("./k8s/k8s-namer.ts");
      return overSource(prefix, k8sSource(config, deps), deps, K8S_CONFIRMS_WITHIN_MS);
    }
    case "io.l5d.etcd": {
      const { etcdSource, ETCD_CONFIRMS_WITHIN_MS } = await import("./etcd/etcd-namer.ts");
      return overSource(prefix, etcdSource(config, deps), deps, ETCD_CONFIRMS_WITHIN_MS);
    }
    default:
      return config satisfies never;
  }
}

function overSource(
  prefix: string,
  source: LeafSource,
  deps: Deps,
  confirmsWithinMs: number,
): GuardedNamer {
  return leafNamer(prefix, source, deps, { failedMeans: "source", confirmsWithinMs });
}
