// What can be told of a session, for those who look for sessions and for its end.
import { NO_TICKET, type Taken } from "../admission/ticket.ts";
import type { EndpointConnection } from "../balancer/connection.ts";
import { formatAddress } from "../lib/address.ts";
import { peerAddress, socketEnds, type TlsFacts } from "../transport/bun.ts";
import type { Socket } from "../transport/socket.ts";
import { tlsAgreement, type TlsAgreement } from "../transport/tls-agreement.ts";
import type { SessionSettings } from "./session-context.ts";
import type { ProxyHeader } from "./proxy-protocol/header.ts";
import type { OutgoingHeader } from "./proxy-protocol/outgoing.ts";

/** `peeking`: the hello of TLS that is passed on is being read. `leaving`: both directions are being ended in order. `closing`: one side is gone, the other gets its due. */
export type SessionState =
  | "identifying"
  | "peeking"
  | "handshaking"
  | "waiting"
  | "streaming"
  | "leaving"
  | "closing"
  | "closed";

/** `ending`: both directions are being ended, or what is left is being delivered. */
export type SessionPhase = "connecting" | "streaming" | "half_closed" | "ending";

/** A session at one moment. */
export interface SessionFacts {
  readonly phase: SessionPhase;
  /** The accepted one; undefined once it is gone. */
  readonly socket: Socket | undefined;
  /** Of the server, when it was accepted. */
  readonly settings: Pick<SessionSettings, "tls" | "destination">;
  /** What the client's proxy has told of it. */
  readonly received: ProxyHeader | undefined;
  /** What the hello told that is passed on. */
  readonly hello: TlsFacts | undefined;
  readonly connection: EndpointConnection | undefined;
  /** Its socket; undefined before, and once it is gone. */
  readonly upstream: Socket | undefined;
  /** Id of the destination that it is for; undefined where its server says that, or nothing yet. */
  readonly destination: number | undefined;
  readonly acceptedMs: number;
  /** When it got its endpoint. */
  readonly sinceMs: number;
  /** Bytes read from the client, and written to it. */
  readonly rxBytes: number;
  readonly txBytes: number;
}

/** What few sessions have: fields of its own cost every session. */
export interface SessionExtras extends Taken {
  /** Address of the peer, for the line of the log at the end, when the socket no longer tells. */
  client: string | undefined;
  /** What the client's proxy has told of it. */
  received: ProxyHeader | undefined;
  /** What the endpoint is told of the client. */
  outgoing: OutgoingHeader | undefined;
  /** What the hello told that is passed on. */
  hello: TlsFacts | undefined;
  /** Id of the destination that was chosen for it, on servers that choose. */
  destination: number | undefined;
}

/** Of a session that has nothing of it yet. */
export function noExtras(): SessionExtras {
  return {
    client: undefined,
    received: undefined,
    outgoing: undefined,
    ticket: NO_TICKET,
    generation: 0,
    hello: undefined,
    destination: undefined,
  };
}

/** Id of the destination that it goes to, or waits for. */
export function destinationOf({ destination, settings }: SessionFacts): number {
  return destination ?? settings.destination;
}

/** Address of the client, as the header told it where there was one. */
export function clientIp({ socket, received }: SessionFacts): string | undefined {
  return received?.ends?.source.ip ?? (socket && peerAddress(socket));
}

/** The same where any rule goes by it: to ask for it costs a system call. */
export function ipFor(
  rules: { readonly hasSources: boolean },
  session: { facts(): SessionFacts },
): string | undefined {
  return rules.hasSources ? clientIp(session.facts()) : undefined;
}

/** `ip:port` of the client and of the proxy that told it, where one did. */
export function clientEnds({ socket, received }: SessionFacts): {
  readonly client: string | undefined;
  readonly via: string | undefined;
} {
  const peer = socket && socketEnds(socket)?.peer;
  const connected = peer && formatAddress(peer);
  const told = received?.ends?.source;
  if (told === undefined) return { client: connected, via: undefined };
  return { client: formatAddress(told), via: connected };
}

/**
 * What TLS has agreed upon with the client, or what the hello says that is passed on; undefined without TLS, or before its
 * handshake is done.
 */
export function sessionTls({
  socket,
  settings,
  phase,
  hello,
}: SessionFacts): (TlsFacts & Partial<TlsAgreement>) | undefined {
  if (hello !== undefined) return hello;
  return settings.tls && socket !== undefined && phase !== "connecting"
    ? tlsAgreement(socket)
    : undefined;
}

/** What TLS has agreed upon with the endpoint; undefined without TLS. */
export function endpointTls({ connection, upstream }: SessionFacts): TlsAgreement | undefined {
  return connection?.tls === true && upstream !== undefined ? tlsAgreement(upstream) : undefined;
}

/** `halfClosed`: whether one direction has ended. */
export function phaseOf(state: SessionState, halfClosed: boolean): SessionPhase {
  switch (state) {
    case "identifying":
    case "peeking":
    case "handshaking":
    case "waiting":
      return "connecting";
    case "streaming":
      return halfClosed ? "half_closed" : "streaming";
    case "leaving":
    case "closing":
    case "closed":
      return "ending";
    default:
      return state satisfies never;
  }
}
