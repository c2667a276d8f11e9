// Binds the addresses of servers, on the control thread: it keeps each listening socket for as long as the process
// serves it, so that no connection in its queue is lost when a worker pauses, stops or dies.
import { formatAddress } from "../lib/address.ts";
import { type ListenHandlers, listen } from "./bun.ts";
import { libc } from "./libc.ts";

/** The kernel's queue of connections that nobody has accepted yet; it takes the smaller of this and somaxconn. */
export const BACKLOG = 4096;

/** An address that this process listens on. */
export interface BoundSocket {
  /** The listening socket, for workers to copy; undefined where descriptors can't be copied. */
  readonly fd: number | undefined;
  readonly ip: string;
  /** The real port, also when 0 was asked for. */
  readonly port: number;
  /** Calling it again does nothing. */
  close(): void;
}

/** An address could not be bound; `code` is the system's, such as EADDRINUSE. */
export class BindError extends Error {
  readonly code: string;

  constructor(address: string, code: string, cause: unknown) {
    super(`Cannot listen on ${address}: ${explain(code)}`, { cause });
    this.name = "BindError";
    this.code = code;
  }
}

/** Listens on `ip`:`port`. Throws BindError. */
export function bind(ip: string, port: number): BoundSocket {
  const listener = open(ip, port);
  const boundPort = listener.port;
  if (libc === undefined) {
    // Workers listen for themselves, with SO_REUSEPORT.
    listener.stop();
    return { fd: undefined, ip, port: boundPort, close() {} };
  }
  const { dup, listen: setBacklog } = libc;
  const fd = dup(listener.fd);
  // Bun's own copy would accept on this thread. Nothing was accepted yet: no turn of the event loop has passed.
  listener.stop();
  if (fd < 0) throw new BindError(formatAddress({ ip, port }), "EMFILE", undefined);
  setBacklog(fd, BACKLOG);
  return { fd, ip, port: boundPort, close: closeOnce(fd) };
}

/** Takes over a socket that listens on `ip`:`port` already: what waits in its queue is served. */
export function adopt(fd: number, ip: string, port: number): BoundSocket {
  libc?.listen(fd, BACKLOG);
  return { fd, ip, port, close: closeOnce(fd) };
}

/** A number that is closed twice may be somebody else's the second time. */
function closeOnce(fd: number): () => void {
  let isOpen = true;
  return () => {
    if (isOpen) libc?.close(fd);
    isOpen = false;
  };
}

function open(ip: string, port: number) {
  try {
    return listen({ hostname: ip, port, reusePort: libc === undefined }, NOTHING);
  } catch (error) {
    throw new BindError(formatAddress({ ip, port }), codeOf(error), error);
  }
}

const NOTHING: ListenHandlers = {
  open() {},
  data() {},
  drain() {},
  end() {},
  close() {},
  error() {},
};

function codeOf(error: unknown): string {
  if (error instanceof Error && "code" in error) return String(error.code);
  // Bun gives no code when a socket could not be made: ask for a descriptor to see whether any is left.
  const fd = libc?.dup(0) ?? 0;
  if (fd < 0) return "EMFILE";
  if (fd > 0) libc?.close(fd);
  return "unknown";
}

function explain(code: string): string {
  switch (code) {
    case "EADDRINUSE":
      return "the address is in use. Stop the program that holds it, or choose another port.";
    case "EADDRNOTAVAIL":
      return "this host does not have that address.";
    case "EACCES":
      return "not permitted. Ports below 1024 need privileges (CAP_NET_BIND_SERVICE).";
    case "EMFILE":
      return "no file descriptors are left (see ulimit -n).";
    default:
      return `the system said ${code}.`;
  }
}
