// What the settings of a destination mean for its checks.
import type { HealthCheckConfig } from "./health-types.ts";
import type { ClientTlsConfig } from "./tls-types.ts";
import type { ClientProxyProtocolConfig, DestinationConfig } from "./types.ts";

/**
 * Whether the checks tell which endpoint has the role that connections are for. Then an endpoint without it must never get
 * a connection, however few are left: writes would go to a replica.
 */
export function isRoleCheck(health: HealthCheckConfig | undefined): boolean {
  return health !== undefined && "role" in health.check && health.check.role !== "any";
}

/** How checks speak with endpoints, before anything is asked. */
export interface CheckSecurity {
  readonly tls: ClientTlsConfig | undefined;
  /** Whether TLS is asked for in the protocol of the database rather than spoken from the first byte. */
  readonly asksForTls: boolean;
  readonly proxyProtocol: ClientProxyProtocolConfig | undefined;
}

/** Checks speak as connections of the destination do, unless they go to another port or are told otherwise. */
export function checkSecurity(
  health: HealthCheckConfig,
  { tls, proxyProtocol }: Pick<DestinationConfig, "tls" | "proxyProtocol">,
): CheckSecurity {
  const samePort = health.port === undefined;
  const own = health.tls === "none" ? undefined : (health.tls ?? (samePort ? tls : undefined));
  const { kind } = health.check;
  return {
    tls: kind === "tcp" ? undefined : own,
    asksForTls: kind === "postgres" && health.tls !== undefined && health.tls !== "none",
    proxyProtocol: samePort ? proxyProtocol : undefined,
  };
}

/** The settings without passwords and keys: for those who only act on what checks have found. */
export function withoutSecrets(health: HealthCheckConfig): HealthCheckConfig {
  const { check, tls } = health;
  const own = tls === undefined || tls === "none" ? tls : { ...tls, clientAuth: undefined };
  const bare = { ...health, tls: own };
  return "password" in check ? { ...bare, check: { ...check, password: undefined } } : bare;
}
