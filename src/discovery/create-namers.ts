// From the `namers` of a configuration to the names of this process: the one place that knows all kinds.
import type { NamerConfig } from "../config/namer-types.ts";
import type { Clock } from "../lib/clock.ts";
import { sameData } from "../lib/same-data.ts";
import type { Rng } from "../lib/rng.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Registry } from "../telemetry/registry.ts";
import { Binder } from "./binder.ts";
import type { FollowedStatus } from "./followed-names.ts";
import { type HostLookup, systemHostLookup } from "./host-lookup.ts";
import { labelsOf } from "./inet.ts";
import { InetNamer, UTILITY_PREFIX } from "./inet-namer.ts";
import { type GuardedNamer, leafNamer } from "./leaf-namer.ts";
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
  /** Ends the metrics of the namers that `next` does not have; without `next`, of all. */
  release(next?: NamerSet): void;
  /** Its namers, for a set that is made after it. */
  readonly entries: readonly NamerEntry[];
  readonly builtIn: BuiltIn;
}

type Deps = NamerDeps & { readonly metrics: NamerMetrics };

/** A namer of a set. */
export interface NamerEntry {
  readonly prefix: string;
  readonly kind: string;
  readonly config: NamerConfig;
  readonly metrics: NamerMetrics;
  readonly namer: GuardedNamer;
}

/** The namers of `/$`. */
interface BuiltIn {
  readonly metrics: NamerMetrics;
  readonly namer: InetNamer;
}

/** An API server ends a watch after ten minutes at most, and the next one confirms; look-ups of names may come between. */
const K8S_CONFIRMS_WITHIN_MS = 900_000;
/** SRV records are asked for at an interval; after that, for the addresses of each target, from servers that may be slow. */
const SLOW_LOOKUP_MS = 60_000;

/**
 * Follows nothing until somebody asks for a name. Where prefixes overlap, the namer configured last counts first. Namers of
 * `before` whose configuration is the same are taken over, with all that they follow.
 */
export async function createNamers(
  configs: readonly NamerConfig[],
  parts: NamersParts,
  before?: NamerSet,
): Promise<NamerSet> {
  const { registry, clock, rng, log, lookup = systemHostLookup } = parts;
  const left = new Set(before?.entries);
  const depsOf = (prefix: string): Deps => {
    const metrics = new NamerMetrics(registry, prefix);
    return { clock, rng, log, lookup, metrics };
  };
  const entries: NamerEntry[] = [];
  for (const config of configs) {
    const prefix = `/#${config.prefix}`;
    const known = [...left].find((entry) => sameData(entry.config, config));
    if (known !== undefined) left.delete(known);
    entries.push(known ?? (await newEntry(prefix, config, depsOf(prefix))));
  }
  const namers = entries.map(({ prefix, namer }) => ({
    prefix: labelsOf(prefix) ?? [prefix],
    namer,
  }));
  const builtIn = before?.builtIn ?? newBuiltIn(depsOf(UTILITY_PREFIX));
  const service = new Binder({ namers, utilities: builtIn.namer, clock });
  return setOf(entries, builtIn, service);
}

function setOf(entries: readonly NamerEntry[], builtIn: BuiltIn, service: NameService): NamerSet {
  const shown = [...entries, { prefix: UTILITY_PREFIX, kind: "built in", ...builtIn }];
  return {
    service,
    entries,
    builtIn,
    statuses: () => shown.map(({ prefix, kind, namer }) => ({ prefix, kind, ...namer.status() })),
    refreshMetrics: () => {
      for (const { metrics, namer } of shown) metrics.set(namer.status());
    },
    release: (next) => {
      for (const entry of entries) if (!next?.entries.includes(entry)) entry.metrics.release();
      if (next?.builtIn !== builtIn) builtIn.metrics.release();
    },
  };
}

async function newEntry(prefix: string, config: NamerConfig, deps: Deps): Promise<NamerEntry> {
  const namer = await make(prefix, config, deps);
  return { prefix, kind: config.kind, config, metrics: deps.metrics, namer };
}

function newBuiltIn(deps: Deps): BuiltIn {
  return { metrics: deps.metrics, namer: new InetNamer(deps) };
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
