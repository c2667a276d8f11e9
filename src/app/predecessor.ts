// The process that this one takes over from, as this one sees it.
import type { Clock } from "../lib/clock.ts";
import type { Address } from "../lib/address.ts";
import { Channel } from "../transport/channel.ts";
import { socketCalls } from "../transport/libc-sockets.ts";
import type { Handover } from "./passed-sockets.ts";
import {
  type FromSuccessor,
  type PassedOverride,
  readFromPredecessor,
  type Unresolved,
} from "./upgrade-messages.ts";

/** How long names may take until this process says that it is prepared without them. */
const NAMES_WITHIN_MS = 10_000;
const LOOK_AGAIN_MS = 20;

/** Takes the channel over. */
export class Predecessor {
  /** Where the other's admin server listens. */
  readonly admin: Address;
  readonly #channel: Channel;
  readonly #clock: Clock;
  readonly #answered = Promise.withResolvers<readonly PassedOverride[]>();

  constructor({ channelFd, admin }: Pick<Handover, "channelFd" | "admin">, clock: Clock) {
    this.admin = admin;
    // Bun, told to leave no orphans, has the system end what it starts when it ends itself.
    socketCalls()?.outliveParent();
    this.#clock = clock;
    this.#channel = new Channel(channelFd, {
      onLine: (line) => {
        const go = readFromPredecessor(line);
        if (go !== undefined) this.#answered.resolve(go.overrides);
      },
      // Where it has died, its clients are ours all the more. Where it wants this process no more, it ends it.
      onClosed: () => this.#answered.resolve([]),
    });
  }

  /**
   * Waits until all names are resolved, for some time, says so, and resolves when this process may accept, with what
   * operators have said to the other. `unresolved` answers the names that are not.
   */
  async prepared(unresolved: () => readonly Unresolved[]): Promise<readonly PassedOverride[]> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const deadlineMs = this.#clock.now() + NAMES_WITHIN_MS;
    const look = (): void => {
      if (unresolved().length === 0 || this.#clock.now() >= deadlineMs) return resolve();
      this.#clock.after(LOOK_AGAIN_MS, look);
    };
    look();
    await promise;
    this.#say({ type: "prepared", unresolved: unresolved() });
    return await this.#answered.promise;
  }

  /** Connections are served: the other may stop accepting. */
  ready(): void {
    this.#say({ type: "ready" });
  }

  /** This process ends, for a reason that its operator is told. */
  failed(message: string): void {
    this.#say({ type: "failed", message });
  }

  #say(message: FromSuccessor): void {
    this.#channel.send(JSON.stringify(message));
  }
}
