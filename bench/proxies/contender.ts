// The port that every measured proxy stands behind.
import type { Identity } from "../certificate.ts";
import type { Child } from "../children.ts";

/** A proxy that can be started. */
export interface Contender {
  /** Column of the report. */
  readonly name: string;
  /** Ours are held against targets; peers are what they are held against. */
  readonly kind: "ours" | "peer";
  readonly version: string;
  start(site: Site): Promise<Running>;
}

/** What the second port of an instance does: end TLS with a key of this type, or pass TLS on by the name asked for. */
export type Variant = "ecdsa" | "rsa" | "passthrough";

/** What a proxy gets to start with. */
export interface Site {
  /** A directory of its own, for configuration and log. */
  readonly dir: string;
  readonly variant: Variant;
  readonly identity: Identity;
  readonly plainPort: number;
  readonly tlsPort: number;
  /** A port of the backend that no other proxy connects to: so none meets the TIME_WAIT of another. */
  readonly backendPort: number;
  /** Where it may run. */
  readonly cores: string | undefined;
  /** Starts `argv` and waits for both ports. */
  launch(argv: readonly string[], cwd?: string): Promise<Child>;
}

/** A proxy that serves. */
export interface Running {
  readonly plainPort: number;
  readonly tlsPort: number;
  /** The processes that serve, whose CPU time and memory count. */
  readonly pids: readonly number[];
  stop(): Promise<void>;
  /** How it ended and what it said last; undefined while it runs. */
  epitaph(): Promise<string | undefined>;
}

/** TLS 1.2 ciphers, in the spelling of OpenSSL; with TLS 1.3 the generator insists on one. */
export const CIPHERS_12 = [
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
].join(":");
export const CIPHERS_13 =
  "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

/** Connections that each proxy is allowed: far more than any workload makes, and descriptors for them are at hand. */
export const MAX_CONNECTIONS = 4_000;

/** What is served once `child` serves with `pids`. */
export function running(site: Site, child: Child, pids: readonly number[]): Running {
  const { plainPort, tlsPort } = site;
  return { plainPort, tlsPort, pids, stop: () => child.stop(), epitaph: () => child.epitaph() };
}
