// Listening sockets that were passed to this process: looks at what they are, and gives each to the server whose address
// it has.
import { type Address, formatAddress } from "../lib/address.ts";
import type { Logger } from "../telemetry/log.ts";
import { adopt, type BoundSocket } from "../transport/bind.ts";
import type { SocketCalls } from "../transport/libc-sockets.ts";
import type { PassedSocket } from "./passed-sockets.ts";

/** A descriptor was passed that no server could listen on. */
export class InheritedSocketError extends Error {
  readonly code = "BAD_INHERITED_SOCKET";

  constructor({ fd, name }: PassedSocket, what: string) {
    super(
      `Cannot use the inherited descriptor ${fd} (name ${JSON.stringify(name)}): it is ${what}, and a listening TCP ` +
        "socket is expected. In a .socket unit of systemd, name it by ListenStream=<ip>:<port>, with Accept=no.",
    );
    this.name = "InheritedSocketError";
  }
}

interface Listening extends PassedSocket, Address {}

/** The sockets that no server has taken yet. */
export class Inherited {
  readonly #left: Set<Listening>;

  /** Throws InheritedSocketError when one is not a listening TCP socket. */
  constructor(passed: readonly PassedSocket[], calls: SocketCalls | undefined) {
    const sockets = passed.map((socket) => {
      calls?.closeOnExec(socket.fd);
      const is = calls?.describe(socket.fd) ?? { kind: "other", what: "of unknown kind" };
      if (is.kind === "other") throw new InheritedSocketError(socket, is.what);
      return { ...socket, ip: is.ip, port: is.port };
    });
    this.#left = new Set(sockets);
  }

  /**
   * The socket for each of the addresses that servers want, undefined where there is none. An address with port 0 takes,
   * when all others have theirs, the first socket of its IP address that the process before had from port 0 too.
   */
  assign(wanted: readonly Address[]): readonly (BoundSocket | undefined)[] {
    const exact = wanted.map(({ ip, port }) =>
      port === 0
        ? undefined
        : this.#take((socket) => sameIp(socket.ip, ip) && socket.port === port, ip),
    );
    return wanted.map(({ ip, port }, index) =>
      port === 0
        ? this.#take((socket) => sameIp(socket.ip, ip) && socket.anyPort, ip)
        : exact[index],
    );
  }

  /** Why an address that could not be listened on may be in use: a socket of its port that is not its own. */
  hint(wanted: Address): string | undefined {
    for (const socket of this.#left) {
      if (socket.port !== wanted.port) continue;
      return (
        `The inherited socket ${formatAddress(socket)} (name ${JSON.stringify(socket.name)}) is not ` +
        `${formatAddress(wanted)}: write the same IP address in both places ("ListenStream=${wanted.port}" alone means ` +
        `[::]:${wanted.port}). The admin server takes no inherited socket.`
      );
    }
    return undefined;
  }

  /** Closes what nobody wants, with a warning for each. */
  closeLeft(log: Logger): void {
    for (const socket of this.#left) {
      log.warn("no server listens on this inherited socket: it is closed", () => ({
        address: formatAddress(socket),
        name: socket.name,
      }));
      adopt(socket.fd, socket.ip, socket.port).close();
    }
    this.#left.clear();
  }

  /** `ip` is as the configuration writes it. */
  #take(fits: (socket: Listening) => boolean, ip: string): BoundSocket | undefined {
    for (const socket of this.#left) {
      if (!fits(socket)) continue;
      this.#left.delete(socket);
      return adopt(socket.fd, ip, socket.port);
    }
    return undefined;
  }
}

/** The system does not tell the zone of a link-local address. */
function sameIp(real: string, configured: string): boolean {
  return real === configured.replace(/%.*/, "");
}
