// The checked settings of active health checks: what is asked of an endpoint, how often, and what follows.
import type { ClientTlsConfig } from "./tls-types.ts";

/** Active checks of the endpoints of a destination. */
export interface HealthCheckConfig {
  readonly check: CheckKind;
  /** Between the beginnings of two checks of an endpoint, jittered by 10 %. */
  readonly intervalMs: number;
  /** One check, from the connect to the verdict. */
  readonly timeoutMs: number;
  /** Good checks in a row that make an unhealthy endpoint healthy; 1 or more. */
  readonly rise: number;
  /** Failed checks in a row that make an endpoint unhealthy; 1 or more. */
  readonly fall: number;
  /** Undefined: the endpoint's own. */
  readonly port: number | undefined;
  /** What an endpoint is taken for until checks have said something. */
  readonly initially: "healthy" | "unhealthy";
  /** What becomes of the connections of an endpoint that turns unhealthy. */
  readonly onUnhealthy: OnUnhealthy;
  /** `none`: plain; undefined: as connections of the destination, where the port is the same. */
  readonly tls: ClientTlsConfig | "none" | undefined;
}

export type OnUnhealthy = "keep" | "drain" | "cut";

/** What is asked. */
export type CheckKind =
  | { readonly kind: "tcp" | "tls" }
  | {
      readonly kind: "exchange";
      /** Undefined: the endpoint speaks first. */
      readonly send: Uint8Array | undefined;
      readonly expect: Expectation;
    }
  | {
      readonly kind: "http";
      /** Path and query. */
      readonly path: string;
      /** Undefined: the name verified by TLS, or the address. */
      readonly host: string | undefined;
      readonly expectStatus: readonly StatusRange[];
    }
  | {
      readonly kind: "postgres";
      readonly role: "primary" | "replica" | "any";
      readonly user: string;
      readonly database: string;
      readonly password: string | undefined;
    }
  | {
      readonly kind: "redis";
      readonly role: "master" | "replica" | "any";
      readonly user: string | undefined;
      readonly password: string | undefined;
    };

/** What a reply must be like: begin with bytes, or contain what a pattern of lib/byte-pattern.ts describes. */
export type Expectation =
  | { readonly kind: "prefix"; readonly bytes: Uint8Array }
  | { readonly kind: "pattern"; readonly source: string; readonly ignoreCase: boolean };

/** Status codes, both ends included. */
export interface StatusRange {
  readonly from: number;
  readonly to: number;
}
