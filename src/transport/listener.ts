// Accepts connections on one worker. Accepting can be paused without losing a connection: the listening socket
// belongs to the control thread, a worker holds copies of it and closes its copy while it pauses.
import {
  type BunListener,
  type ListenAt,
  type ListenHandlers,
  listen,
  onServerHandshake,
  ownerHandlers,
} from "./bun.ts";
import { BACKLOG } from "./bind.ts";
import { libc } from "./libc.ts";
import type { ServerTls } from "./server-tls.ts";
import type { Accept } from "./socket.ts";
import { endBroken, type OnFault } from "./socket-error.ts";
import { setSocketOptions, type SocketOptions } from "./socket-options.ts";

/** Where a worker listens: on a shared descriptor, or, where descriptors can't be copied, on an address of its own. */
export interface ListenTarget {
  readonly fd: number | undefined;
  readonly ip: string;
  readonly port: number;
  /** Accepted connections have them too. Undefined: as the system has them. */
  readonly socketOptions?: SocketOptions;
}

export type { OnFault } from "./socket-error.ts";

/** A listening socket of one worker. Listens from `resume` on. */
export class Listener {
  readonly #target: ListenTarget;
  readonly #accept: Accept;
  readonly #onFault: OnFault;
  #handlers: ListenHandlers;
  #tls: ServerTls | undefined;
  /** Whether it has listened with this TLS before. */
  #hasListened = false;
  #listener: BunListener | undefined;
  #closed = false;

  constructor(target: ListenTarget, accept: Accept, tls: ServerTls | undefined, onFault: OnFault) {
    this.#target = target;
    this.#accept = accept;
    this.#onFault = onFault;
    this.#tls = tls;
    this.#handlers = this.#handlersFor(tls);
  }

  /** Whether connections are accepted now. */
  get accepting(): boolean {
    return this.#listener !== undefined;
  }

  /**
   * Stops accepting; connections wait in the kernel's queue. Where descriptors can't be copied there is no queue left,
   * and they are refused.
   */
  pause(): void {
    this.#listener?.stop();
    this.#listener = undefined;
  }

  /** Accepts (again). Answers whether that worked: it does not when descriptors have run out. */
  resume(): boolean {
    if (this.#closed) return false;
    if (this.#listener !== undefined) return true;
    const at = this.#listenAt();
    if (at === undefined) return false;
    try {
      this.#listener = listen(
        at,
        this.#handlers,
        this.#hasListened ? this.#tls?.shared() : this.#tls?.first,
      );
      this.#hasListened = true;
      // Bun listens again on what it adopts, with a backlog of its own.
      libc?.listen(this.#listener.fd, BACKLOG);
      const { socketOptions } = this.#target;
      if (socketOptions !== undefined) setSocketOptions(this.#listener.fd, socketOptions);
      return true;
    } catch (error) {
      if ("fd" in at) libc?.close(at.fd);
      // Such as ERR_OSSL_…; the system's errors have names of their own.
      if (error instanceof Error && "code" in error && String(error.code).startsWith("ERR_"))
        this.#onFault(error);
      return false;
    }
  }

  /**
   * Accepts with this TLS from now on. Where descriptors can be copied there is a second copy before the first is closed,
   * and both have the same queue: no connection is lost, and those whose handshake is under way go on as they began.
   * Answers whether connections are accepted as before: they are not when descriptors have run out.
   */
  setTls(tls: ServerTls | undefined): boolean {
    this.#tls = tls;
    this.#hasListened = false;
    this.#handlers = this.#handlersFor(tls);
    const before = this.#listener;
    if (before === undefined) return true;
    this.#listener = undefined;
    const isDone = this.resume();
    before.stop();
    return isDone || this.resume();
  }

  /** Stops accepting for good. */
  close(): void {
    this.#closed = true;
    this.pause();
  }

  #handlersFor(tls: ServerTls | undefined): ListenHandlers {
    const accept = this.#accept;
    const onFault = this.#onFault;
    return {
      ...ownerHandlers,
      open(socket) {
        socket.data = accept(socket);
      },
      error(socket, error) {
        endBroken(socket, error, onFault);
      },
      ...(tls === undefined ? {} : { handshake: onServerHandshake, ...tls.callbacks }),
    };
  }

  #listenAt(): ListenAt | undefined {
    const { fd, ip, port } = this.#target;
    if (fd === undefined || libc === undefined) return { hostname: ip, port, reusePort: true };
    const copy = libc.dup(fd);
    return copy < 0 ? undefined : { fd: copy };
  }
}
