// How the kernel finds out that a peer has vanished: probes of silent connections, and a bound on what is not acknowledged.
import { libc } from "./libc.ts";

/** What is set on a socket; a listening socket passes it on to the connections that it accepts (seen with ss -o). */
export interface SocketOptions {
  /** Undefined: silent connections are not probed. */
  readonly keepAlive:
    | { readonly idleSecs: number; readonly intervalSecs: number; readonly probes: number }
    | undefined;
  /** 0: as the system has it. */
  readonly userTimeoutMs: number;
}

// Linux, on all machines that Bun runs on.
const SOL_SOCKET = 1;
const SO_KEEPALIVE = 9;
const IPPROTO_TCP = 6;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_KEEPCNT = 6;
const TCP_USER_TIMEOUT = 18;

/** Sets them on a descriptor; does nothing where it cannot be done, or `fd` is -1. */
export function setSocketOptions(fd: number, { keepAlive, userTimeoutMs }: SocketOptions): void {
  if (libc === undefined || fd < 0) return;
  libc.setOption(fd, SOL_SOCKET, SO_KEEPALIVE, keepAlive === undefined ? 0 : 1);
  libc.setOption(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, userTimeoutMs);
  if (keepAlive === undefined) return;
  libc.setOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, keepAlive.idleSecs);
  libc.setOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, keepAlive.intervalSecs);
  libc.setOption(fd, IPPROTO_TCP, TCP_KEEPCNT, keepAlive.probes);
}
