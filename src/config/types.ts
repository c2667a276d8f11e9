// The checked configuration: what the rest of the program works with. Plain data, so that it crosses threads.
// Every default is already applied, every file already read, every unit stands in the name.

import type { AccrualConfig, FailFastRule, SlowStartConfig } from "./accrual-types.ts";
import type { HealthCheckConfig } from "./health-types.ts";
import type { NamerConfig } from "./namer-types.ts";
import type { RoutingConfig } from "./route-types.ts";
import type { ClientTlsConfig, ServerTlsConfig } from "./tls-types.ts";

/** A whole configuration. */
export interface Config {
  readonly admin: AdminConfig;
  /** For the routers whose interpreter is `default`. */
  readonly namers: readonly NamerConfig[];
  readonly routers: readonly RouterConfig[];
  /** Early client bytes kept while an endpoint is being connected, per connection, before reading pauses. */
  readonly bufferSizeBytes: number;
  /** Data-plane threads, 1 or more. */
  readonly workers: number;
  /** Whether a change of the file, or of a PEM file that it names, reloads it. */
  readonly reloadOnChange: boolean;
  /** Whether PEM files that change take effect by themselves. */
  readonly followCertificates: boolean;
  /** Undefined: nothing is ever shed. */
  readonly overload?: OverloadConfig | undefined;
}

/** When new connections have to wait, and then are refused, so that open ones are served. */
export interface OverloadConfig {
  /** How late a worker's event loop may be; Infinity for no limit. */
  readonly maxLoopLagMs: number;
  /** Private memory of the process; Infinity for no limit. */
  readonly maxMemoryBytes: number;
  /** Whether it is only said, and nothing done. */
  readonly dryRun: boolean;
}

export interface AdminConfig {
  readonly ip: string;
  /** 0 asks the system for a free port. */
  readonly port: number;
  /** How long a graceful shutdown lets connections end. */
  readonly graceMs: number;
  /** The last part of it, over which those that are left are ended one by one. */
  readonly drainWindowMs: number;
}

export interface RouterConfig {
  /** Unique; the metric label `rt`. */
  readonly label: string;
  readonly interpreter: InterpreterConfig;
  readonly servers: readonly ServerConfig[];
  readonly client: ClientConfig;
  /** Undefined where connections bring up no names. */
  readonly bindingCache?: BindingCacheConfig | undefined;
}

/** Of the names that connections bring up. */
export interface BindingCacheConfig {
  /** At a time. */
  readonly paths: number;
  /** How long one that leads somewhere is followed while no session uses it. */
  readonly idleTtlMs: number;
}

export type InterpreterConfig = DefaultInterpreterConfig | NamerdConfig | FsConfig | StaticConfig;

/** Names are resolved in this process, by a dtab and the namers of the configuration. */
export interface DefaultInterpreterConfig {
  readonly kind: "default";
  /** The router's dtab, checked; as `printDtab` prints it. */
  readonly dtab: string;
}

/** namerd's HTTP interface. */
export interface NamerdConfig {
  readonly kind: "io.l5d.namerd.http";
  /** Absolute http or https URL without a trailing slash. */
  readonly baseUrl: string;
  readonly namespace: string;
  /** Time between polls where the server does not stream. */
  readonly periodMs: number;
  /** Longest time to wait for the head of an answer, and for a whole one when polling. */
  readonly requestTimeoutMs: number;
}

/** A folder of files; the first segment of a path below `prefix` is the file. */
export interface FsConfig {
  readonly kind: "io.l5d.fs";
  /** Absolute path of the folder. */
  readonly rootDir: string;
  /** Path that the file name is appended to, such as `/svc`: `/svc/web` is the file `web`. */
  readonly prefix: string;
}

/** Addresses written in the configuration itself, by path. */
export interface StaticConfig {
  readonly kind: "io.l5d.static";
  readonly names: readonly StaticName[];
}

export interface StaticName {
  readonly path: string;
  readonly endpoints: readonly HostEndpoint[];
}

/** An endpoint whose host may still be a name. */
export interface HostEndpoint {
  /** IP literal or host name. */
  readonly host: string;
  readonly port: number;
  readonly weight: number;
}

export interface ServerConfig {
  readonly ip: string;
  /** 0 asks the system for a free port. */
  readonly port: number;
  /** The path that connections go to, or those that no route is for; as written where it is a template. */
  readonly dstName: string | undefined;
  /** Undefined where all connections go to `dstName`. */
  readonly routing?: RoutingConfig | undefined;
  readonly tls: ServerTlsConfig | undefined;
  /** Undefined: connections begin with the client's own bytes. */
  readonly proxyProtocol: ServerProxyProtocolConfig | undefined;
  /** From accept to an endpoint in hand, TLS handshake included; Infinity for no limit. */
  readonly connectTimeoutMs: number;
  /** Longest life of a connection once its endpoint is in hand; Infinity for no limit. */
  readonly connectionLifetimeMs: number;
  /** Lives are drawn from the longest one down to this part less, 0 to 1. */
  readonly connectionLifetimeJitter: number;
  /** Longest time without a byte in either direction; Infinity for no limit. */
  readonly idleTimeoutMs: number;
  /** The same once one direction has ended. */
  readonly halfClosedTimeoutMs: number;
  readonly socketOptions: SocketOptions;
  /** Connections at a time, in the whole process; more wait in the kernel's queue. */
  readonly maxConcurrency: number;
  /** Undefined: whoever reaches the server may use it. */
  readonly limits?: LimitsConfig | undefined;
}

/** Who may use a server, and how much; blocks are checked, see lib/cidr.ts. */
export interface LimitsConfig {
  /** Undefined: everybody. */
  readonly allow: readonly string[] | undefined;
  /** Wins over `allow`. */
  readonly deny: readonly string[];
  /** Of the server as a whole. */
  readonly rate: RateConfig | undefined;
  /** Undefined: sources are not counted. */
  readonly perSource: SourceLimitsConfig | undefined;
  readonly networks: readonly NetworkLimitsConfig[];
  /** Whether it is only counted who would be refused. */
  readonly dryRun: boolean;
}

/** A token bucket: connections a second, and at once after a rest. */
export interface RateConfig {
  readonly perSec: number;
  readonly burst: number;
}

/** Limits of each source: the addresses that share so many bits. */
export interface SourceLimitsConfig {
  /** At a time; Infinity for no limit. */
  readonly maxConnections: number;
  readonly rate: RateConfig | undefined;
  readonly ipv4PrefixLength: number;
  readonly ipv6PrefixLength: number;
}

/** Limits of a block of addresses as a whole. */
export interface NetworkLimitsConfig {
  readonly cidr: string;
  /** At a time; Infinity for no limit. */
  readonly maxConnections: number;
  readonly rate: RateConfig | undefined;
}

/** How the kernel finds out that a peer has vanished. */
export interface SocketOptions {
  /** Probes of connections on which nothing moves; undefined: none. */
  readonly keepAlive: KeepAlive | undefined;
  /** Longest time that what was sent may stay unacknowledged; 0: as the system has it. */
  readonly userTimeoutMs: number;
}

/** The peer is given up when `probes` in a row have no answer. */
export interface KeepAlive {
  /** Silence before the first probe. */
  readonly idleSecs: number;
  readonly intervalSecs: number;
  readonly probes: number;
}

/** What becomes of connections when what they are on is taken away. */
export interface DrainConfig {
  /** Undefined: those of an endpoint stay, those of a server that a reload removes end as in a shutdown. */
  readonly onRemoval: "keep" | "drain" | "cut" | undefined;
  /** The ends are spread over this time. */
  readonly windowMs: number;
  /** In the whole process; Infinity for no cap. */
  readonly maxPerSecond: number;
  /** What is left then is reset; Infinity for never. */
  readonly deadlineMs: number;
}

/** PROXY headers that come before the bytes of clients, and before their TLS. */
export interface ServerProxyProtocolConfig {
  /** Blocks of addresses whose connections begin with a header, checked; see lib/cidr.ts. */
  readonly trusted: readonly string[];
  /** Whether connections from elsewhere are refused. */
  readonly required: boolean;
  /** Longest time from accept to the end of the header. */
  readonly timeoutMs: number;
}

/** How endpoints are reached: one entry for each destination of the router's servers is derived from these. */
export type ClientConfig = readonly ClientRule[];

/** Settings for the destinations below a prefix; of several that fit, later ones win key by key. */
export interface ClientRule {
  readonly prefix: string;
  readonly tls?: ClientTlsConfig;
  readonly connectTimeoutMs?: number;
  readonly maxWaiters?: number;
  readonly minConnections?: number;
  readonly retryBudget?: RetryBudgetConfig;
  readonly maxConnectionsPerEndpoint?: number;
  readonly failFast?: FailFastRule;
  readonly accrual?: AccrualConfig;
  readonly slowStart?: SlowStartConfig;
  readonly panicThresholdPercent?: number;
  readonly loadBalancer?: LoadBalancerConfig;
  readonly proxyProtocol?: ClientProxyProtocolConfig;
  readonly healthCheck?: HealthCheckConfig;
  readonly socketOptions?: SocketOptions;
  readonly drain?: DrainConfig;
}

/** How many attempts to connect may be retries. */
export interface RetryBudgetConfig {
  /** Allowed whatever the number of connections, a second, in the whole process; 0 or more. */
  readonly minRetriesPerSec: number;
  /** Allowed for each new connection: 0.2 is one for five. */
  readonly percentCanRetry: number;
  /** How long a new connection counts. */
  readonly ttlMs: number;
}

/** How an endpoint is chosen for a connection: see docs/guide/balancing.md. */
export type LoadBalancerConfig =
  | { readonly kind: "p2c" | "leastConnections" | "roundRobin" }
  | {
      readonly kind: "ewma";
      /** After this time without news 37 % of what was known of an endpoint are left. */
      readonly decayTimeMs: number;
    }
  | {
      readonly kind: "aperture";
      /** Least width in endpoints, 1 or more. */
      readonly minAperture: number;
      /** Connections for each endpoint of the aperture at which it narrows, and at which it widens: low < high. */
      readonly lowLoad: number;
      readonly highLoad: number;
      /** Load is averaged over this time. */
      readonly smoothWindowMs: number;
    }
  | {
      readonly kind: "maglev";
      /** Load of an endpoint relative to its share, at which it takes no more clients; Infinity for no bound. */
      readonly maxLoadFactor: number;
    };

/** What a header of version 2 may tell besides the addresses. */
export type ProxyTlv = "authority" | "alpn" | "uniqueId" | "tls" | "crc32c";

/** The PROXY header with which connections to endpoints begin. */
export interface ClientProxyProtocolConfig {
  readonly version: 1 | 2;
  /** Empty for version 1. */
  readonly tlvs: readonly ProxyTlv[];
}

/** The settings of one destination after all rules are merged: see `clientFor` in config/client-for.ts. */
export interface DestinationConfig {
  readonly tls: ClientTlsConfig | undefined;
  /** One attempt: TCP connect and TLS handshake; Infinity for no limit. */
  readonly connectTimeoutMs: number;
  /** Sessions that may wait for an endpoint at a time, in the whole process. */
  readonly maxWaiters: number;
  /** Warm connections kept, in the whole process. */
  readonly minConnections: number;
  readonly retryBudget: RetryBudgetConfig;
  /** Open and being made, to one endpoint at a time, in the whole process; Infinity for no limit. */
  readonly maxConnectionsPerEndpoint: number;
  /** Of `failFast` or of `failureAccrual`, whichever came last. */
  readonly accrual: AccrualConfig;
  readonly slowStart: SlowStartConfig;
  /** Where less than this part of the weight may be picked, all enabled endpoints are; 0: only where none may be. */
  readonly panicThresholdPercent: number;
  readonly loadBalancer: LoadBalancerConfig;
  /** Undefined: connections begin with the client's bytes. */
  readonly proxyProtocol: ClientProxyProtocolConfig | undefined;
  readonly socketOptions: SocketOptions;
  readonly drain: DrainConfig;
  /** Undefined: endpoints are not checked. */
  readonly healthCheck: HealthCheckConfig | undefined;
}
