// What the service manager is told (sd_notify(3)): ready, reloading, stopping, which process is the main one, and that
// this one is alive. Without NOTIFY_SOCKET nothing is.
import type { Cancel, Clock } from "../lib/clock.ts";
import type { Logger } from "../telemetry/log.ts";
import { isDatagramPath, type SocketCalls, TRY_AGAIN } from "../transport/libc-sockets.ts";
import type { Environment } from "./passed-sockets.ts";

const RETRY_MS = 100;
/** Messages that wait for a service manager that does not read. */
const MOST_WAITING = 32;
/** Beyond the grace time, for what comes after it. */
const STOP_MARGIN_MS = 5_000;

export interface NotifierParts {
  readonly env: Environment;
  readonly pid: number;
  readonly calls: SocketCalls | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Tells it. All methods may be called at any time. */
export class Notifier {
  readonly #parts: NotifierParts;
  readonly #path: string | undefined;
  readonly #waiting: string[] = [];
  #cancelWatch: Cancel | undefined;
  #isReady = false;
  #lastError = 0;

  constructor(parts: NotifierParts) {
    this.#parts = parts;
    const path = parts.env["NOTIFY_SOCKET"] ?? "";
    if (path === "") return;
    if (parts.calls === undefined || !isDatagramPath(path)) {
      const why = parts.calls === undefined ? "there is no C library" : "not a path";
      parts.log.warn("the service manager is told nothing", () => ({ socket: path, why }));
      return;
    }
    this.#path = path;
  }

  /** Connections are served; also what a reload ends with. */
  ready(status: string): void {
    this.#isReady = true;
    this.#send(`READY=1\nSTATUS=${line(status)}`);
  }

  /** A reload begins: `ready` is to follow, whatever came of it. */
  reloading(): void {
    const micros = this.#parts.calls?.monotonicMicros() ?? 0n;
    this.#send(`RELOADING=1\nMONOTONIC_USEC=${micros}`);
  }

  /** One line for people, as `systemctl status` shows it. */
  status(text: string): void {
    this.#send(`STATUS=${line(text)}`);
  }

  /** No more connections are accepted; the end comes after `graceMs` at the latest. */
  stopping(graceMs: number): void {
    // A process that never was the service says nothing of its end: it would be taken for that of the service.
    if (!this.#isReady) return;
    const finite = Math.min(graceMs, 1e12);
    this.#send(
      `STOPPING=1\nSTATUS=Draining\nEXTEND_TIMEOUT_USEC=${Math.round((finite + STOP_MARGIN_MS) * 1_000)}`,
    );
  }

  /** From now on the process `pid` is the service; this one says nothing more. */
  handOver(pid: number): void {
    this.#send(`MAINPID=${pid}\nSTATUS=Process ${pid} has taken over`);
    this.#isReady = false;
    this.#cancelWatch?.();
  }

  /** Says that the service is alive, twice in the time that the manager has set, as long as `isAlive`. */
  watch(isAlive: () => boolean): void {
    const { env, pid, clock, log } = this.#parts;
    const periodMs = watchdogMs(env, pid) / 2;
    if (this.#path === undefined || !(periodMs > 0)) return;
    this.#cancelWatch = clock.every(periodMs, () => {
      if (isAlive()) this.#send("WATCHDOG=1");
      else log.error("no worker answers: the service manager is not told that this process lives");
    });
  }

  #send(text: string): void {
    if (this.#path === undefined) return;
    if (this.#waiting.length < MOST_WAITING) this.#waiting.push(text);
    if (this.#waiting.length === 1) this.#flush();
  }

  /** In order; what finds no room is tried again. */
  #flush(): void {
    const { calls, clock, log } = this.#parts;
    for (;;) {
      const [text] = this.#waiting;
      if (text === undefined || this.#path === undefined || calls === undefined) return;
      const error = calls.sendDatagram(this.#path, text);
      if (error === TRY_AGAIN) {
        clock.after(RETRY_MS, () => this.#flush());
        return;
      }
      if (error !== 0 && error !== this.#lastError)
        log.warn("the service manager cannot be told", () => ({ socket: this.#path, error }));
      this.#lastError = error;
      this.#waiting.shift();
    }
  }
}

/** The time within which a sign of life is due, in milliseconds; 0 when none is asked of this process. */
function watchdogMs(env: Environment, pid: number): number {
  const meant = env["WATCHDOG_PID"];
  if (meant !== undefined && meant !== String(pid)) return 0;
  const micros = Number(env["WATCHDOG_USEC"]);
  return Number.isFinite(micros) && micros > 0 ? micros / 1_000 : 0;
}

/** Of several lines the others would be read as further messages. */
function line(text: string): string {
  return text.replaceAll(/\s+/g, " ");
}
