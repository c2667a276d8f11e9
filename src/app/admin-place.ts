// Where the admin server listens while processes change: the one that takes over joins the other on its port, and the
// other moves aside, so that there is always one that answers. Bun's HTTP server takes no socket from elsewhere.
import { readdirSync } from "node:fs";
import type { AdminPort } from "../admin/admin-port.ts";
import { AdminServer } from "../admin/server.ts";
import type { Address } from "../lib/address.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../telemetry/log.ts";
import { socketCalls } from "../transport/libc-sockets.ts";

/** For the answers that are under way, and for connections that nobody has accepted yet. */
const LEAVE_MS = 250;

export interface AdminPlaceParts {
  readonly app: AdminPort;
  readonly log: Logger;
  readonly clock: Clock;
}

export class AdminPlace {
  readonly #parts: AdminPlaceParts;
  #server: AdminServer;

  /** Listens. Throws the system's error; an address in use is one unless its owner shares it and `joins` is set. */
  constructor(at: Address, joins: boolean, parts: AdminPlaceParts) {
    this.#parts = parts;
    this.#server = new AdminServer({ ...at, ...parts, shared: joins });
  }

  get address(): Address {
    return this.#server.address;
  }

  /**
   * Whether a process of this user that asks for it may listen on the same address, and get a part of the connections.
   * Nobody but a process that takes over asks: one that is started by mistake is refused all the same.
   */
  share(shared: boolean): void {
    const fd = listenerAt(this.address);
    if (fd !== undefined) socketCalls()?.allowSharing(fd, shared);
  }

  /**
   * Leaves the address to the process that has joined, and answers on a free port of this machine from now on. Resolves
   * when those who had come before have their answers.
   */
  moveAside(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const left = this.#server;
    const fd = listenerAt(this.address);
    if (fd !== undefined) socketCalls()?.preferJoined(fd);
    this.#parts.clock.after(LEAVE_MS, () => {
      void left.stop();
      resolve();
    });
    try {
      this.#server = new AdminServer({ ip: "127.0.0.1", port: 0, ...this.#parts });
    } catch (error) {
      this.#parts.log.warn("no admin server while draining", () => ({ error: String(error) }));
    }
    return promise;
  }

  stop(): void {
    void this.#server.stop();
  }
}

/** The descriptor of this process that listens on an address; Bun does not tell those of its HTTP servers. */
function listenerAt({ ip, port }: Address): number | undefined {
  const calls = socketCalls();
  if (calls === undefined) return undefined;
  return readdirSync("/proc/self/fd")
    .map(Number)
    .find((fd) => {
      const is = calls.describe(fd);
      return is.kind === "listener" && is.port === port && is.ip === ip.replace(/%.*/, "");
    });
}
