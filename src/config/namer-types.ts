// The checked configuration of namers: see types.ts.
import type { StaticName } from "./types.ts";

export type NamerConfig =
  | FsNamerConfig
  | StaticNamerConfig
  | RewriteNamerConfig
  | DnsSrvNamerConfig
  | ConsulNamerConfig
  | K8sNamerConfig
  | EtcdNamerConfig;

interface Named {
  /** Path below `/#`, as `printPath` prints it: `/io.l5d.fs` for names `/#/io.l5d.fs/...`. */
  readonly prefix: string;
}

/** A folder of files, or of folders of files. */
export interface FsNamerConfig extends Named {
  readonly kind: "io.l5d.fs";
  /** Absolute path of the folder. */
  readonly rootDir: string;
}

/** Addresses written in the configuration itself, by path below the prefix. */
export interface StaticNamerConfig extends Named {
  readonly kind: "io.l5d.static";
  readonly names: readonly StaticName[];
}

/** Replaces a path by another, which is delegated anew. */
export interface RewriteNamerConfig extends Named {
  readonly kind: "io.l5d.rewrite";
  /** A PathMatcher pattern with captures, such as `/{service}/api`. */
  readonly pattern: string;
  /** The path that takes its place, with `{captures}`. */
  readonly name: string;
}

/** SRV records: `/#/io.l5d.dnssrv/<srv name>`. */
export interface DnsSrvNamerConfig extends Named {
  readonly kind: "io.l5d.dnssrv";
  /** Longest time between queries; records with a shorter time to live are asked for sooner. */
  readonly refreshIntervalMs: number;
  /** `ip` or `ip:port` of the name servers; empty for those of the system. */
  readonly dnsHosts: readonly string[];
}

/** How a namer's server is reached over TLS. */
export interface NamerTlsConfig {
  /** Accept any certificate. */
  readonly disableValidation: boolean;
  /** Name that the server must show; undefined for the host's. */
  readonly commonName: string | undefined;
  /** PEM; undefined for the system's roots. */
  readonly trustPem: string | undefined;
  readonly clientAuth: { readonly certPem: string; readonly keyPem: string } | undefined;
}

export interface ConsulNamerConfig extends Named {
  readonly kind: "io.l5d.consul";
  /** http or https URL of the agent without a path. */
  readonly baseUrl: string;
  /** Names are `/<dc>/<tag>/<service>` instead of `/<dc>/<service>`. */
  readonly includeTag: boolean;
  readonly useHealthCheck: boolean;
  /** Which states of health count, where `useHealthCheck` is set. */
  readonly healthStatuses: readonly ConsulHealth[];
  /** Secret. */
  readonly token: string | undefined;
  readonly setHost: boolean;
  readonly consistencyMode: "default" | "stale" | "consistent";
  readonly preferServiceAddress: boolean;
  readonly weights: readonly { readonly tag: string; readonly weight: number }[];
  readonly transferMetadata: boolean;
  /** Data centers that are asked, in order, when the one of the name has no instance. */
  readonly failoverDatacenters: readonly string[];
  readonly tls: NamerTlsConfig | undefined;
}

export type ConsulHealth = "passing" | "warning" | "critical" | "maintenance";

/** EndpointSlices of a cluster. */
export interface K8sNamerConfig extends Named {
  readonly kind: "io.l5d.k8s" | "io.l5d.k8s.ns";
  /** http or https URL of the API server without a path. */
  readonly baseUrl: string;
  /** For `io.l5d.k8s.ns`: the namespace that names leave out. */
  readonly namespace: string | undefined;
  /** Label whose value is the last segment of names; undefined for names without it. */
  readonly labelSelector: string | undefined;
  /** File with the service account's token, read for each request as it is rotated; undefined for none. */
  readonly tokenPath: string | undefined;
  /** File with the certificates that the API server is verified with, read for each request; undefined for the system's. */
  readonly caPath: string | undefined;
}

export interface EtcdNamerConfig extends Named {
  readonly kind: "io.l5d.etcd";
  /** http or https URLs of the members without a path, in the order in which they are tried. */
  readonly baseUrls: readonly string[];
  /** Keys are `<pathPrefix>/<name>`. */
  readonly pathPrefix: string;
  readonly tls: NamerTlsConfig | undefined;
}
