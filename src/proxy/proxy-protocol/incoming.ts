// The PROXY header with which accepted connections begin: who may send one, and the reading of it.
import type { ServerProxyProtocolConfig } from "../../config/types.ts";
import { type Cidr, inAnyCidr, parseCidr } from "../../lib/cidr.ts";
import type { HandshakeOwner } from "../../transport/socket.ts";
import type { CloseReason } from "../close-reason.ts";
import type { ProxyHeader } from "./header.ts";
import { HeaderReader } from "./header-reader.ts";

/**
 * What is asked of a connection. `header`: it must begin with a header, which is believed. `none`: it is served as it
 * is, and a header would be its client's data. `refuse`: nobody from there may connect.
 */
export type HeaderDemand = "header" | "none" | "refuse";

/** A server's rule for headers. Nothing is ever detected from the bytes: only the peer's address counts. */
export class IncomingRule {
  readonly timeoutMs: number;
  readonly #trusted: readonly Cidr[];
  readonly #others: HeaderDemand;

  constructor({ trusted, required, timeoutMs }: ServerProxyProtocolConfig) {
    this.timeoutMs = timeoutMs;
    this.#trusted = trusted.flatMap((block) => parseCidr(block) ?? []);
    this.#others = required ? "refuse" : "none";
  }

  /**
   * What is asked of a peer. One that has reset its connection before it was accepted has no address any more: it is not
   * trusted, and has left.
   */
  demand(peerIp: string | undefined): HeaderDemand {
    const trusted = peerIp !== undefined && inAnyCidr(this.#trusted, peerIp);
    return trusted ? "header" : this.#others;
  }

  /** The owner of a socket that must begin with a header, until there is one. */
  read(observer: HeaderObserver): HandshakeOwner {
    return new IncomingHeader(observer);
  }
}

/** Is told what became of a header. */
export interface HeaderObserver {
  /** `rest` came after it. The observer must give the socket another owner. */
  onHeader(header: ProxyHeader, rest: Uint8Array): void;
  /** There is no valid header; `detail` is a clause about what came in its place, if anything did. */
  onHeaderFailed(reason: CloseReason, detail: string | undefined): void;
  /** The socket is gone. */
  onHeaderClose(error: Error | undefined): void;
}

/** Owns an accepted socket until its header has been read. */
class IncomingHeader implements HandshakeOwner {
  readonly #observer: HeaderObserver;
  readonly #reader = new HeaderReader();
  #done = false;

  constructor(observer: HeaderObserver) {
    this.#observer = observer;
  }

  onData(bytes: Uint8Array): void {
    if (this.#done) return;
    const reading = this.#reader.push(bytes);
    if (reading.kind === "more") return;
    this.#done = true;
    if (reading.kind === "header") this.#observer.onHeader(reading.header, reading.rest);
    else this.#observer.onHeaderFailed("proxy_header_invalid", reading.reason);
  }

  onEnd(): void {
    const reason = this.#reader.begun ? "proxy_header_invalid" : "client_left";
    this.#observer.onHeaderFailed(reason, undefined);
  }

  onClose(error: Error | undefined): void {
    this.#observer.onHeaderClose(error);
  }

  onDrain(): void {}

  /** There is no handshake before the header. */
  onHandshake(): void {}
}
