// What lies between two configurations: which servers, destinations, routers and namers a change touches. Pure.
import { clientFor } from "../../config/client-for.ts";
import type { NamerConfig } from "../../config/namer-types.ts";
import { redact, show } from "../../config/problems.ts";
import { pathsOfAll } from "../../config/route-paths.ts";
import type {
  Config,
  DestinationConfig,
  InterpreterConfig,
  RouterConfig,
  ServerConfig,
} from "../../config/types.ts";
import { formatAddress } from "../../lib/address.ts";
import { changedKeys, sameData } from "../../lib/same-data.ts";

/** A setting with another value, both as people read them. */
export interface SettingChange {
  /** Dotted below what it is a setting of, with its unit: `tls.handshakeTimeoutMs`. */
  readonly setting: string;
  readonly from: string;
  readonly to: string;
}

/** Something that is not there before, not there after, or that has other settings. */
export type Difference<Value> =
  | { readonly change: "added"; readonly after: Value }
  | { readonly change: "removed"; readonly before: Value }
  | {
      readonly change: "changed";
      readonly before: Value;
      readonly after: Value;
      readonly settings: readonly SettingChange[];
    };

/** A server and the router it belongs to. */
export interface PlannedServer {
  /** Who it is: its router and its address. For port 0 the address says which one, in the order of the file. */
  readonly key: string;
  readonly router: string;
  readonly config: ServerConfig;
}

export interface PlannedDestination {
  readonly router: string;
  readonly path: string;
  readonly config: DestinationConfig;
}

export interface PlannedRouter {
  readonly label: string;
  readonly interpreter: InterpreterConfig;
}

/** All differences between two configurations. */
export interface Plan {
  readonly servers: readonly Difference<PlannedServer>[];
  readonly destinations: readonly Difference<PlannedDestination>[];
  readonly routers: readonly Difference<PlannedRouter>[];
  readonly namers: readonly Difference<NamerConfig>[];
  /** Settings of the whole process that take effect at once. */
  readonly settings: readonly SettingChange[];
  /** Settings that a running process keeps: they count when it is started again. */
  readonly atNextStart: readonly SettingChange[];
  /** What is in effect when the plan is carried out: the new configuration, with what the process keeps. */
  readonly effective: Config;
}

/** What of a configuration may change at once. Keys that are not named here wait for the next start. */
const LIVE = ["routers", "namers", "reloadOnChange", "followCertificates"] as const;
const LIVE_SWITCHES = ["reloadOnChange", "followCertificates"] as const;
const LIVE_OF_ADMIN = ["graceMs", "drainWindowMs"] as const;
const LIVE_OF_ROUTER = ["label", "interpreter", "servers", "client", "bindingCache"] as const;

/** The way from `before`, which is in effect, to `after`. */
export function planOf(before: Config, after: Config): Plan {
  const effective = keepFixed(before, after);
  return {
    servers: differences(serversOf(before), serversOf(effective), "config"),
    destinations: differences(destinationsOf(before), destinationsOf(effective), "config"),
    routers: differences(routersOf(before), routersOf(effective), "interpreter"),
    namers: namerDifferences(before.namers, effective.namers),
    settings: [
      ...settingChanges(pick(before, LIVE_SWITCHES), pick(after, LIVE_SWITCHES), LIVE_SWITCHES),
      ...settingChanges(before.admin, after.admin, LIVE_OF_ADMIN, "admin."),
      ...namingChanges(before, effective),
    ],
    atNextStart: [...fixedChanges(before, after)],
    effective,
  };
}

/** Whether the process goes on exactly as it is. What waits for the next start does not count. */
export function isEmpty({ servers, destinations, routers, namers, settings }: Plan): boolean {
  return (
    servers.length + destinations.length + routers.length + namers.length + settings.length === 0
  );
}

/** Every server by who it is. */
export function serversOf(config: Config): ReadonlyMap<string, PlannedServer> {
  const servers = new Map<string, PlannedServer>();
  for (const { label, servers: configs } of config.routers) {
    for (const server of configs) {
      const address = formatAddress(server);
      let key = `${label} ${address}`;
      for (let place = 2; servers.has(key); place += 1) key = `${label} ${address}#${place}`;
      servers.set(key, { key, router: label, config: server });
    }
  }
  return servers;
}

/** Every destination, as its router's client settings make it, by router and path. */
export function destinationsOf(config: Config): ReadonlyMap<string, PlannedDestination> {
  const all = config.routers.flatMap(({ label, servers, client }) =>
    pathsOfAll(servers).map((path): [string, PlannedDestination] => [
      destinationKey(label, path),
      { router: label, path, config: clientFor(client, path) },
    ]),
  );
  return new Map(all);
}

/** Who a destination is. */
export function destinationKey(router: string, path: string): string {
  return `${router}\n${path}`;
}

function routersOf(config: Config): ReadonlyMap<string, PlannedRouter> {
  return new Map(config.routers.map(({ label, interpreter }) => [label, { label, interpreter }]));
}

function differences<Value extends object, Key extends keyof Value & string>(
  before: ReadonlyMap<string, Value>,
  after: ReadonlyMap<string, Value>,
  compared: Key,
): Difference<Value>[] {
  const found: Difference<Value>[] = [];
  for (const [key, was] of before) {
    const is = after.get(key);
    if (is === undefined) found.push({ change: "removed", before: was });
    else if (!sameData(was[compared], is[compared])) {
      const settings = allChanges(was[compared] as object, is[compared] as object);
      found.push({ change: "changed", before: was, after: is, settings });
    }
  }
  for (const [key, is] of after) if (!before.has(key)) found.push({ change: "added", after: is });
  return found;
}

/** By prefix. Where two have the same, or only their order differs, the list as a whole tells. */
function namerDifferences(
  before: readonly NamerConfig[],
  after: readonly NamerConfig[],
): Difference<NamerConfig>[] {
  if (sameData(before, after)) return [];
  const found = differences(byPrefix(before), byPrefix(after), "config").map(unwrap);
  const [was] = before;
  const [is] = after;
  if (found.length > 0 || was === undefined || is === undefined) return found;
  const settings = [{ setting: "order", from: orderOf(before), to: orderOf(after) }];
  return [{ change: "changed", before: was, after: is, settings }];
}

function byPrefix(namers: readonly NamerConfig[]): Map<string, { config: NamerConfig }> {
  const byKey = new Map<string, { config: NamerConfig }>();
  for (const config of namers) {
    let key: string = config.prefix;
    for (let place = 2; byKey.has(key); place += 1) key = `${config.prefix} ${place}`;
    byKey.set(key, { config });
  }
  return byKey;
}

function unwrap(difference: Difference<{ config: NamerConfig }>): Difference<NamerConfig> {
  switch (difference.change) {
    case "added":
      return { change: "added", after: difference.after.config };
    case "removed":
      return { change: "removed", before: difference.before.config };
    case "changed": {
      const { before, after, settings } = difference;
      return { change: "changed", before: before.config, after: after.config, settings };
    }
    default:
      return difference satisfies never;
  }
}

function orderOf(namers: readonly NamerConfig[]): string {
  return namers.map(({ prefix }) => `/#${prefix}`).join(", ");
}

/** `after`, with the values of `before` for everything that a running process keeps. */
function keepFixed(before: Config, after: Config): Config {
  const routers = after.routers.map((router): RouterConfig => {
    const was = before.routers.find(({ label }) => label === router.label);
    return was === undefined ? router : { ...was, ...pick(router, LIVE_OF_ROUTER) };
  });
  const admin = { ...before.admin, ...pick(after.admin, LIVE_OF_ADMIN) };
  return { ...before, ...pick(after, LIVE), admin, routers };
}

/** What becomes different for names that connections bring up, which no destination of either configuration tells. */
function namingChanges(before: Config, after: Config): readonly SettingChange[] {
  return after.routers.flatMap((router) => {
    const was = before.routers.find(({ label }) => label === router.label);
    if (was?.bindingCache === undefined || router.bindingCache === undefined) return [];
    const prefix = `${router.label}.`;
    return [
      ...allChanges(pick(was, ["bindingCache"]), pick(router, ["bindingCache"]), prefix),
      ...settingChanges(was, router, ["client"], prefix),
    ];
  });
}

function* fixedChanges(before: Config, after: Config): Generator<SettingChange> {
  yield* withoutKeys(allChanges(before, after), [...LIVE, "admin"]);
  yield* withoutKeys(allChanges(before.admin, after.admin, "admin."), LIVE_OF_ADMIN, "admin.");
  for (const router of after.routers) {
    const was = before.routers.find(({ label }) => label === router.label);
    if (was === undefined) continue;
    const prefix = `${router.label}.`;
    yield* withoutKeys(allChanges(was, router, prefix), LIVE_OF_ROUTER, prefix);
  }
}

function withoutKeys(
  changes: readonly SettingChange[],
  keys: readonly string[],
  prefix = "",
): readonly SettingChange[] {
  const isOf = (setting: string, key: string): boolean =>
    setting === prefix + key || setting.startsWith(`${prefix}${key}.`);
  return changes.filter(({ setting }) => !keys.some((key) => isOf(setting, key)));
}

function pick<Value extends object, Key extends keyof Value>(
  value: Value,
  keys: readonly Key[],
): Pick<Value, Key> {
  return Object.fromEntries(keys.map((key) => [key, value[key]])) as Pick<Value, Key>;
}

function settingChanges(
  before: object,
  after: object,
  keys: readonly string[],
  prefix = "",
): readonly SettingChange[] {
  return allChanges(before, after, prefix).filter(({ setting }) =>
    keys.some((key) => setting === prefix + key),
  );
}

/** What differs between two objects, two levels deep: what lies deeper is called by what it is in. */
function allChanges(before: object, after: object, prefix = "", depth = 2): SettingChange[] {
  return changedKeys(before, after).flatMap((key) => {
    const from = (before as Record<string, unknown>)[key];
    const to = (after as Record<string, unknown>)[key];
    const setting = prefix + key;
    if (depth > 1 && isPlain(from) && isPlain(to)) {
      return allChanges(from, to, `${setting}.`, depth - 1);
    }
    return [{ setting, from: shown(key, from), to: shown(key, to) }];
  });
}

function isPlain(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function shown(key: string, value: unknown): string {
  if (value === Number.POSITIVE_INFINITY) return "no limit";
  if (/token|password/i.test(key) && value !== undefined) return "***";
  if (Array.isArray(value)) return value.length === 1 ? "a list of 1" : `a list of ${value.length}`;
  return typeof value === "string" && /url/i.test(key) ? redact(value) : show(value);
}
