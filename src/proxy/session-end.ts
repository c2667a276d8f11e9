// Why a session is over, and how its connection to the endpoint ended.
import type { Unanswered } from "../balancer/connection.ts";
import { tlsFailure } from "../transport/tls-failure.ts";
import type { CloseReason } from "./close-reason.ts";
import type { SessionContext, SessionSettings } from "./session-context.ts";
import type { Side } from "./side.ts";
import type { SessionState } from "./session-facts.ts";

type SessionLog = Pick<SessionContext, "log" | "metrics">;

/**
 * Whether a socket's error says that its peer has reset, or that it was given up because it did not answer. What TLS has
 * against its peer, or the peer against us, is only told here, and is logged.
 */
export function resetReason(
  error: Error,
  byClient: boolean,
  { log, metrics }: SessionLog,
): CloseReason {
  const code = "code" in error ? error.code : undefined;
  if (code === "EPROTO") {
    const side = byClient ? "client" : "endpoint";
    // What an endpoint has against us its connector counts.
    if (byClient) metrics.tls?.failed(tlsFailure(error));
    log.debug("TLS failed after the handshake", () => ({ side, detail: error.message }));
  }
  if (code === "TRUNCATED") return byClient ? "client_truncated" : "upstream_truncated";
  // Linux tells the last ICMP error where there was one, else that time is over.
  const isLost = code === "ETIMEDOUT" || code === "EHOSTUNREACH" || code === "ENETUNREACH";
  if (isLost) return byClient ? "client_lost" : "upstream_lost";
  return byClient ? "client_reset" : "upstream_reset";
}

/** An endpoint that was asked nothing and resets later than this has tired of an idle client. */
const EARLY_RESET_MS = 10_000;

/**
 * How a connection ended `ageMs` after it was handed to its client, without an answer; undefined: there was one, or the
 * client was the first to end.
 */
export function unanswered(
  { receivedBytes, sentBytes, peer }: Side,
  error: Error | undefined,
  ageMs: number,
): Unanswered | undefined {
  if (receivedBytes > 0) return undefined;
  if (error === undefined) return "silent";
  if (sentBytes > 0) return "early_reset";
  return peer.ended || ageMs >= EARLY_RESET_MS ? undefined : "early_reset";
}

/** Why a session is over on which nothing has moved for `idleMs`; undefined while it may go on. */
export function idleReason(
  { idleTimeoutMs, halfClosedTimeoutMs }: SessionSettings,
  idleMs: number,
  halfClosed: boolean,
): CloseReason | undefined {
  if (idleMs >= idleTimeoutMs) return "idle_timeout";
  return halfClosed && idleMs >= halfClosedTimeoutMs ? "half_closed_timeout" : undefined;
}

/** Why a session is over whose deadline has come; `left` is whether its client has ended its direction. */
export function overdueReason(state: SessionState, left: boolean): CloseReason {
  switch (state) {
    case "identifying":
      return "proxy_header_timeout";
    case "peeking":
      return "hello_timeout";
    case "handshaking":
      return "handshake_timeout";
    case "waiting":
      return left ? "client_left" : "connect_timeout";
    case "streaming":
      return "lifetime";
    case "leaving":
    case "closing":
    case "closed":
      return "internal";
    default:
      return state satisfies never;
  }
}
