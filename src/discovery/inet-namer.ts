// Addresses of the ids of `/$/`: endpoints that stand in the path itself.
import type { PathLabels } from "../naming/path.ts";
import type { Resolution } from "../naming/resolution.ts";
import { endpointOf, type PathEndpoint } from "../naming/utility-namers.ts";
import { DEFAULT_WEIGHT } from "./endpoint-set.ts";
import { type FollowedDeps, FollowedNames, type FollowedStatus } from "./followed-names.ts";
import { HostEndpoints } from "./host-endpoints.ts";
import { followAddresses, HOSTS_CONFIRM_WITHIN_MS, tell } from "./leaf-namer.ts";
import type { NamerDeps } from "./namer.ts";

/** The prefix of these ids, in metrics and logs. */
export const UTILITY_PREFIX = "/$";

/** How often addresses that are not looked up again are confirmed: as often as others are looked up. */
const CONFIRM_MS = 5_000;

/**
 * `/$/inet/<host>/<port>` and `/$/io.buoyant.rinet/<port>/<host>`, whose hosts are looked up again and again, and
 * `/$/fixedinet/<host>/<port>`, where the first answer counts for ever. `/$/inet/<port>` is localhost.
 */
export class InetNamer {
  readonly #followed: FollowedNames;

  constructor(deps: NamerDeps & FollowedDeps) {
    this.#followed = new FollowedNames({
      ...deps,
      prefix: UTILITY_PREFIX,
      watch: (id, signal, report) => watch(id, deps, signal, report),
      keep: "endpoints",
      confirmsWithinMs: HOSTS_CONFIRM_WITHIN_MS,
    });
  }

  /** `id` is what comes after `/$`. Any other than those above is `neg`, and so is a host that does not exist. */
  addresses(id: PathLabels, signal: AbortSignal, report: (answer: Resolution) => void): void {
    if (placeOf(id) === undefined) return tell({ state: "neg" }, signal, report);
    followAddresses(this.#followed, id, signal, report);
  }

  status(): FollowedStatus {
    return this.#followed.status();
  }
}

function placeOf(id: PathLabels): PathEndpoint | undefined {
  return endpointOf(["$", ...id]);
}

function watch(
  id: PathLabels,
  deps: NamerDeps,
  signal: AbortSignal,
  report: (answer: Resolution) => void,
): void {
  const place = placeOf(id);
  if (place === undefined) return report({ state: "neg" });
  const hosts = new HostEndpoints(deps, (answer) => {
    report(answer);
    if (!place.fixed || answer.state !== "bound" || signal.aborted) return;
    hosts.clear();
    const cancel = deps.clock.every(CONFIRM_MS, () => report(answer));
    signal.addEventListener("abort", cancel, { once: true });
  });
  signal.addEventListener("abort", () => hosts.clear(), { once: true });
  hosts.set([{ host: place.host, port: place.port, weight: DEFAULT_WEIGHT }]);
}
