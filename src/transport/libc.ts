// The few calls of the C library that Bun does not offer. The only file with bun:ffi; everything has a fallback.
import { dlopen, type Pointer, ptr, read } from "bun:ffi";
import { parseIp } from "../lib/ip.ts";

/** A socket address as the kernel reads it, kept alive for as long as it may be used. */
export interface SocketAddress {
  readonly bytes: Uint8Array;
  readonly pointer: Pointer;
  /** AF_INET or AF_INET6. */
  readonly family: number;
}

/** The calls; all but `socket` and `dup` answer 0 for success and -1 for failure. */
export interface Libc {
  /** A copy of a descriptor, closed on exec, or -1. */
  dup(fd: number): number;
  close(fd: number): number;
  listen(fd: number, backlog: number): number;
  /** A new stream socket, non-blocking and closed on exec, or -1 when descriptors have run out. */
  socket(family: number): number;
  /** Begins to connect; 0 when it is under way, else the error number. */
  connect(fd: number, address: SocketAddress): number;
  /** Ends the process without a word to anyone: no handlers, no threads taken down. */
  exit(code: number): void;
  /** Whether the peer has closed or reset: looks at the next byte without taking it. */
  peerHasClosed(fd: number): boolean;
}

const SYMBOLS = {
  fcntl: { args: ["int", "int", "int"], returns: "int" },
  close: { args: ["int"], returns: "int" },
  listen: { args: ["int", "int"], returns: "int" },
  socket: { args: ["int", "int", "int"], returns: "int" },
  connect: { args: ["int", "ptr", "int"], returns: "int" },
  recv: { args: ["int", "ptr", "usize", "int"], returns: "int" },
  _exit: { args: ["int"], returns: "void" },
  __errno_location: { args: [], returns: "ptr" },
} as const;

// Linux constants; the numbers differ elsewhere, so that other systems use the fallback.
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM_NONBLOCK_CLOEXEC = 1 | 0o4000 | 0o2000000;
const F_DUPFD_CLOEXEC = 1030;
const MSG_PEEK_DONTWAIT = 0x2 | 0x40;
const EINPROGRESS = 115;
const EAGAIN = 11;

/** The C library, or undefined where it cannot be had (not Linux, or no glibc). */
export const libc: Libc | undefined = load();

/** Undefined when `ip` is no IP literal, or has a zone: that needs an interface index, which the system knows. */
export function socketAddress(ip: string, port: number): SocketAddress | undefined {
  const address = parseIp(ip);
  if (address === undefined) return undefined;
  const isV6 = address.length === 16;
  const bytes = new Uint8Array(isV6 ? 28 : 16);
  const view = new DataView(bytes.buffer);
  const family = isV6 ? AF_INET6 : AF_INET;
  // struct sockaddr_in and sockaddr_in6: the family in the machine's order, the port in the network's.
  view.setUint16(0, family, true);
  view.setUint16(2, port, false);
  bytes.set(address, isV6 ? 8 : 4);
  return { bytes, pointer: ptr(bytes), family };
}

function load(): Libc | undefined {
  // An escape hatch for operators, and the way in which tests reach the fallback.
  if (process.platform !== "linux" || process.env["LINKERD_TCP_FFI"] === "off") return undefined;
  try {
    const { symbols } = dlopen("libc.so.6", SYMBOLS);
    const peeked = new Uint8Array(1);
    const peekedAt = ptr(peeked);
    const errno = (): number => {
      const location = symbols.__errno_location();
      return location === null ? 0 : read.i32(location, 0);
    };
    return {
      dup: (fd) => symbols.fcntl(fd, F_DUPFD_CLOEXEC, 3),
      close: (fd) => symbols.close(fd),
      listen: (fd, backlog) => symbols.listen(fd, backlog),
      socket: (family) => symbols.socket(family, SOCK_STREAM_NONBLOCK_CLOEXEC, 0),
      connect(fd, address) {
        const length = address.bytes.length;
        if (symbols.connect(fd, address.pointer, length) === 0) return 0;
        const error = errno();
        return error === EINPROGRESS ? 0 : error;
      },
      exit: (code) => symbols._exit(code),
      peerHasClosed(fd) {
        const got = symbols.recv(fd, peekedAt, 1, MSG_PEEK_DONTWAIT);
        return got === 0 || (got < 0 && errno() !== EAGAIN);
      },
    };
  } catch {
    return undefined;
  }
}
