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

/** The kernel's queue of connections that nobody has accepted yet. */
export interface AcceptQueue {
  readonly length: number;
  readonly limit: number;
}

/** The calls; all but `socket` and `dup` answer 0 for success and -1 for failure. */
export interface Libc {
  /** A copy of a descriptor, closed on exec, or -1. */
  dup(fd: number): number;
  close(fd: number): number;
  listen(fd: number, backlog: number): number;
  /** How many connections wait in a listening socket's queue, and how many may; undefined where that is not told. */
  acceptQueue(fd: number): AcceptQueue | undefined;
  /** Milliseconds on the system's monotonic clock, the same for all threads. */
  monotonicMs(): number;
  /** A new stream socket, non-blocking and closed on exec, or -1 when descriptors have run out. */
  socket(family: number): number;
  /** Begins to connect; 0 when it is under way, else the error number. */
  connect(fd: number, address: SocketAddress): number;
  /** Ends the process without a word to anyone: no handlers, no threads taken down. */
  exit(code: number): void;
  /** The error number of this thread's last call that failed, whoever made it. */
  errno(): number;
  /** Whether the peer has closed or reset: looks at the next byte without taking it. */
  peerHasClosed(fd: number): boolean;
  /** Sets a whole number on a socket (setsockopt). */
  setOption(fd: number, level: number, name: number, value: number): number;
  /**
   * Receives at most PORTION_BYTES into `portion`, without waiting. How many bytes came: 0 at the end of the stream, -1 when
   * there are none now, -2 when the connection is lost.
   */
  receivePortion(fd: number): number;
  /** What the last `receivePortion` has received begins here: memory of this thread that every call uses. */
  readonly portion: Uint8Array;
  /** Sends to a socket, at most 4096 bytes, without waiting and without a signal. How many bytes it took, -1 for none. */
  sendNow(fd: number, bytes: Uint8Array): number;
  /**
   * Writes to a pipe or a terminal, at most 4096 bytes, without waiting, though the descriptor may block. How many
   * bytes it took, -1 for none. A terminal that has room for a part only is still waited for.
   */
  writeNow(fd: number, bytes: Uint8Array): number;
}

const SYMBOLS = {
  fcntl: { args: ["int", "int", "int"], returns: "int" },
  close: { args: ["int"], returns: "int" },
  listen: { args: ["int", "int"], returns: "int" },
  socket: { args: ["int", "int", "int"], returns: "int" },
  connect: { args: ["int", "ptr", "int"], returns: "int" },
  recv: { args: ["int", "ptr", "usize", "int"], returns: "int" },
  send: { args: ["int", "ptr", "usize", "int"], returns: "i64" },
  write: { args: ["int", "ptr", "usize"], returns: "i64" },
  setsockopt: { args: ["int", "int", "int", "ptr", "int"], returns: "int" },
  getsockopt: { args: ["int", "int", "int", "ptr", "ptr"], returns: "int" },
  clock_gettime: { args: ["int", "ptr"], returns: "int" },
  poll: { args: ["ptr", "u64", "int"], returns: "int" },
  _exit: { args: ["int"], returns: "void" },
  __errno_location: { args: [], returns: "ptr" },
} as const;

/** Only glibc 2.26 and later have it. */
const NEWER_SYMBOLS = {
  pwritev2: { args: ["int", "ptr", "int", "i64", "int"], returns: "i64" },
} as const;

// Linux constants; the numbers differ elsewhere, so that other systems use the fallback.
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM_NONBLOCK_CLOEXEC = 1 | 0o4000 | 0o2000000;
const F_DUPFD_CLOEXEC = 1030;
const MSG_PEEK_DONTWAIT = 0x2 | 0x40;
const MSG_DONTWAIT = 0x40;
const MSG_DONTWAIT_NOSIGNAL = 0x40 | 0x4000;
const RWF_NOWAIT = 8;
const POLLOUT = 4;
/** What a pipe takes whole or not at all (PIPE_BUF). A pipe that is writable for poll(2) has room for that. */
const PIPE_BUF = 4096;
const IPPROTO_TCP = 6;
const TCP_INFO = 11;
const TCP_LISTEN = 10;
const CLOCK_MONOTONIC = 1;
const EINPROGRESS = 115;
const EAGAIN = 11;

/** The most that one `receivePortion` brings. */
export const PORTION_BYTES = 49_152;

/** Memory that stays where it is, for as long as the thread runs. */
export interface FixedMemory {
  readonly buffer: ArrayBuffer;
  readonly at: Pointer;
}

const fixed: ArrayBuffer[] = [];

/**
 * Memory for the C library to read and write. Bytes of a typed array that was made without a buffer are moved by
 * JavaScript (seen with Bun 1.4.5), and the memory of an array that nobody can reach any more is used for others.
 */
export function fixedMemory(bytes: number): FixedMemory {
  const buffer = new ArrayBuffer(bytes);
  fixed.push(buffer);
  return { buffer, at: ptr(buffer) };
}

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
    const peekedAt = fixedMemory(1).at;
    const errno = (): number => {
      const location = symbols.__errno_location();
      return location === null ? 0 : read.i32(location, 0);
    };
    const { buffer, at: optionAt } = fixedMemory(4);
    const option = new Int32Array(buffer);
    const { sendNow, writeNow } = writes(symbols, errno);
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
      ...readings(symbols),
      exit: (code) => symbols._exit(code),
      errno,
      peerHasClosed(fd) {
        const got = symbols.recv(fd, peekedAt, 1, MSG_PEEK_DONTWAIT);
        return got === 0 || (got < 0 && errno() !== EAGAIN);
      },
      setOption(fd, level, name, value) {
        option[0] = value;
        return symbols.setsockopt(fd, level, name, optionAt, option.byteLength);
      },
      ...portions(symbols, errno),
      sendNow,
      writeNow,
    };
  } catch {
    return undefined;
  }
}

type Symbols = ReturnType<typeof dlopen<typeof SYMBOLS>>["symbols"];

/** What the system tells in memory of ours. */
function readings(symbols: Symbols): Pick<Libc, "acceptQueue" | "monotonicMs"> {
  const { buffer, at: answerAt } = fixedMemory(32);
  const answer = new DataView(buffer);
  const { buffer: lengthBuffer, at: lengthAt } = fixedMemory(4);
  const length = new Int32Array(lengthBuffer);
  return {
    acceptQueue(fd) {
      length[0] = answer.byteLength;
      // struct tcp_info: of a listening socket `unacked` is the length of the queue and `sacked` its limit (tcp_get_info).
      if (symbols.getsockopt(fd, IPPROTO_TCP, TCP_INFO, answerAt, lengthAt) !== 0) return undefined;
      if (answer.getUint8(0) !== TCP_LISTEN || length[0] < 32) return undefined;
      return { length: answer.getUint32(24, true), limit: answer.getUint32(28, true) };
    },
    monotonicMs() {
      symbols.clock_gettime(CLOCK_MONOTONIC, answerAt);
      // struct timespec: seconds and nanoseconds, 64 bits each.
      const secs = Number(answer.getBigInt64(0, true));
      return secs * 1e3 + Number(answer.getBigInt64(8, true)) / 1e6;
    },
  };
}

/** Reads into memory of their own. */
function portions(symbols: Symbols, errno: () => number): Pick<Libc, "receivePortion" | "portion"> {
  const { buffer, at: portionAt } = fixedMemory(PORTION_BYTES);
  const portion = new Uint8Array(buffer);
  return {
    portion,
    receivePortion(fd) {
      const got = symbols.recv(fd, portionAt, PORTION_BYTES, MSG_DONTWAIT);
      if (got >= 0) return got;
      return errno() === EAGAIN ? -1 : -2;
    },
  };
}

/** The writes that do not wait, from memory of their own. */
function writes(symbols: Symbols, errno: () => number): Pick<Libc, "sendNow" | "writeNow"> {
  const { buffer, at: pageAt } = fixedMemory(PIPE_BUF);
  const page = new Uint8Array(buffer);
  /** Puts what is to be written at `pageAt`. */
  const fill = (bytes: Uint8Array): number => {
    const length = Math.min(bytes.length, PIPE_BUF);
    page.set(bytes.subarray(0, length));
    return length;
  };
  // struct iovec: address and length; struct pollfd: descriptor, events, revents.
  const { buffer: vectorBuffer, at: vectorAt } = fixedMemory(16);
  const vector = new BigUint64Array(vectorBuffer);
  vector[0] = BigInt(pageAt);
  const { buffer: polledBuffer, at: polledAt } = fixedMemory(8);
  const polled = new DataView(polledBuffer);
  const pwritev2 = newerSymbols()?.pwritev2;
  const hasRoom = (fd: number): boolean => {
    polled.setInt32(0, fd, true);
    polled.setInt32(4, POLLOUT, true);
    return symbols.poll(polledAt, 1, 0) === 1 && (polled.getInt16(6, true) & POLLOUT) !== 0;
  };
  return {
    sendNow: (fd, bytes) => Number(symbols.send(fd, pageAt, fill(bytes), MSG_DONTWAIT_NOSIGNAL)),
    writeNow(fd, bytes) {
      const length = fill(bytes);
      if (pwritev2 !== undefined) {
        vector[1] = BigInt(length);
        // Pipes take RWF_NOWAIT since Linux 6.4 or so; named ones and terminals do not (seen with 6.18).
        const written = Number(pwritev2(fd, vectorAt, 1, -1, RWF_NOWAIT));
        if (written >= 0 || errno() === EAGAIN) return written;
      }
      // Another writer may take the room between the two calls; then this one waits until there is some again.
      return hasRoom(fd) ? Number(symbols.write(fd, pageAt, length)) : -1;
    },
  };
}

function newerSymbols() {
  try {
    return dlopen("libc.so.6", NEWER_SYMBOLS).symbols;
  } catch {
    return undefined;
  }
}
