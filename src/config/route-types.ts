// Routing in the checked configuration: where the connections of a server go that does not have one destination for all.

/** How a server chooses. */
export interface RoutingConfig {
  /** The first that matches wins. */
  readonly routes: readonly RouteConfig[];
  /** Where connections go that no route matches: the server's `dstName`. */
  readonly rest: RouteTarget | undefined;
  readonly otherwise: OtherwiseConfig;
  /** Undefined where the server does not read hellos that it passes on. */
  readonly passthrough: PassthroughConfig | undefined;
}

export interface RouteConfig {
  readonly match: RouteMatch;
  readonly to: RouteTarget;
}

/** Each list that is there must hold something that fits; at least one is there. */
export interface RouteMatch {
  /** Lower case, exact or `*.example.com` for one label. */
  readonly sni?: readonly string[];
  readonly alpn?: readonly string[];
  /** As lib/name-rule.ts reads them. */
  readonly clientSan?: readonly string[];
  /** Blocks of addresses. */
  readonly source?: readonly string[];
}

export type RouteTarget =
  | { readonly kind: "path"; readonly path: string }
  /** A path with `{sni}` or `{alpn}` in it: see naming/path-matcher.ts. */
  | { readonly kind: "template"; readonly template: string }
  | RouteEnd;

/** `close`: in good order. */
export interface RouteEnd {
  readonly kind: "end";
  readonly how: "close" | "reset";
}

/** What there is no route for: a closed list, the label values of l5d_srv_otherwise_total. */
export type RouteCase = "not_tls" | "malformed_hello" | "no_server_name" | "no_route" | "silent";

/** A path, or an end. */
export type OtherwiseTarget = Exclude<RouteTarget, { kind: "template" }>;

export interface OtherwiseConfig {
  /** The first bytes are no TLS, or no hello. */
  readonly notTls: OtherwiseTarget;
  /** Undefined where nothing was said: then `dstName` counts first, where it needs no name. */
  readonly noServerName: OtherwiseTarget | undefined;
  readonly noRoute: OtherwiseTarget;
  readonly silent: OtherwiseTarget;
}

export interface PassthroughConfig {
  /** Longest time for the whole hello. */
  readonly helloTimeoutMs: number;
}
