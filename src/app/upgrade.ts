// An upgrade, in the process that is replaced: starts its successor, lets it in when it is prepared, and goes on as if
// nothing had happened where that fails.
import type { UpgradeOutcome, UpgradeStatus } from "../admin/admin-port.ts";
import type { Cancel, Clock } from "../lib/clock.ts";
import type { Logger } from "../telemetry/log.ts";
import type { ChannelObserver } from "../transport/channel.ts";
import type { Successor } from "../transport/successor.ts";
import {
  type FromPredecessor,
  type PassedOverride,
  readFromSuccessor,
  type Unresolved,
} from "./upgrade-messages.ts";

/** How long a successor may take to accept connections. */
export const READY_WITHIN_MS = 60_000;
/** How long one that is wanted no more may take to end, beyond the grace time, once it has accepted connections. */
const KILL_MARGIN_MS = 5_000;
/** How a process ends that was stopped, or replaced by another upgrade. */
const IN_ORDER = "exit code 0";
/** Names in a message. */
const MOST_NAMES = 5;

export interface UpgradeParts {
  readonly clock: Clock;
  readonly log: Logger;
  /** Starts the successor, or says why that did not work. */
  readonly start: (observer: ChannelObserver) => Successor | string;
  /** Whether this process has endpoints for a name. */
  readonly hasEndpoints: (name: Unresolved) => boolean;
  /** Lets the successor listen where the admin server of this process does, or no more. */
  readonly shareAdmin: (shared: boolean) => void;
  /** What operators have said, for the successor to go on with. */
  readonly overrides: () => readonly PassedOverride[];
  readonly count: (result: UpgradeOutcome["result"]) => void;
  /** As it is in effect now. */
  readonly graceMs: () => number;
}

interface Attempt {
  readonly successor: Successor;
  readonly settle: (outcome: Settled) => void;
  readonly cancelLimit: Cancel;
  /** Whether the successor may have accepted connections. */
  letIn: boolean;
}

type Settled = Exclude<UpgradeOutcome, { readonly result: "refused" }>;

/** All upgrades of this process: one at a time, and none after one that succeeded. */
export class Upgrade {
  readonly #parts: UpgradeParts;
  #attempt: Attempt | undefined;
  #status: UpgradeStatus | undefined;

  constructor(parts: UpgradeParts) {
    this.#parts = parts;
  }

  /** The one that runs, or what came of the last; undefined before the first. */
  get status(): UpgradeStatus | undefined {
    return this.#status;
  }

  /** Replaces this process. When it resolves with `done`, the successor accepts, and this process is to stop. */
  async run(): Promise<UpgradeOutcome> {
    const status = this.#status;
    if (status?.state === "starting")
      return this.refuse(`process ${status.pid} is being started for another upgrade`);
    if (status?.state === "done")
      return this.refuse(`process ${status.pid} has taken over already`);
    const outcome = await this.#start();
    this.#conclude(outcome);
    return outcome;
  }

  /** Counts an upgrade that is not even tried. */
  refuse(message: string): UpgradeOutcome {
    this.#parts.log.warn("upgrade refused", () => ({ why: message }));
    this.#parts.count("refused");
    return { result: "refused", message };
  }

  /** This process ends: it is replaced by none. */
  cancel(): void {
    this.#fail("this process was told to stop");
  }

  #start(): Promise<Settled> {
    const { clock, log, start } = this.#parts;
    const { promise, resolve: settle } = Promise.withResolvers<Settled>();
    const successor = start({
      onLine: (line) => this.#onLine(line),
      // The end of the process is told besides, and says more.
      onClosed() {},
    });
    if (typeof successor === "string") {
      const message = `the new process could not be started: ${successor}`;
      return Promise.resolve({ result: "failed", message });
    }
    const { pid } = successor;
    const cancelLimit = clock.after(READY_WITHIN_MS, () =>
      this.#fail(`process ${pid} was not ready within ${READY_WITHIN_MS / 1_000} s`),
    );
    this.#attempt = { successor, settle, cancelLimit, letIn: false };
    this.#status = { state: "starting", pid };
    log.info("upgrade: a new process starts", () => ({ pid }));
    void successor.ended.then((how) => this.#onEnded(successor, how));
    return promise;
  }

  #onLine(line: string): void {
    const attempt = this.#attempt;
    const message = readFromSuccessor(line);
    if (attempt === undefined || message === undefined) return;
    switch (message.type) {
      case "prepared":
        return this.#letIn(attempt, message.unresolved);
      case "ready":
        return this.#settle({ result: "done", pid: attempt.successor.pid });
      case "failed":
        return this.#fail(message.message.trim());
      default:
        return message satisfies never;
    }
  }

  /** The last good endpoints of this process must not be given up for none. */
  #letIn(attempt: Attempt, unresolved: readonly Unresolved[]): void {
    const lost = unresolved.filter((name) => this.#parts.hasEndpoints(name));
    if (lost.length > 0) {
      const named = lost.slice(0, MOST_NAMES).map(({ router, path }) => `${path} (${router})`);
      const more = lost.length > MOST_NAMES ? ` and ${lost.length - MOST_NAMES} more` : "";
      return this.#fail(
        `the new process could not resolve names that this process has endpoints for: ${named.join(", ")}${more}`,
      );
    }
    attempt.letIn = true;
    this.#parts.shareAdmin(true);
    const go: FromPredecessor = { type: "go", overrides: this.#parts.overrides() };
    attempt.successor.channel.send(JSON.stringify(go));
  }

  #onEnded({ pid }: Successor, how: string): void {
    if (this.#attempt?.successor.pid === pid)
      this.#fail(`process ${pid} ended (${how}) before it was ready: the log has what it wrote`);
    else if (this.#status?.state === "done" && how !== IN_ORDER)
      this.#parts.log.error("the process that has taken over has ended", () => ({ pid, how }));
  }

  #fail(message: string): void {
    const attempt = this.#attempt;
    if (attempt === undefined) return;
    const { successor, letIn } = attempt;
    const { clock, shareAdmin, graceMs } = this.#parts;
    shareAdmin(false);
    // Connections that it has accepted may end in order.
    successor.kill(letIn ? "SIGTERM" : "SIGKILL");
    if (letIn) clock.after(graceMs() + KILL_MARGIN_MS, () => successor.kill("SIGKILL"));
    this.#settle({ result: "failed", message });
  }

  #settle(outcome: Settled): void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    attempt?.cancelLimit();
    attempt?.successor.channel.close();
    attempt?.settle(outcome);
  }

  #conclude(outcome: Settled): void {
    const { log, count } = this.#parts;
    count(outcome.result);
    if (outcome.result === "done") {
      this.#status = { state: "done", pid: outcome.pid };
      return;
    }
    const { message } = outcome;
    this.#status = { state: "failed", message };
    log.error("upgrade failed: this process goes on", () => ({ why: message }));
  }
}
