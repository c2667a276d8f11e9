// Routing of servers, from its keys: one spelling for all, and what does not go together.
import { formatCidr, parseCidr } from "../lib/cidr.ts";
import { comparedName } from "../lib/server-name.ts";
import { canonicalPath } from "./canonical-path.ts";
import { DEFAULTS, seconds } from "./defaults.ts";
import { type ConfigPath, formatPath, type ProblemList, show } from "./problems.ts";
import { unreachable } from "./route-coverage.ts";
import type {
  OtherwiseConfig,
  OtherwiseTarget,
  RouteConfig,
  RouteMatch,
  RouteTarget,
  RoutingConfig,
} from "./route-types.ts";
import { templatesOf } from "./route-paths.ts";
import type { FileRouter, FileServer } from "./schema.ts";
import type { BindingCacheConfig, ServerConfig } from "./types.ts";
import { type FileOtherwise, type FileRoute, hasCaptures } from "./schema-routes.ts";

const RESET: OtherwiseTarget = { kind: "end", how: "reset" };

/** The keys that say where connections go. */
type Routed = Pick<
  FileServer,
  "dstName" | "routes" | "otherwise" | "passthrough" | "tls" | "connectTimeoutMs"
>;

/** How a server chooses; undefined where all its connections have one destination. */
export function routing(
  server: Routed,
  path: ConfigPath,
  problems: ProblemList,
): RoutingConfig | undefined {
  const { dstName, passthrough } = server;
  const routes = (server.routes ?? []).map((route, index) =>
    compileRoute(route, [...path, "routes", index], problems),
  );
  const rest = dstName === undefined ? undefined : targetOf(dstName);
  const config = { routes, rest, otherwise: otherwise(server.otherwise ?? {}), passthrough };
  new Checker(server, path, problems).check(config);
  const isPlain = routes.length === 0 && rest?.kind !== "template" && passthrough === undefined;
  return isPlain ? undefined : config;
}

/** A path as everything else writes it; templates in their canonical form too. */
export function routedName(dstName: string): string {
  return hasCaptures(dstName) ? dstName.replace(/\/+$/, "") : canonicalPath(dstName);
}

/** Of a router; undefined where its connections bring up no names. */
export function bindingCache(
  cache: FileRouter["bindingCache"],
  servers: readonly Pick<ServerConfig, "dstName" | "routing">[],
  path: ConfigPath,
  problems: ProblemList,
): BindingCacheConfig | undefined {
  if (!servers.some((server) => templatesOf(server).length > 0)) {
    const message = "no path of this router has {sni} or {alpn} in it, so this has no effect";
    if (cache !== undefined) problems.warning([...path, "bindingCache"], message);
    return undefined;
  }
  const { paths, idleTtlSecs } = cache ?? DEFAULTS.bindingCache;
  return { paths, idleTtlMs: seconds(idleTtlSecs) };
}

function compileRoute(route: FileRoute, path: ConfigPath, problems: ProblemList): RouteConfig {
  const { match, dstName, answer } = route;
  if (dstName === undefined && answer === undefined)
    problems.lacking(path, "expected one of dstName and answer, found none");
  if (dstName !== undefined && answer !== undefined)
    problems.error(path, "expected one of dstName and answer, found both");
  const { sni, alpn, clientSan, source } = match;
  if ([sni, alpn, clientSan, source].every((list) => list === undefined)) {
    const message =
      "expected at least one of sni, alpn, clientSan and source; for what is left over there is the server's dstName";
    problems.lacking([...path, "match"], message);
  }
  const compiled: RouteMatch = {
    ...(sni && { sni: sni.map((name) => comparedName(name) ?? name) }),
    ...(alpn && { alpn }),
    ...(clientSan && { clientSan }),
    ...(source && { source: source.map(canonicalBlock) }),
  };
  const to: RouteTarget =
    dstName === undefined ? { kind: "end", how: answer ?? "reset" } : targetOf(dstName);
  return { match: compiled, to };
}

function canonicalBlock(text: string): string {
  const block = parseCidr(text);
  return block === undefined ? text : formatCidr(block);
}

function targetOf(dstName: string): Exclude<RouteTarget, { kind: "end" }> {
  const name = routedName(dstName);
  return hasCaptures(name) ? { kind: "template", template: name } : { kind: "path", path: name };
}

function otherwise(file: FileOtherwise): OtherwiseConfig {
  const end = (text: string | undefined): OtherwiseTarget | undefined => {
    if (text === undefined) return undefined;
    if (text === "close" || text === "reset") return { kind: "end", how: text };
    return { kind: "path", path: canonicalPath(text) };
  };
  return {
    notTls: end(file.notTls) ?? RESET,
    noServerName: end(file.noServerName),
    noRoute: end(file.noRoute) ?? RESET,
    silent: end(file.silent) ?? RESET,
  };
}

/** What one key says of another. */
class Checker {
  readonly #server: Routed;
  readonly #path: ConfigPath;
  readonly #problems: ProblemList;

  constructor(server: Routed, path: ConfigPath, problems: ProblemList) {
    this.#server = server;
    this.#path = path;
    this.#problems = problems;
  }

  check(config: RoutingConfig): void {
    const { tls, passthrough } = this.#server;
    if (tls !== undefined && passthrough !== undefined) {
      const message =
        "tls ends the client's TLS, and passthrough leaves it alone: give one of them";
      this.#problems.error(this.#at("passthrough"), message);
    }
    this.#checkTimes();
    this.#checkTemplate(config.rest, this.#at("dstName"));
    config.routes.forEach(({ match, to }, index) => {
      const at = this.#at("routes", index);
      this.#checkTemplate(to, [...at, "dstName"]);
      this.#checkMatch(match, [...at, "match"]);
    });
    this.#checkReach(config);
    this.#checkOtherwise(config);
  }

  get #knowsNames(): boolean {
    return this.#server.tls !== undefined || this.#server.passthrough !== undefined;
  }

  #checkTimes(): void {
    const { passthrough, connectTimeoutMs } = this.#server;
    if (passthrough === undefined || connectTimeoutMs === 0) return;
    const { helloTimeoutMs } = passthrough;
    if (helloTimeoutMs < connectTimeoutMs) return;
    const message =
      `connectTimeoutMs, which is ${connectTimeoutMs}, ends the wait for a hello before helloTimeoutMs, ` +
      `which is ${helloTimeoutMs}, so that otherwise.silent has no effect`;
    this.#problems.warning(this.#at("passthrough"), message);
  }

  #checkTemplate(target: RouteTarget | undefined, at: ConfigPath): void {
    if (target?.kind !== "template") return;
    if (!this.#knowsNames) {
      const capture = target.template.includes("{sni}") ? "{sni}" : "{alpn}";
      this.#needsTls(at, capture);
    }
    if (target.template.startsWith("/$/inet/")) {
      const message =
        "clients choose the host: whoever connects reaches whatever this host reaches";
      this.#problems.warning(at, message);
    }
  }

  #checkMatch({ sni, alpn, clientSan }: RouteMatch, at: ConfigPath): void {
    if (sni !== undefined && !this.#knowsNames) this.#needsTls([...at, "sni"], "sni");
    if (alpn !== undefined && !this.#knowsNames) this.#needsTls([...at, "alpn"], "alpn");
    const { tls } = this.#server;
    if (clientSan !== undefined && !asksForCertificates(tls)) {
      const message =
        "clientSan needs tls.clientAuth: clients show a certificate only where one is asked for";
      this.#problems.error([...at, "clientSan"], message);
    }
    if (tls === undefined || alpn === undefined) return;
    alpn.forEach((protocol, index) => {
      if (tls.alpnProtocols.includes(protocol)) return;
      const message = `${show(protocol)} is never agreed upon: it is not in tls.alpnProtocols`;
      this.#problems.warning([...at, "alpn", index], message);
    });
  }

  #needsTls(at: ConfigPath, what: string): void {
    const message = `${what} needs tls or passthrough: of plain TCP no such thing is known`;
    this.#problems.error(at, message);
  }

  #checkReach({ routes }: RoutingConfig): void {
    for (const { rule, name, by } of unreachable(routes.map(({ match }) => match))) {
      const at = this.#at("routes", rule);
      const earlier = formatPath(this.#at("routes", by));
      const isWhole = name === undefined;
      const message = isWhole
        ? `this rule is never reached: ${earlier} matches first`
        : `this name is never reached here: ${earlier} matches first`;
      this.#problems.warning(isWhole ? at : [...at, "match", "sni", name], message);
    }
  }

  #checkOtherwise({ routes, rest }: RoutingConfig): void {
    const { otherwise: file = {}, passthrough } = this.#server;
    for (const key of ["notTls", "silent"] as const) {
      if (file[key] === undefined || passthrough !== undefined) continue;
      const message = "only with passthrough are there connections that this is about";
      this.#problems.error(this.#at("otherwise", key), message);
    }
    if (file.noServerName !== undefined) {
      const at = this.#at("otherwise", "noServerName");
      const targets = [rest, ...routes.map(({ to }) => to)];
      const usesNames =
        routes.some(({ match }) => match.sni !== undefined) ||
        targets.some((to) => to?.kind === "template" && to.template.includes("{sni}"));
      if (!this.#knowsNames) this.#needsTls(at, "noServerName");
      else if (!usesNames)
        this.#problems.warning(at, "it has no effect: nothing here goes by server names");
    }
    if (file.noRoute === undefined || rest === undefined) return;
    if (rest.kind === "template" && rest.template.includes("{alpn}")) return;
    const message = "it has no effect: dstName takes what no rule is for";
    this.#problems.warning(this.#at("otherwise", "noRoute"), message);
  }

  #at(...steps: ConfigPath): ConfigPath {
    return [...this.#path, ...steps];
  }
}

/** Whether clients are asked for certificates, by the server as a whole or for one of its names. */
function asksForCertificates(tls: FileServer["tls"]): boolean {
  if (tls === undefined) return false;
  const asks = (keys: object): boolean => "clientAuth" in keys && keys.clientAuth !== undefined;
  return asks(tls) || Object.values(tls.identities).some((identity) => asks(identity));
}
