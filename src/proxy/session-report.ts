// What is counted and logged of a session.
import type { EndpointConnection } from "../balancer/connection.ts";
import { formatAddress } from "../lib/address.ts";
import type { Logger } from "../telemetry/log.ts";
import { peerAddress } from "../transport/bun.ts";
import { ClientRefused } from "../transport/client-auth.ts";
import type { Socket } from "../transport/socket.ts";
import { tlsAgreement, tlsHandshake } from "../transport/tls-agreement.ts";
import { tlsFailure } from "../transport/tls-failure.ts";
import type { CloseReason } from "./close-reason.ts";
import { idText } from "./proxy-protocol/outgoing.ts";
import type { SessionContext } from "./session-context.ts";
import type { SessionExtras, SessionFacts } from "./session-facts.ts";

type Metrics = SessionContext["metrics"];

/** Counts a session that begins: it waits for an endpoint. */
export function reportStart({ accepts, active, waiters }: Metrics): void {
  accepts.add(1);
  active.add(1);
  waiters.add(1);
}

/** Counts the handshake that began at `sinceMs`, and logs a failure. Why the session is over, if it is. */
export function reportHandshake(
  { clock, metrics, log }: SessionContext,
  sinceMs: number,
  failure: Error | undefined,
  socket: Socket | undefined,
): CloseReason | undefined {
  metrics.handshake?.observe((clock.now() - sinceMs) * 1000);
  if (failure === undefined) {
    if (socket !== undefined) reportAgreed(metrics, log, socket);
    return undefined;
  }
  const why = tlsFailure(failure);
  metrics.tls?.failed(why);
  // Port scans and health checks connect and leave: no failure of TLS.
  if ("code" in failure && failure.code === "ECONNRESET") return "client_left";
  if (failure instanceof ClientRefused && failure.code === "CLIENT_NOT_ALLOWED") {
    log.debug("client not allowed", () => ({ detail: failure.message }));
    return "client_not_allowed";
  }
  metrics.handshakeFailures?.add(1);
  log.debug("TLS handshake failed", () => ({
    client: socket && peerAddress(socket),
    why,
    detail: failure.message,
  }));
  return "handshake_failed";
}

/** Whether a handshake failed in the library, which has sent an alert then; it tells so by `EPROTO`. */
export function saidWhy(failure: Error | undefined): boolean {
  return failure !== undefined && "code" in failure && failure.code === "EPROTO";
}

/** Counts a handshake that did not come to its end: its time was over, or the client has reset the connection. */
export function reportUnfinished({ metrics, log }: SessionContext, why: "timeout" | "reset"): void {
  metrics.tls?.failed(why);
  if (why === "reset") return;
  metrics.handshakeFailures?.add(1);
  log.debug("TLS handshake failed", () => ({ why }));
}

function reportAgreed({ tls }: Metrics, log: Logger, socket: Socket): void {
  tls?.agreed(tlsHandshake(socket));
  log.debug("TLS handshake done", () => ({
    client: peerAddress(socket),
    ...tlsAgreement(socket),
  }));
}

/** Counts a session that waits no more, after so long. */
export function reportConnected({ waiters, connectLatency }: Metrics, waitedMs: number): void {
  waiters.add(-1);
  connectLatency.observe(waitedMs * 1000);
}

/** Logs what TLS has agreed upon with the endpoint of a session. */
export function reportEndpointTls(
  { log }: SessionContext,
  { endpoint }: EndpointConnection,
  socket: Socket,
): void {
  log.debug("TLS with the endpoint", () => ({
    endpoint: formatAddress(endpoint.target),
    ...tlsAgreement(socket),
  }));
}

/** Counts a session that has ended, and logs it. */
export function reportEnd(
  { clock, metrics, log }: SessionContext,
  reason: CloseReason,
  { received, connection, rxBytes, txBytes, acceptedMs, sinceMs }: SessionFacts,
  extras: SessionExtras | undefined,
): void {
  const nowMs = clock.now();
  if (connection !== undefined) metrics.duration.observe(nowMs - sinceMs);
  else {
    reportConnected(metrics, nowMs - acceptedMs);
  }
  metrics.ended(reason, connection !== undefined, rxBytes, txBytes);
  // Last: another thread that reads that none is active finds them all counted.
  metrics.active.add(-1);
  const source = received?.ends?.source.ip;
  log.debug("connection closed", () => ({
    reason,
    rxBytes,
    txBytes,
    client: source ?? extras?.client,
    via: source && extras?.client,
    id: extras?.outgoing?.uniqueId && idText(extras.outgoing.uniqueId),
    endpoint: connection && formatAddress(connection.endpoint.target),
    durationMs: Math.round(nowMs - acceptedMs),
  }));
}
