// The namer `io.l5d.static`: names and their endpoints stand in the configuration.
import type { StaticNamerConfig } from "../config/namer-types.ts";
import type { HostEndpoint } from "../config/types.ts";
import { printPath } from "../naming/path.ts";
import type { FollowedDeps } from "./followed-names.ts";
import { HostEndpoints } from "./host-endpoints.ts";
import { labelsOf } from "./inet.ts";
import { type GuardedNamer, leafNamer, HOSTS_CONFIRM_WITHIN_MS, tell } from "./leaf-namer.ts";
import type { LeafSource, NamerDeps } from "./namer.ts";

/**
 * The namer with the whole prefix `prefix`. The longest configured path that a path begins with is the name; the rest is
 * left over. Host names among the endpoints are followed.
 */
export function staticNamer(
  prefix: string,
  config: StaticNamerConfig,
  deps: NamerDeps & FollowedDeps,
): GuardedNamer {
  const names = new Map<string, readonly HostEndpoint[]>();
  for (const { path, endpoints } of config.names)
    names.set(printPath(labelsOf(path) ?? [path]), endpoints);
  const leaf = leafNamer(prefix, sourceOf(names, deps), deps, {
    failedMeans: "content",
    confirmsWithinMs: HOSTS_CONFIRM_WITHIN_MS,
  });
  const ids = [...names.keys()].map((path) => (path === "/" ? prefix : `${prefix}${path}`)).sort();
  return { ...leaf, names: (signal, report) => tell(ids, signal, report) };
}

function sourceOf(
  names: ReadonlyMap<string, readonly HostEndpoint[]>,
  deps: NamerDeps,
): LeafSource {
  return {
    split(path) {
      for (let length = path.length; length >= 0; length--) {
        const id = path.slice(0, length);
        if (names.has(printPath(id))) return { id, residual: path.slice(length) };
      }
      return undefined;
    },
    watch(id, signal, report) {
      const endpoints = names.get(printPath(id));
      if (endpoints === undefined) return report({ state: "neg" });
      // The name exists, whether its hosts do or not.
      const hosts = new HostEndpoints(deps, (answer) =>
        report(answer.state === "neg" ? { state: "bound", endpoints: [] } : answer),
      );
      signal.addEventListener("abort", () => hosts.clear(), { once: true });
      hosts.set(endpoints);
    },
  };
}
