// The calls of the C library for sockets that come from elsewhere, and for the service manager. In a file of its own
// because only the control thread needs them, seldom: they are loaded when somebody asks, workers never do.
import { dlopen, type Pointer, ptr, read } from "bun:ffi";
import { formatIp } from "../lib/ip.ts";
import { fixedMemory, libc } from "./libc.ts";

/** What a descriptor is: a socket that listens on an IP address, or something else, in words such as `a pipe`. */
export type Description =
  | { readonly kind: "listener"; readonly ip: string; readonly port: number }
  | { readonly kind: "other"; readonly what: string };

/** The calls. None throws. */
export interface SocketCalls {
  describe(fd: number): Description;
  /** A copy of a descriptor, numbered `least` or higher and closed on exec, or -1. */
  duplicateAbove(fd: number, least: number): number;
  /** Keeps a descriptor from programs that are started later. */
  closeOnExec(fd: number): void;
  /** Whether other sockets of this user may listen on the same address (SO_REUSEPORT). Answers whether that worked. */
  allowSharing(fd: number, allowed: boolean): boolean;
  /**
   * Of two sockets that share an address, gives all further connections to the one that joined. What waits in the queue
   * of `fd` stays there. Answers whether that worked.
   */
  preferJoined(fd: number): boolean;
  /**
   * Sends a text to a Unix datagram socket, without waiting. `path` is as in NOTIFY_SOCKET: absolute, or abstract after
   * an `@`, at most 107 bytes. Answers 0, or the error number.
   */
  sendDatagram(path: string, text: string): number;
  /** Does not end with the process that started this one, whatever that had asked for (PR_SET_PDEATHSIG). */
  outliveParent(): void;
  /** Microseconds of the system's monotonic clock, as other programs read it too. */
  monotonicMicros(): bigint;
}

const SYMBOLS = {
  fcntl: { args: ["int", "int", "int"], returns: "int" },
  close: { args: ["int"], returns: "int" },
  socket: { args: ["int", "int", "int"], returns: "int" },
  getsockname: { args: ["int", "ptr", "ptr"], returns: "int" },
  getsockopt: { args: ["int", "int", "int", "ptr", "ptr"], returns: "int" },
  setsockopt: { args: ["int", "int", "int", "ptr", "int"], returns: "int" },
  sendto: { args: ["int", "ptr", "usize", "int", "ptr", "int"], returns: "i64" },
  prctl: { args: ["int", "u64", "u64", "u64", "u64"], returns: "int" },
  clock_gettime: { args: ["int", "ptr"], returns: "int" },
  __errno_location: { args: [], returns: "ptr" },
} as const;
type Symbols = ReturnType<typeof dlopen<typeof SYMBOLS>>["symbols"];

// Linux constants, the same on x64 and arm64.
const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SO_REUSEPORT = 15;
const SO_ACCEPTCONN = 30;
const SO_ATTACH_REUSEPORT_CBPF = 51;
const BPF_RET_K = 0x06;
const F_SETFD = 2;
const FD_CLOEXEC = 1;
const F_DUPFD_CLOEXEC = 1030;
const MSG_DONTWAIT_NOSIGNAL = 0x40 | 0x4000;
const CLOCK_MONOTONIC = 1;
const PR_SET_PDEATHSIG = 1;
const EBADF = 9;
const EMFILE = 24;
const ENOTSOCK = 88;
/** struct sockaddr_un: the family, then up to 108 bytes of path. */
const LONGEST_UNIX_PATH = 107;

/** EAGAIN: the receiver's queue is full just now. */
export const TRY_AGAIN = 11;

/** Whether `sendDatagram` can reach such a path. */
export function isDatagramPath(path: string): boolean {
  return /^[/@]./.test(path) && Buffer.byteLength(path) <= LONGEST_UNIX_PATH;
}

let loaded: SocketCalls | undefined;

/** The calls, or undefined where the C library cannot be had; loaded at the first call. */
export function socketCalls(): SocketCalls | undefined {
  if (loaded !== undefined || libc === undefined) return loaded;
  try {
    loaded = callsOf(dlopen("libc.so.6", SYMBOLS).symbols);
  } catch {
    // A C library without one of them: as if there were none.
  }
  return loaded;
}

function callsOf(symbols: Symbols): SocketCalls {
  const { buffer: numberBuffer, at: numberAt } = fixedMemory(4);
  const number = new Int32Array(numberBuffer);
  const { buffer: timeBuffer, at: timeAt } = fixedMemory(16);
  const time = new BigInt64Array(timeBuffer);
  return {
    describe: describer(symbols),
    duplicateAbove: (fd, least) => symbols.fcntl(fd, F_DUPFD_CLOEXEC, least),
    closeOnExec: (fd) => void symbols.fcntl(fd, F_SETFD, FD_CLOEXEC),
    allowSharing(fd, allowed) {
      number[0] = allowed ? 1 : 0;
      return symbols.setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, numberAt, 4) === 0;
    },
    preferJoined(fd) {
      // A filter of one instruction that answers 1: sockets that share an address are numbered in the order in which
      // they came. Once the first has gone there is no number 1, and Linux chooses as if there were no filter.
      const instruction = new DataView(new ArrayBuffer(8));
      instruction.setUint16(0, BPF_RET_K, true);
      instruction.setUint32(4, 1, true);
      const program = new DataView(new ArrayBuffer(16));
      program.setUint16(0, 1, true);
      program.setBigUint64(8, BigInt(ptr(instruction)), true);
      const at = ptr(program);
      return symbols.setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, at, 16) === 0;
    },
    sendDatagram(path, text) {
      const fd = symbols.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
      if (fd < 0) return EMFILE;
      const address = unixAddress(path);
      const bytes = Buffer.from(text);
      const sent = symbols.sendto(
        fd,
        ptr(bytes),
        bytes.length,
        MSG_DONTWAIT_NOSIGNAL,
        ptr(address),
        address.length,
      );
      const error = Number(sent) < 0 ? errnoOf(symbols) : 0;
      symbols.close(fd);
      return error;
    },
    outliveParent: () => void symbols.prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0),
    monotonicMicros() {
      symbols.clock_gettime(CLOCK_MONOTONIC, timeAt);
      return (time[0] ?? 0n) * 1_000_000n + (time[1] ?? 0n) / 1_000n;
    },
  };
}

function errnoOf(symbols: Symbols): number {
  const location = symbols.__errno_location();
  return location === null ? 0 : read.i32(location as Pointer, 0);
}

/** struct sockaddr_un. An abstract name begins with a zero byte and has no end but its length (unix(7)). */
function unixAddress(path: string): Uint8Array {
  const name = Buffer.from(path);
  const isAbstract = path.startsWith("@");
  const address = new Uint8Array(2 + name.length + (isAbstract ? 0 : 1));
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(name, 2);
  if (isAbstract) address[2] = 0;
  return address;
}

function describer(symbols: Symbols): SocketCalls["describe"] {
  const { buffer: addressBuffer, at: addressAt } = fixedMemory(28);
  const address = new Uint8Array(addressBuffer);
  const view = new DataView(addressBuffer);
  const { buffer: numbers, at: lengthAt } = fixedMemory(4);
  const length = new Int32Array(numbers);
  const { buffer: values, at: valueAt } = fixedMemory(4);
  const value = new Int32Array(values);
  const option = (fd: number, name: number): number => {
    length[0] = 4;
    return symbols.getsockopt(fd, SOL_SOCKET, name, valueAt, lengthAt) === 0 ? (value[0] ?? 0) : 0;
  };
  const other = (what: string): Description => ({ kind: "other", what });
  return (fd) => {
    length[0] = address.length;
    if (symbols.getsockname(fd, addressAt, lengthAt) !== 0) {
      const error = errnoOf(symbols);
      if (error === EBADF) return other("not open");
      return other(error === ENOTSOCK ? "a file or a pipe" : `unusable (error ${error})`);
    }
    const family = view.getUint16(0, true);
    if (family === AF_UNIX) return other("a Unix socket");
    if (family !== AF_INET && family !== AF_INET6) return other("a socket of another family");
    if (option(fd, SO_TYPE) !== SOCK_STREAM) return other("a UDP socket");
    if (option(fd, SO_ACCEPTCONN) === 0) return other("a TCP socket that does not listen");
    const ip = formatIp(family === AF_INET ? address.slice(4, 8) : address.slice(8, 24));
    return { kind: "listener", ip, port: view.getUint16(2, false) };
  };
}
