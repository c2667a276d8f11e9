// TLS sessions that endpoints have given, so that the next connection can go on with one: without certificates, their
// verification and, in TLS 1.2, a key exchange. A connector has its own: what was agreed with one name, one trust and one
// certificate of ours is never shown to another. tls-sessions.test.ts fails loudly if Bun's sockets change.
import type { Clock } from "../lib/clock.ts";
import { socketEnds } from "./bun.ts";
import type { Socket } from "./socket.ts";

/** Endpoints of one destination, of which each has the last session; about 1 kB each. */
const MOST_ENDPOINTS = 256;
/**
 * The certificate that a session began with is not looked at again: an endpoint whose certificate has expired since is
 * found out after this time.
 */
const MOST_AGE_MS = 3_600_000;

interface Kept {
  readonly session: Uint8Array;
  /** When it was given. */
  readonly sinceMs: number;
}

export class TlsSessions {
  readonly #clock: Clock;
  /** By `ip port`; the oldest first. */
  readonly #kept = new Map<string, Kept>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#kept.size;
  }

  /**
   * Offers the endpoint its last session. Only where the handshake cannot have begun, which is in `open`: BoringSSL's
   * SSL_set_session ends the process otherwise.
   */
  offer(socket: Socket, ip: string, port: number): void {
    const key = keyOf(ip, port);
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    if (this.#clock.now() - kept.sinceMs > MOST_AGE_MS) {
      this.#kept.delete(key);
      return;
    }
    (socket as unknown as { setSession(session: Uint8Array): void }).setSession(kept.session);
  }

  /** Keeps what an endpoint has given on a connection. */
  keep(socket: Socket, session: Uint8Array): void {
    const peer = socketEnds(socket)?.peer;
    if (peer === undefined) return;
    const key = keyOf(peer.ip, peer.port);
    this.#kept.delete(key);
    this.#kept.set(key, { session, sinceMs: this.#clock.now() });
    if (this.#kept.size <= MOST_ENDPOINTS) return;
    for (const oldest of this.#kept.keys()) {
      this.#kept.delete(oldest);
      return;
    }
  }

  /** Forgets what is kept of an endpoint with which a handshake has failed. */
  forget(ip: string, port: number): void {
    this.#kept.delete(keyOf(ip, port));
  }
}

function keyOf(ip: string, port: number): string {
  return `${ip} ${port}`;
}
