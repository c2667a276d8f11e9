// A plan as operators see it: in the log, and as the admin server's JSON.
import { formatAddress } from "../../lib/address.ts";
import type { NamerConfig } from "../../config/namer-types.ts";
import { leadsTo } from "../../config/route-paths.ts";
import { fateOfDestination, fateOfServer, fateText } from "./fate.ts";
import type {
  Difference,
  Plan,
  PlannedDestination,
  PlannedRouter,
  PlannedServer,
  SettingChange,
} from "./plan.ts";

/** One thing that a plan touches. */
export interface PlanItem {
  readonly kind: "server" | "destination" | "router" | "namer";
  readonly change: "added" | "removed" | "changed";
  /** The label of the router; missing for namers. */
  readonly router?: string;
  /** Address, path, label or prefix. */
  readonly name: string;
  /** What changes; missing where everything is new or goes. */
  readonly settings?: readonly SettingChange[];
  /** Connections that it has now; missing for what has none of its own. */
  readonly connections?: number;
  /** What happens to them, and to what comes later. */
  readonly effect: string;
}

/** A plan as JSON. */
export interface PlanView {
  readonly items: readonly PlanItem[];
  readonly settings: readonly SettingChange[];
  /** What a running process keeps until it is started again. */
  readonly atNextStart: readonly SettingChange[];
}

/** What is true now of what a plan touches. */
export interface LiveNumbers {
  /** Address with its real port, and sessions; undefined for a server that is not there. */
  readonly server: (key: string) => { readonly address: string; readonly active: number };
  /** Connections open and being made. */
  readonly destination: (router: string, path: string) => number;
}

/** The view of a plan, with the numbers of now. */
export function viewOf(plan: Plan, live: LiveNumbers): PlanView {
  return {
    items: [
      ...plan.servers.map((difference) => serverItem(difference, plan, live)),
      ...plan.destinations.map((difference) => destinationItem(difference, plan, live)),
      ...plan.routers.map(routerItem),
      ...plan.namers.map(namerItem),
    ],
    settings: plan.settings,
    atNextStart: plan.atNextStart,
  };
}

/** The lines of a view, for the log. */
export function linesOf(view: PlanView): readonly string[] {
  return [
    ...view.items.map(lineOf),
    ...view.settings.map((change) => `${settingText(change)}: at once`),
    ...view.atNextStart.map((change) => `${settingText(change)}: takes effect at the next start`),
  ];
}

function lineOf({ kind, change, router, name, settings, connections, effect }: PlanItem): string {
  const what = `${kind} ${router === undefined ? "" : `${router} `}${name} ${change}`;
  const how = settings === undefined ? "" : ` (${settings.map(settingText).join(", ")})`;
  const touched = connections === undefined || connections === 0 ? "" : ` (now ${connections})`;
  return `${what}${how}: ${effect}${touched}`;
}

function settingText({ setting, from, to }: SettingChange): string {
  return from === to ? setting : `${setting} ${from} -> ${to}`;
}

function serverItem(
  difference: Difference<PlannedServer>,
  plan: Plan,
  live: LiveNumbers,
): PlanItem {
  const { key, router, config } =
    difference.change === "removed" ? difference.before : difference.after;
  const { change } = difference;
  if (change === "added") {
    const name = formatAddress(config);
    return { kind: "server", change, router, name, effect: `accepts for ${leadsTo(config)}` };
  }
  const { address: name, active: connections } = live.server(key);
  if (change === "removed") {
    const fate = fateOfServer(plan, difference.before);
    const end = fate.kind === "replaced" ? "" : "accepts no more; ";
    const effect = end + fateText(fate);
    return { kind: "server", change, router, name, connections, effect };
  }
  const effect = "connections keep the settings they began with; new ones follow";
  const { settings } = difference;
  return { kind: "server", change, router, name, settings, connections, effect };
}

function destinationItem(
  difference: Difference<PlannedDestination>,
  plan: Plan,
  live: LiveNumbers,
): PlanItem {
  const { change } = difference;
  const { router, path: name } = change === "removed" ? difference.before : difference.after;
  if (change === "added") {
    return { kind: "destination", change, router, name, effect: "is followed" };
  }
  const connections = live.destination(router, name);
  if (change === "removed") {
    const fate = fateOfDestination(plan, difference.before);
    const end = fate && fateText(fate);
    const effect = `is followed no more; ${end ?? "connections go on, unless their server is removed"}`;
    return { kind: "destination", change, router, name, connections, effect };
  }
  const effect = "connections stay as they are; new ones follow";
  const { settings } = difference;
  return { kind: "destination", change, router, name, settings, connections, effect };
}

function routerItem(difference: Difference<PlannedRouter>): PlanItem {
  const { change } = difference;
  const { label: name } = change === "removed" ? difference.before : difference.after;
  switch (change) {
    case "added":
      return { kind: "router", change, name, effect: "its names are followed" };
    case "removed":
      return { kind: "router", change, name, effect: "its names are followed no more" };
    case "changed": {
      const effect = "its names are asked anew; endpoints stay until there are others";
      return { kind: "router", change, name, settings: difference.settings, effect };
    }
    default:
      return change satisfies never;
  }
}

function namerItem(difference: Difference<NamerConfig>): PlanItem {
  const { change } = difference;
  const config = change === "removed" ? difference.before : difference.after;
  const name = `/#${config.prefix}`;
  const effect =
    change === "removed" ? "is asked no more" : "names below it are asked anew; endpoints stay";
  const settings = change === "changed" ? { settings: difference.settings } : {};
  return { kind: "namer", change, name, ...settings, effect };
}
