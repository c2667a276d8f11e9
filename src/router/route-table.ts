// The rules of one server, ready to be asked: where a connection goes, by its client's address and by what its TLS tells.
import type {
  RouteCase,
  RouteMatch,
  RouteTarget as RouteTargetConfig,
  RoutingConfig,
} from "../config/route-types.ts";
import { addressBytes, anyContains, type Cidr, parseCidr } from "../lib/cidr.ts";
import type { CertificateName } from "../lib/certificate-names.ts";
import { fitsAny, type NameRule, parseNameRules } from "../lib/name-rule.ts";
import { type Captures, PathTemplate } from "../naming/path-matcher.ts";
import { printPath } from "../naming/path.ts";

/** What TLS tells of a client. */
export interface TlsTraits {
  /** Lower case, a host name; undefined where the client asked for none, or for none that can be one. */
  readonly serverName: string | undefined;
  /** The protocol that was agreed upon; in a hello that is passed on, all that are offered. */
  readonly alpn: readonly string[];
  /** Names of the certificate that the client has shown and that was verified. Asked for where a rule goes by them. */
  readonly sans: () => readonly CertificateName[];
}

/** What became of the reading of a hello that has none. */
export type NoHello = Extract<RouteCase, "not_tls" | "malformed_hello" | "silent">;

/** Where a connection goes. */
export interface RouteChoice {
  readonly to: RouteTarget;
  /** Why it goes there, where that was no rule, nor `dstName`. */
  readonly because: RouteCase | undefined;
}

export type RouteTarget =
  /** A path that is known from the start, by its id. */
  | { readonly kind: "destination"; readonly destination: number }
  /** A path that this client has brought up. */
  | { readonly kind: "name"; readonly path: string }
  | { readonly kind: "end"; readonly how: "close" | "reset" };

/** A target that may still have to be filled in. */
type Compiled =
  | { readonly kind: "choice"; readonly choice: RouteChoice }
  | { readonly kind: "template"; readonly template: PathTemplate };

interface Rule {
  /** Its place in the order. */
  readonly index: number;
  readonly alpn: readonly string[] | undefined;
  readonly sans: readonly NameRule[] | undefined;
  readonly sources: readonly Cidr[] | undefined;
  readonly to: Compiled;
}

const NO_RULES: readonly Rule[] = [];

export class RouteTable {
  /** In their order: what can be told before anything of TLS is known. */
  readonly #rules: readonly Rule[];
  /** Rules that name this server name; those of `*.example.com` under `.example.com`. Each list in the order of rules. */
  readonly #byName: ReadonlyMap<string, readonly Rule[]>;
  readonly #byParent: ReadonlyMap<string, readonly Rule[]>;
  readonly #ofAnyName: readonly Rule[];
  /** The rules that go by server names, so that they cannot be told without one. */
  readonly #named = new Set<Rule>();
  readonly #rest: Compiled | undefined;
  readonly #cases: Readonly<Record<RouteCase, RouteChoice>>;
  readonly #hasNames: boolean;
  /** Whether a client without a server name is refused before `dstName` is thought of. */
  readonly #wantsName: boolean;
  readonly #readsHello: boolean;
  /** Whether any rule goes by addresses. */
  readonly hasSources: boolean;

  /** `idOf` gives the ids of paths. */
  constructor(
    { routes, rest, otherwise, passthrough }: RoutingConfig,
    idOf: (path: string) => number,
  ) {
    const compile = (to: RouteTargetConfig): Compiled => compileTarget(to, idOf);
    const rules = routes.map(({ match, to }, index) => compileRule(match, compile(to), index));
    const names = new NameIndex();
    routes.forEach(({ match }, index) => {
      const rule = rules[index];
      if (rule === undefined) return;
      names.add(match.sni, rule);
      if (match.sni !== undefined) this.#named.add(rule);
    });
    this.#rules = rules;
    this.hasSources = rules.some(({ sources }) => sources !== undefined);
    this.#byName = names.exact;
    this.#byParent = names.wildcards;
    this.#ofAnyName = names.any;
    this.#rest = rest && compile(rest);
    this.#cases = {
      not_tls: caseChoice(otherwise.notTls, "not_tls", idOf),
      malformed_hello: caseChoice(otherwise.notTls, "malformed_hello", idOf),
      no_server_name: caseChoice(otherwise.noServerName, "no_server_name", idOf),
      no_route: caseChoice(otherwise.noRoute, "no_route", idOf),
      silent: caseChoice(otherwise.silent, "silent", idOf),
    };
    const isNamed = (to: RouteTargetConfig | undefined): boolean =>
      to?.kind === "template" && to.template.includes("{sni}");
    this.#hasNames = this.#named.size > 0 || [rest, ...routes.map(({ to }) => to)].some(isNamed);
    this.#wantsName = otherwise.noServerName !== undefined;
    this.#readsHello = passthrough !== undefined;
  }

  /** Whether the client's address says already where the connection goes, so that nothing of it need be read. */
  isDecidedBy(ip: string | undefined): boolean {
    const address = this.#addressOf(ip);
    for (const rule of this.#rules) {
      if (rule.sources !== undefined && !isFrom(rule.sources, address)) continue;
      // What goes by TLS has to be known before any later rule can be.
      return (
        rule.alpn === undefined &&
        rule.sans === undefined &&
        !this.#named.has(rule) &&
        isFixed(rule.to)
      );
    }
    return !this.#readsHello;
  }

  /** What becomes of a connection that says nothing in time. */
  get silent(): RouteTarget {
    return this.#cases.silent.to;
  }

  /**
   * Where a connection goes: the first rule that matches, else what is left over. `tls` is undefined where nothing is known
   * of it, and where nothing needs to be; where a hello was to be read and there is none, what came in its place.
   */
  choose(ip: string | undefined, tls: TlsTraits | NoHello | undefined): RouteChoice {
    const traits = typeof tls === "object" ? tls : undefined;
    const rule = this.#match(this.#addressOf(ip), traits);
    if (rule !== undefined) return this.#fill(rule.to, traits);
    if (typeof tls === "string") return this.#cases[tls];
    const isNameless = this.#hasNames && traits !== undefined && traits.serverName === undefined;
    if (isNameless && (this.#wantsName || this.#rest === undefined))
      return this.#cases.no_server_name;
    return this.#rest === undefined ? this.#cases.no_route : this.#fill(this.#rest, traits);
  }

  #addressOf(ip: string | undefined): Uint8Array | undefined {
    return ip !== undefined && this.hasSources ? addressBytes(ip) : undefined;
  }

  /** Goes through the rules that may match this name, in the order of all. */
  #match(address: Uint8Array | undefined, tls: TlsTraits | undefined): Rule | undefined {
    const name = tls?.serverName;
    const dot = name?.indexOf(".") ?? -1;
    const any = this.#ofAnyName;
    const exact = (name !== undefined && this.#byName.get(name)) || NO_RULES;
    const parent =
      (name !== undefined && dot > 0 && this.#byParent.get(name.slice(dot))) || NO_RULES;
    for (let a = 0, e = 0, p = 0; ;) {
      const rule = first(any[a], first(exact[e], parent[p]));
      if (rule === undefined || matches(rule, address, tls)) return rule;
      // A rule may stand in two of the lists.
      if (rule === any[a]) a += 1;
      if (rule === exact[e]) e += 1;
      if (rule === parent[p]) p += 1;
    }
  }

  #fill(to: Compiled, tls: TlsTraits | undefined): RouteChoice {
    if (to.kind === "choice") return to.choice;
    const captures = new Map<string, string>();
    if (tls?.serverName !== undefined) captures.set("sni", tls.serverName);
    const [protocol] = tls?.alpn ?? [];
    if (protocol !== undefined && protocol !== "") captures.set("alpn", protocol);
    const path = fill(to.template, captures);
    if (path !== undefined) return { to: { kind: "name", path }, because: undefined };
    const lacksName = to.template.names.includes("sni") && !captures.has("sni");
    return this.#cases[lacksName ? "no_server_name" : "no_route"];
  }
}

/** Rules by the server names that they ask for. */
class NameIndex {
  readonly exact = new Map<string, Rule[]>();
  readonly wildcards = new Map<string, Rule[]>();
  readonly any: Rule[] = [];

  add(names: readonly string[] | undefined, rule: Rule): void {
    if (names === undefined) this.any.push(rule);
    for (const name of new Set(names)) {
      const isWildcard = name.startsWith("*.");
      const map = isWildcard ? this.wildcards : this.exact;
      const key = isWildcard ? name.slice(1) : name;
      const known = map.get(key);
      if (known === undefined) map.set(key, [rule]);
      else known.push(rule);
    }
  }
}

function compileRule({ alpn, clientSan, source }: RouteMatch, to: Compiled, index: number): Rule {
  return {
    index,
    alpn,
    sans: clientSan && parseNameRules(clientSan),
    sources: source?.flatMap((block) => parseCidr(block) ?? []),
    to,
  };
}

function compileTarget(to: RouteTargetConfig, idOf: (path: string) => number): Compiled {
  switch (to.kind) {
    case "path":
      return always({ kind: "destination", destination: idOf(to.path) });
    case "end":
      return always(to);
    case "template": {
      const parsed = PathTemplate.parse(to.template);
      // The configuration has checked it.
      if (!parsed.ok) return always({ kind: "end", how: "reset" });
      return { kind: "template", template: parsed.template };
    }
    default:
      return to satisfies never;
  }
}

function always(to: RouteTarget): Compiled {
  return { kind: "choice", choice: { to, because: undefined } };
}

function caseChoice(
  to: Exclude<RouteTargetConfig, { kind: "template" }> | undefined,
  because: RouteCase,
  idOf: (path: string) => number,
): RouteChoice {
  if (to === undefined) return { to: { kind: "end", how: "reset" }, because };
  return {
    to: to.kind === "path" ? { kind: "destination", destination: idOf(to.path) } : to,
    because,
  };
}

function isFixed(to: Compiled): boolean {
  return to.kind === "choice";
}

function fill(template: PathTemplate, captures: Captures): string | undefined {
  const labels = template.fill(captures);
  return labels && printPath(labels);
}

function isFrom(sources: readonly Cidr[], address: Uint8Array | undefined): boolean {
  return address !== undefined && anyContains(sources, address);
}

function first(one: Rule | undefined, other: Rule | undefined): Rule | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return one.index <= other.index ? one : other;
}

/** Whether all but the server name fits. */
function matches(
  { sources, alpn, sans }: Rule,
  address: Uint8Array | undefined,
  tls: TlsTraits | undefined,
): boolean {
  if (sources !== undefined && !isFrom(sources, address)) return false;
  if (alpn !== undefined && !alpn.some((protocol) => tls?.alpn.includes(protocol) === true))
    return false;
  return sans === undefined || (tls !== undefined && fitsAny(sans, tls.sans()));
}
