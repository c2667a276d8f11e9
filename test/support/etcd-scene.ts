// One range of an etcd that is followed, with a fake clock, and what was heard of it.
import { EtcdClient, keysBelow } from "../../src/discovery/etcd/etcd-client.ts";
import { EtcdWatch } from "../../src/discovery/etcd/etcd-watch.ts";
import type { Cancel } from "../../src/lib/clock.ts";
import { seededRng } from "../../src/lib/rng.ts";
import type { LogFields, Logger } from "../../src/telemetry/log.ts";
import { silentLogger } from "../../src/telemetry/log.ts";
import { FakeClock } from "./fake-clock.ts";
import { until } from "./until.ts";

/** A logger that keeps its lines: `message field=value ...`. */
export function recordingLogger(lines: string[]): Logger {
  const write = (message: string, fields?: () => LogFields): void => {
    const texts = Object.entries(fields?.() ?? {}).map(([key, value]) => `${key}=${value}`);
    lines.push([message, ...texts].join(" "));
  };
  return { ...silentLogger, warn: write, info: write, enabled: () => true };
}

/** A fake clock that tells what was asked of it. */
class RecordingClock extends FakeClock {
  readonly delaysMs: number[] = [];

  override after(delayMs: number, run: () => void): Cancel {
    this.delaysMs.push(delayMs);
    return super.after(delayMs, run);
  }
}

/** Follows `/a/` until `stop`. Time stands still unless a test moves it. */
export class EtcdScene {
  readonly clock = new RecordingClock();
  readonly log: string[] = [];
  /** Each state as it was told: `key=value` in the order of the keys, and the revision. */
  readonly states: string[] = [];
  readonly failures: string[] = [];
  #watch: EtcdWatch | undefined;

  follow(baseUrls: readonly string[]): void {
    const client = new EtcdClient({ baseUrls, tls: undefined }, this.clock);
    const deps = {
      clock: this.clock,
      rng: seededRng(1),
      log: recordingLogger(this.log),
      metrics: { observeLatency() {} },
    };
    this.#watch = new EtcdWatch(client, keysBelow("/a/"), deps, {
      state: ({ kvs, revision }) => {
        const texts = Array.from(kvs.values(), ({ key, value }) => `${key}=${value}`);
        this.states.push(`${texts.sort().join(" ")} @${revision}`);
      },
      failed: (cause) => this.failures.push(cause),
    });
  }

  /** Gives how many timers are left. */
  stop(): number {
    this.#watch?.stop();
    return this.clock.pending;
  }

  /** The keys of the last state, without its revision. */
  get keys(): string | undefined {
    return this.states.at(-1)?.replace(/ @\d+$/, "");
  }

  told(state: string): Promise<void> {
    return until(state, () => this.states.at(-1) === state);
  }

  failed(count: number): Promise<void> {
    return until(`failure ${count}`, () => this.failures.length === count);
  }

  /** Until `condition` holds, letting time pass: as many waits between attempts as it takes. */
  passing(what: string, condition: () => boolean): Promise<void> {
    return until(what, () => {
      this.clock.advance(10);
      return condition();
    });
  }
}
