// How checks of one kind are made: everything that all addresses with the same settings share.
import { checkSecurity } from "../config/health-check.ts";
import { isTlsName } from "../config/rule-prefix.ts";
import type { HealthCheckConfig } from "../config/health-types.ts";
import type { DestinationConfig } from "../config/types.ts";
import type { Clock } from "../lib/clock.ts";
import { DeadlineQueue } from "../lib/deadlines.ts";
import { probeHeader } from "../proxy/proxy-protocol/outgoing.ts";
import type { ClientTls } from "../transport/client-tls.ts";
import { createClientUpgrade, type StartClientTls } from "../transport/client-upgrade.ts";
import { type Connector, SocketConnector } from "../transport/connector.ts";
import { RefusingConnector } from "../transport/refusing-connector.ts";
import type { OnFault } from "../transport/listener.ts";
import type { DialogueFactory } from "./dialogue.ts";
import { exchangeDialogues } from "./dialogues/exchange.ts";
import { httpDialogues } from "./dialogues/http.ts";
import { redisDialogues } from "./dialogues/redis.ts";

/** What checks with the same settings share. */
export interface CheckPlan {
  /** For people: `postgres primary`. */
  readonly name: string;
  /** Undefined: the endpoint's own. */
  readonly port: number | undefined;
  readonly intervalMs: number;
  readonly rise: number;
  readonly fall: number;
  readonly connector: Connector;
  /** What comes first of all: a PROXY header. */
  readonly preamble: Uint8Array | undefined;
  /** Undefined: it is enough that the connection stands. */
  readonly newDialogue: DialogueFactory | undefined;
  /** For dialogues that ask for TLS. */
  readonly startTls: StartClientTls | undefined;
  /** Each as long as a check may take. */
  readonly deadlines: DeadlineQueue;
}

/** What plans are made with. */
export interface PlanParts {
  readonly clock: Clock;
  readonly clientTls: ClientTls;
  readonly onFault: OnFault;
}

export type CheckedConfig = Pick<DestinationConfig, "tls" | "proxyProtocol">;

/** Equal for destinations whose checks of an address are the same. */
export function planKey(health: HealthCheckConfig, client: CheckedConfig): string {
  const { check, intervalMs, timeoutMs, rise, fall, port } = health;
  return JSON.stringify([
    [check, intervalMs, timeoutMs, rise, fall, port],
    checkSecurity(health, client),
  ]);
}

/** Loads what the kind of check needs, and parses certificates. Throws OpenSSL's error when they cannot be used. */
export async function makePlan(
  health: HealthCheckConfig,
  client: CheckedConfig,
  { clock, clientTls, onFault }: PlanParts,
): Promise<CheckPlan> {
  const { tls, asksForTls, proxyProtocol } = checkSecurity(health, client);
  const options = tls && clientTls.options(tls);
  const direct = asksForTls ? undefined : options;
  const { check } = health;
  return {
    name: "role" in check ? `${check.kind} ${check.role}` : check.kind,
    port: health.port,
    intervalMs: health.intervalMs,
    rise: health.rise,
    fall: health.fall,
    // The deadline of the whole check is the only one.
    connector:
      tls === undefined || isTlsName(tls.dnsName)
        ? new SocketConnector(direct, Number.POSITIVE_INFINITY, clock, onFault)
        : new RefusingConnector("dnsName is no host name"),
    preamble: proxyProtocol && probeHeader(proxyProtocol),
    newDialogue: await dialoguesOf(health, tls?.dnsName, asksForTls),
    startTls: asksForTls && options ? createClientUpgrade(options, onFault) : undefined,
    deadlines: new DeadlineQueue(clock, health.timeoutMs),
  };
}

async function dialoguesOf(
  { check }: HealthCheckConfig,
  tlsName: string | undefined,
  asksForTls: boolean,
): Promise<DialogueFactory | undefined> {
  switch (check.kind) {
    case "tcp":
    case "tls":
      return undefined;
    case "exchange":
      return exchangeDialogues(check);
    case "http":
      return httpDialogues(check, tlsName);
    case "postgres": {
      // With node:crypto, which others can do without.
      const { postgresDialogues } = await import("./dialogues/postgres.ts");
      const security = tlsName === undefined ? "none" : "direct";
      return postgresDialogues(check, asksForTls ? "asked" : security);
    }
    case "redis":
      return redisDialogues(check);
    default:
      return check satisfies never;
  }
}
