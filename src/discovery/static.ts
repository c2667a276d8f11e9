// The resolver `io.l5d.static`: names and their endpoints stand in the configuration.
import type { HostEndpoint, StaticConfig } from "../config/types.ts";
import { printPath } from "../naming/path.ts";
import type { Resolution } from "../naming/resolution.ts";
import { type HostDeps, HostEndpoints } from "./host-endpoints.ts";
import { inetEndpoint, labelsOf } from "./inet.ts";
import type { Resolver } from "./resolver.ts";

/** Knows the configured names and `/$/inet`; any other name is `neg`. Host names among the endpoints are followed. */
export class StaticResolver implements Resolver {
  readonly #names = new Map<string, readonly HostEndpoint[]>();
  readonly #deps: HostDeps;

  constructor(config: StaticConfig, deps: HostDeps) {
    this.#deps = deps;
    for (const { path, endpoints } of config.names) {
      this.#names.set(printPath(labelsOf(path) ?? [path]), endpoints);
    }
  }

  watch(path: string, signal: AbortSignal, report: (resolution: Resolution) => void): void {
    if (signal.aborted) return;
    const endpoints = this.#endpointsOf(path);
    if (endpoints === undefined) return report({ state: "neg" });
    const hosts = new HostEndpoints(this.#deps, report);
    signal.addEventListener("abort", () => hosts.clear(), { once: true });
    hosts.set(endpoints);
  }

  #endpointsOf(path: string): readonly HostEndpoint[] | undefined {
    const labels = labelsOf(path);
    if (labels === undefined) return undefined;
    const configured = this.#names.get(printPath(labels));
    if (configured !== undefined) return configured;
    const inet = inetEndpoint(labels);
    return inet === undefined ? undefined : [inet];
  }
}
