// What must hold between parts of a configuration: unique labels and addresses, names that can be resolved.
import { isIPv4 } from "node:net";
import { formatAddress, parsePort } from "../lib/address.ts";
import { readHost } from "../naming/endpoint-line.ts";
import { parseDtab } from "../naming/dtab.ts";
import { parsePath, type PathLabels, pathStartsWith, printPath } from "../naming/path.ts";
import type { PathTree } from "../naming/tree.ts";
import { clientFor } from "./client-for.ts";
import { checkPanic } from "./compile-accrual.ts";
import { checkHealthChecks } from "./compile-health.ts";
import { checkTlsNames } from "./compile-client-auth.ts";
import { checkRetries } from "./compile-retries.ts";
import { checkProxyProtocol } from "./compile-proxy-protocol.ts";
import { type ConfigPath, formatPath, type ProblemList, show } from "./problems.ts";
import { mayLeadBelow, pathsOf, pathsOfAll } from "./route-paths.ts";
import type { Config, InterpreterConfig, RouterConfig } from "./types.ts";
import { capturesOf } from "./rule-prefix.ts";

/** Notes what does not fit together. Paths are those of the file, which has the same shape. */
export function checkAcross(config: Config, problems: ProblemList): void {
  if (config.routers.length === 0) {
    problems.warning(["routers"], "there are no routers, so nothing is served");
  }
  checkLabels(config.routers, problems);
  checkAddresses(config, problems);
  config.routers.forEach((router, index) => {
    const path = ["routers", index];
    if (router.servers.length === 0) {
      problems.warning([...path, "servers"], "there are no servers, so the router serves nothing");
    }
    checkNames(router, path, problems);
    checkDtab(config, router, path, problems);
    checkPrefixes(router, path, problems);
    checkBalancers(router, path, problems);
    checkProxyProtocol(router, path, problems);
    checkPanic(router, path, problems);
    checkRetries(router, path, problems);
    checkTlsNames(router, path, problems);
    checkHealthChecks(router, path, problems);
  });
}

function checkLabels(routers: readonly RouterConfig[], problems: ProblemList): void {
  const seen = new Map<string, ConfigPath>();
  routers.forEach(({ label }, index) => {
    const path = ["routers", index, "label"];
    const other = seen.get(label);
    if (other === undefined) {
      seen.set(label, path);
      return;
    }
    const message = `the label ${show(label)} is taken by ${placeOf(other, problems)}`;
    problems.error(path, message);
  });
}

/** An address that is listened on. */
export interface Bound {
  readonly ip: string;
  readonly port: number;
  readonly path: ConfigPath;
}

function checkAddresses(config: Config, problems: ProblemList): void {
  const { ip, port } = config.admin;
  // The admin server comes last because it may stand there by default, where no problem can point at it.
  const all: Bound[] = config.routers.flatMap(({ servers }, router) =>
    servers.map((server, index) => ({
      ip: server.ip,
      port: server.port,
      path: ["routers", router, "servers", index, "port"],
    })),
  );
  const admin: Bound = { ip, port, path: ["admin", "port"] };
  all.forEach((server, index) => {
    const address = formatAddress(server);
    if (collide(server, admin)) {
      problems.error(
        server.path,
        `${address} is taken by the admin server, ${formatAddress(admin)}`,
      );
    }
    const other = all.slice(0, index).find((earlier) => collide(earlier, server));
    if (other === undefined) return;
    const taken = `${address} is taken by ${placeOf(other.path, problems)}`;
    problems.error(
      server.path,
      address === formatAddress(other) ? taken : `${taken}, ${formatAddress(other)}`,
    );
  });
}

/** Whether both cannot be listened on. */
export function collide(a: Bound, b: Bound): boolean {
  if (a.port === 0 || a.port !== b.port) return false;
  return a.ip === b.ip || covers(a.ip, b.ip) || covers(b.ip, a.ip);
}

/** Whether listening on the address takes the other one too: `::` listens for IPv4 as well. */
function covers(wildcard: string, ip: string): boolean {
  return wildcard === "::" || (wildcard === "0.0.0.0" && isIPv4(ip));
}

function checkNames(router: RouterConfig, path: ConfigPath, problems: ProblemList): void {
  const { interpreter } = router;
  router.servers.forEach((server, index) => {
    for (const dstName of pathsOf(server)) {
      const own = server.dstName === dstName ? ["dstName"] : [];
      checkName(dstName, interpreter, [...path, "servers", index, ...own], problems);
    }
  });
}

function checkName(
  dstName: string,
  interpreter: InterpreterConfig,
  at: ConfigPath,
  problems: ProblemList,
): void {
  if (isInetPath(dstName)) return;
  if (interpreter.kind === "io.l5d.static") {
    const isKnown = interpreter.names.some((name) => name.path === dstName);
    if (!isKnown) problems.lacking(at, `${dstName} is not among the names of the interpreter`);
  }
  if (interpreter.kind === "io.l5d.fs" && !isBelow(dstName, interpreter.prefix)) {
    problems.lacking(at, `${dstName} is not below the interpreter's prefix ${interpreter.prefix}`);
  }
}

/** A namer that is misspelt resolves to nothing, which only the first client would notice. */
function checkDtab(
  { namers }: Config,
  { interpreter }: RouterConfig,
  path: ConfigPath,
  problems: ProblemList,
): void {
  if (interpreter.kind !== "default") return;
  const parsed = parseDtab(interpreter.dtab);
  const leaves = parsed.ok ? parsed.dtab.flatMap(({ tree }) => leavesOf(tree)) : [];
  for (const [hash, ...labels] of leaves) {
    const below = printPath(labels);
    if (hash !== "#" || namers.some(({ prefix }) => pathStartsWith(below, prefix))) continue;
    const known = namers.map(({ prefix }) => `/#${prefix}`).join(", ");
    const message = `no namer knows /#${below}; the namers here are ${known || "none"}`;
    problems.warning([...path, "dtab"], message);
  }
}

function leavesOf(tree: PathTree): readonly PathLabels[] {
  switch (tree.kind) {
    case "leaf":
      return [tree.value];
    case "alt":
      return tree.trees.flatMap(leavesOf);
    case "union":
      return tree.branches.flatMap((branch) => leavesOf(branch.tree));
    case "neg":
    case "fail":
    case "empty":
      return [];
    default:
      return tree satisfies never;
  }
}

/** Whether the path names its own endpoint: `/$/inet/<host>/<port>`, or `/$/inet/<port>` for localhost. */
function isInetPath(path: string): boolean {
  const parsed = parsePath(path);
  if (!parsed.ok) return false;
  const [dollar, inet, first = "", second] = parsed.labels;
  if (dollar !== "$" || inet !== "inet" || parsePort(second ?? first) === undefined) return false;
  return second === undefined || readHost(first) !== undefined;
}

function isBelow(path: string, prefix: string): boolean {
  return prefix === "/" ? path !== "/" : path.startsWith(`${prefix}/`);
}

function checkPrefixes(router: RouterConfig, path: ConfigPath, problems: ProblemList): void {
  router.client.forEach(({ prefix }, index) => {
    // "/" fits everything; without servers everything would be warned of.
    if (prefix === "/" || router.servers.length === 0) return;
    const fits = (whole: string, rule: string): boolean => capturesOf(rule, whole) !== undefined;
    if (router.servers.some((server) => mayLeadBelow(server, prefix, fits))) return;
    const at = [...path, "client", "configs", index, "prefix"];
    problems.warning(at, `no dstName of this router is covered by ${prefix}`);
  });
}

function checkBalancers(router: RouterConfig, path: ConfigPath, problems: ProblemList): void {
  for (const dstName of pathsOfAll(router.servers)) {
    const { loadBalancer, minConnections } = clientFor(router.client, dstName);
    if (loadBalancer.kind !== "maglev" || minConnections === 0) continue;
    const message = `minConnections has no effect for ${dstName}: with maglev a connection is made for its client`;
    problems.warning([...path, "client"], message);
  }
}

function placeOf(path: ConfigPath, problems: ProblemList): string {
  return `${formatPath(path)} in line ${problems.lineOf(path)}`;
}
