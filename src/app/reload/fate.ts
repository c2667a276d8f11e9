// What becomes of the connections of servers and destinations that a plan removes. Pure.
import { clientFor } from "../../config/client-for.ts";
import { pathsOf } from "../../config/route-paths.ts";
import type { AdminConfig, DrainConfig } from "../../config/types.ts";
import { sameData } from "../../lib/same-data.ts";
import type { EndHow } from "../../wire/session-messages.ts";
import { shutdownWindowMs } from "../drains.ts";
import type { Plan, PlannedDestination, PlannedServer } from "./plan.ts";

/**
 * `stay`: until one side ends them; `replaced`: the same, as another server has the address from now on; else they are
 * ended, in this way.
 */
export type Fate = { readonly kind: "stay" } | { readonly kind: "replaced" } | EndHow;

const STAY: Fate = { kind: "stay" };

/** Of the connections of a server that the plan removes. */
export function fateOfServer(plan: Plan, { router, config }: PlannedServer): Fate {
  const isReplaced = plan.servers.some(
    (other) =>
      other.change === "added" &&
      config.port !== 0 &&
      other.after.config.ip === config.ip &&
      other.after.config.port === config.port,
  );
  if (isReplaced) return { kind: "replaced" };
  const [drain, ...others] = pathsOf(config).map((path) => drainOf(plan, router, path));
  // Nobody has said anything, or not one thing for all it leads to: the server shuts down, and its connections with it.
  if (drain?.onRemoval === undefined || !others.every((other) => sameData(other, drain)))
    return asInShutdown(plan.effective.admin);
  return fateBy(drain);
}

/** Of the connections of a destination that the plan removes; undefined: it depends on their server alone. */
export function fateOfDestination(
  plan: Plan,
  { router, path }: PlannedDestination,
): Fate | undefined {
  const drain = drainOf(plan, router, path);
  return drain?.onRemoval === undefined ? undefined : fateBy(drain);
}

/** Such as `end one by one over 30 s; what is left after 300 s is reset`, of connections. */
export function fateText(fate: Fate): string {
  switch (fate.kind) {
    case "stay":
      return "connections go on until they end";
    case "replaced":
      return "another server takes the address; connections go on until they end";
    case "cut":
      return "connections are reset";
    case "drain": {
      const { delayMs = 0, windowMs, deadlineMs } = fate;
      const after = delayMs === 0 ? "" : ` after ${delayMs / 1000} s`;
      const rest =
        deadlineMs === Number.POSITIVE_INFINITY
          ? ""
          : `; what is left ${deadlineMs / 1000} s from now is reset`;
      return `connections end one by one over ${windowMs / 1000} s${after}${rest}`;
    }
    default:
      return fate satisfies never;
  }
}

/** As the new file has it, also for a path that no server leads to any more; as it was where the router goes. */
function drainOf(plan: Plan, router: string, path: string): DrainConfig | undefined {
  const stays = plan.effective.routers.find(({ label }) => label === router);
  if (stays !== undefined) return clientFor(stays.client, path).drain;
  for (const difference of plan.destinations) {
    if (difference.change !== "removed") continue;
    const { before } = difference;
    if (before.router === router && before.path === path) return before.config.drain;
  }
  return undefined;
}

function asInShutdown({ graceMs, drainWindowMs }: AdminConfig): EndHow {
  return {
    kind: "drain",
    delayMs: graceMs - drainWindowMs,
    windowMs: shutdownWindowMs(drainWindowMs),
    maxPerSecond: Number.POSITIVE_INFINITY,
    deadlineMs: graceMs,
  };
}

function fateBy({ onRemoval, ...how }: DrainConfig): Fate {
  if (onRemoval === "cut") return { kind: "cut" };
  return onRemoval === "drain" ? { kind: "drain", ...how } : STAY;
}
