// A fake namerd, a fake clock and an interpreter between them, with the waits that tests of the interpreter need.
import type { NamerdConfig } from "../../src/config/types.ts";
import type { Binding } from "../../src/discovery/interpreter.ts";
import { ResolverMetrics } from "../../src/discovery/metrics.ts";
import { NamerdInterpreter } from "../../src/discovery/namerd/namerd.ts";
import type { Cancel } from "../../src/lib/clock.ts";
import { seededRng } from "../../src/lib/rng.ts";
import type { Resolution } from "../../src/naming/resolution.ts";
import { type Logger, silentLogger } from "../../src/telemetry/log.ts";
import { Registry } from "../../src/telemetry/registry.ts";
import { until } from "./until.ts";
import { FakeClock } from "./fake-clock.ts";
import { FakeNamerd } from "./fake-namerd.ts";

export const PATH = "/svc/web";
export const PERIOD_MS = 30_000;
export const TIMEOUT_MS = 10_000;
/** No wait between two requests is longer, but that for a silent stream is. */
const LONGEST_WAIT_MS = 60_000;

/** An interpreter that asks `baseUrl`. */
export function namerdInterpreter(
  baseUrl: string,
  clock: FakeClock,
  rest: Partial<NamerdConfig> = {},
  log: Logger = silentLogger,
): NamerdInterpreter {
  const config: NamerdConfig = {
    kind: "io.l5d.namerd.http",
    baseUrl,
    namespace: "default",
    periodMs: PERIOD_MS,
    requestTimeoutMs: TIMEOUT_MS,
    ...rest,
  };
  const metrics = new ResolverMetrics(new Registry(() => {}), config.namespace, "r");
  return new NamerdInterpreter(config, { clock, rng: seededRng(1), log, metrics });
}

/** A fake clock that tells what was asked of it last. */
class RecordingClock extends FakeClock {
  /** The last delay that was scheduled. */
  lastDelayMs = 0;

  override after(delayMs: number, run: () => void): Cancel {
    this.lastDelayMs = delayMs;
    return super.after(delayMs, run);
  }
}

/**
 * One name that is watched: its addresses, unless it is `bind` that is called. Time stands still unless a method says that
 * it lets it pass.
 */
export class NamerdScene {
  readonly namerd = FakeNamerd.start();
  readonly clock = new RecordingClock();
  /** All answers of the last watch. */
  all: Resolution[] = [];
  /** Those but `pending`, which a stream may report before its first value. */
  reports: Resolution[] = [];
  /** All that the last `bind` reported. */
  bindings: Binding[] = [];
  #abort = new AbortController();

  /** Ends the watch; gives how many timers it left behind. */
  stop(): number {
    this.#abort.abort();
    this.namerd.pause();
    return this.clock.pending;
  }

  watch(rest: Partial<NamerdConfig> = {}, path = PATH): void {
    const interpreter = namerdInterpreter(this.namerd.baseUrl, this.clock, rest);
    interpreter.addresses(path, this.#abort.signal, (it) => {
      this.all.push(it);
      if (it.state !== "pending") this.reports.push(it);
    });
  }

  /** Follows what the name is bound to, in place of its addresses. */
  bind(rest: Partial<NamerdConfig> = {}, path = PATH): void {
    const interpreter = namerdInterpreter(this.namerd.baseUrl, this.clock, rest);
    interpreter.bind(path, this.#abort.signal, (it) => this.bindings.push(it));
  }

  /** Until the last binding is this. */
  boundAs(wanted: Binding): Promise<void> {
    return until(JSON.stringify(wanted), () => Bun.deepEquals(this.bindings.at(-1), wanted));
  }

  /** Ends the watch and begins another, with nothing reported and nothing requested. */
  watchAnew(rest: Partial<NamerdConfig> = {}, path = PATH): void {
    this.restart();
    this.watch(rest, path);
  }

  /** Ends what is watched, with nothing reported and nothing requested. */
  restart(): void {
    this.#abort.abort();
    this.#abort = new AbortController();
    this.all = [];
    this.reports = [];
    this.bindings = [];
    this.namerd.requests.length = 0;
  }

  get last(): Resolution | undefined {
    return this.all.at(-1);
  }

  reported(state: Resolution["state"]): Promise<void> {
    return until(state, () => this.last?.state === state);
  }

  /** Until the last answer is bound to these addresses. */
  bound(...ips: readonly string[]): Promise<void> {
    return until(`bound to ${ips}`, () => {
      const { last } = this;
      if (last?.state !== "bound") return false;
      return Bun.deepEquals(
        last.endpoints.map(({ ip }) => ip),
        ips,
      );
    });
  }

  count(reports: number): Promise<void> {
    return until(`${reports} reports`, () => this.reports.length === reports);
  }

  streams(count: number): Promise<void> {
    return until(`${count} streams`, () => this.namerd.openStreams() === count);
  }

  connections(count: number): Promise<void> {
    return until(`${count} connections`, () => this.namerd.openConnections === count);
  }

  requests(count: number): Promise<void> {
    return until(`${count} requests`, () => this.namerd.requests.length === count);
  }

  /** Until nothing is under way but the wait for the next request; gives its length. */
  async waiting(): Promise<number> {
    await until("a wait for the next request", () => {
      const { pending, lastDelayMs } = this.clock;
      return pending === 1 && lastDelayMs !== TIMEOUT_MS && lastDelayMs <= LONGEST_WAIT_MS;
    });
    return this.clock.lastDelayMs;
  }

  /** Lets that wait pass, until the request has come; gives its length. */
  async nextRequest(): Promise<number> {
    const waitMs = await this.waiting();
    const count = this.namerd.requests.length;
    this.clock.advance(waitMs);
    await this.requests(count + 1);
    return waitMs;
  }

  /** Lets the time pass until the stream is taken for too silent, and the request has come that follows; gives how long. */
  async silence(): Promise<number> {
    await until("a timer for silence", () => this.clock.lastDelayMs > LONGEST_WAIT_MS);
    const silenceMs = this.clock.lastDelayMs;
    const count = this.namerd.requests.length;
    this.clock.advance(silenceMs);
    await this.requests(count + 1);
    return silenceMs;
  }
}
