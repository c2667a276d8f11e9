// The namer `io.l5d.consul`: services in the catalog of Consul.
import type { ConsulNamerConfig } from "../../config/namer-types.ts";
import type { PathLabels } from "../../naming/path.ts";
import type { Resolution } from "../../naming/resolution.ts";
import { ConsulAgent } from "./consul-agent.ts";
import type { ConsulParts } from "./consul-datacenter.ts";
import { ConsulName, datacenterOf } from "./consul-name.ts";
import { BLOCKING_MS, type ConsulQuestion } from "./consul-query.ts";
import type { LeafSource, NamerDeps } from "../namer.ts";

/** Consul confirms each name at least this often, give or take the way there. */
export const CONSUL_CONFIRMS_WITHIN_MS = BLOCKING_MS + 20_000;

/**
 * Names `/<data center>/<service>`, or with `includeTag` `/<data center>/<tag>/<service>`; the data center `.local` is that of
 * the agent. Service and tag are asked for in lower case; the id keeps its case.
 *
 * A service without an instance, or without one in good health where `useHealthCheck` asks for that, is `neg`. `failed`
 * says that Consul could not be asked, or that none of its instances can be used; it is told for each attempt. See
 * ConsulWatch for how changes are followed, ConsulName for other data centers, and `consulEndpoints` for weights.
 */
export function consulSource(config: ConsulNamerConfig, deps: NamerDeps): LeafSource {
  const parts: ConsulParts = { config, deps, agent: new ConsulAgent(config, deps) };
  return {
    split: (path) => split(path, config),
    watch(id, signal, report) {
      if (signal.aborted) return;
      const question = questionOf(id, config);
      if (question === undefined) return tellNeg(signal, report);
      const name = new ConsulName(parts, question, report);
      signal.addEventListener("abort", () => name.stop(), { once: true });
    },
  };
}

function split(
  path: PathLabels,
  config: ConsulNamerConfig,
): { readonly id: PathLabels; readonly residual: PathLabels } | undefined {
  const length = config.includeTag ? 3 : 2;
  const id = path.slice(0, length);
  if (questionOf(id, config) === undefined) return undefined;
  return { id, residual: path.slice(length) };
}

function questionOf(id: PathLabels, { includeTag }: ConsulNamerConfig): ConsulQuestion | undefined {
  const [datacenter, ...rest] = id;
  const [service, tag] = rest.toReversed();
  if (datacenter === undefined || service === undefined) return undefined;
  if (rest.length !== (includeTag ? 2 : 1)) return undefined;
  // In a URL they would not be names but steps to another resource, whatever their spelling.
  if (service === "." || service === "..") return undefined;
  return {
    datacenter: datacenterOf(datacenter),
    service: lowerCase(service),
    tag: tag === undefined ? undefined : lowerCase(tag),
  };
}

/** Of ASCII only: other characters of a label are bytes, not letters. */
function lowerCase(label: string): string {
  return label.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

function tellNeg(signal: AbortSignal, report: (answer: Resolution) => void): void {
  queueMicrotask(() => {
    if (!signal.aborted) report({ state: "neg" });
  });
}
