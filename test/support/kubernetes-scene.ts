// A fake API server, a fake clock and a source between them, with the waits that tests of the namer need.
import type { K8sNamerConfig } from "../../src/config/namer-types.ts";
import { k8sSource } from "../../src/discovery/k8s/k8s-namer.ts";
import type { LeafSource } from "../../src/discovery/namer.ts";
import type { Cancel } from "../../src/lib/clock.ts";
import { seededRng } from "../../src/lib/rng.ts";
import type { Resolution } from "../../src/naming/resolution.ts";
import type { LogFields, Logger } from "../../src/telemetry/log.ts";
import { FakeClock } from "./fake-clock.ts";
import { FakeKubernetes, type FakeKubernetesOptions } from "./fake-kubernetes.ts";
import { endpointSlice, type FakeObject, type SliceOptions } from "./kubernetes-objects.ts";
import { until } from "./until.ts";

export const SLICES = "/apis/discovery.k8s.io/v1/namespaces/prod/endpointslices";
export const SERVICES = "/api/v1/namespaces/prod/services";
/** The name that most tests follow. */
export const WEB = ["prod", "http", "web"];

/** A fake clock that tells what was asked of it last. */
class RecordingClock extends FakeClock {
  lastDelayMs = 0;

  override after(delayMs: number, run: () => void): Cancel {
    this.lastDelayMs = delayMs;
    return super.after(delayMs, run);
  }
}

/** No wait for a retry is longer. */
const LONGEST_RETRY_MS = 10_000;

/** One name that is followed. */
export class Followed {
  readonly all: Resolution[] = [];
  readonly #abort = new AbortController();

  constructor(source: LeafSource, id: readonly string[]) {
    source.watch(id, this.#abort.signal, (answer) => this.all.push(answer));
  }

  get last(): Resolution | undefined {
    return this.all.at(-1);
  }

  /** `ip:port` of the last answer, or its state. */
  get addresses(): readonly string[] | string | undefined {
    const { last } = this;
    if (last?.state !== "bound") return last?.state;
    return last.endpoints.map(({ ip, port }) => `${ip}:${port}`);
  }

  /** Until the last answer is bound to these IPs, with any port. */
  bound(...ips: readonly string[]): Promise<void> {
    return until(`bound to ${ips}`, () => {
      const { last } = this;
      return (
        last?.state === "bound" &&
        Bun.deepEquals(
          last.endpoints.map(({ ip }) => ip),
          ips,
        )
      );
    });
  }

  reported(state: Resolution["state"]): Promise<void> {
    return until(state, () => this.last?.state === state);
  }

  count(reports: number): Promise<void> {
    return until(`${reports} reports`, () => this.all.length >= reports);
  }

  stop(): void {
    this.#abort.abort();
  }
}

/** A source over a fake API server. Time stands still unless a test lets it pass. */
export class KubernetesScene {
  readonly api: FakeKubernetes;
  readonly clock: FakeClock;
  readonly source: LeafSource;
  readonly logged: {
    readonly level: string;
    readonly message: string;
    readonly fields: LogFields;
  }[] = [];
  readonly #followed: Followed[] = [];
  skipped = 0;

  constructor(
    config: Partial<K8sNamerConfig> = {},
    options: FakeKubernetesOptions = {},
    clock: FakeClock = new RecordingClock(),
  ) {
    this.clock = clock;
    this.api = FakeKubernetes.start(options);
    const whole: K8sNamerConfig = {
      kind: "io.l5d.k8s",
      prefix: "/io.l5d.k8s",
      baseUrl: this.api.baseUrl,
      namespace: undefined,
      labelSelector: undefined,
      tokenPath: undefined,
      caPath: undefined,
      ...config,
    };
    this.source = k8sSource(whole, {
      clock: this.clock,
      rng: seededRng(1),
      log: this.#logger(),
      metrics: { observeLatency() {}, skip: (count) => (this.skipped += count) },
      lookup: async () => ({ state: "unknown" }),
    });
  }

  /** Ends all watches; gives how many timers were left behind. */
  stop(): number {
    for (const one of this.#followed) one.stop();
    this.api.pause();
    return this.clock.pending;
  }

  follow(id: readonly string[] = WEB): Followed {
    const followed = new Followed(this.source, id);
    this.#followed.push(followed);
    return followed;
  }

  /** Makes or replaces a slice of `web` in `prod`. */
  slice(name: string, options: SliceOptions | readonly string[]): void {
    this.api.put(
      SLICES,
      endpointSlice(name, "web", "length" in options ? { endpoints: options } : options),
    );
  }

  service(object: FakeObject): void {
    this.api.put(SERVICES, object);
  }

  get lists(): number {
    return this.api.requests.filter(({ watch }) => !watch).length;
  }

  get watches(): number {
    return this.api.requests.filter(({ watch }) => watch).length;
  }

  watching(count = 1): Promise<void> {
    return until(`${count} watches`, () => this.api.watches.length === count);
  }

  connections(count: number): Promise<void> {
    return until(`${count} connections`, () => this.api.openConnections === count);
  }

  /** Until the one name that is followed waits for its next request, and nothing else; gives how long it will. */
  async waiting(): Promise<number> {
    const { clock } = this;
    if (!(clock instanceof RecordingClock)) throw new Error("the clock is somebody else's");
    await until("a wait for the next request", () => {
      return clock.pending === 1 && clock.lastDelayMs <= LONGEST_RETRY_MS;
    });
    return clock.lastDelayMs;
  }

  /** Lets that wait pass, until the request has come; gives its length. */
  async nextRequest(): Promise<number> {
    const waitMs = await this.waiting();
    const count = this.api.requests.length;
    this.clock.advance(waitMs);
    await until("a request", () => this.api.requests.length > count);
    return waitMs;
  }

  /** Lets time pass, a little at a time, until something holds. */
  pass(what: string, condition: () => boolean, stepMs = 10): Promise<void> {
    return until(what, () => {
      if (condition()) return true;
      this.clock.advance(stepMs);
      return false;
    });
  }

  #logger(): Logger {
    const at = (level: string) => (message: string, fields?: () => LogFields) => {
      this.logged.push({ level, message, fields: fields?.() ?? {} });
    };
    return {
      error: at("error"),
      warn: at("warn"),
      info: at("info"),
      debug: at("debug"),
      trace: at("trace"),
      enabled: () => true,
    };
  }
}
