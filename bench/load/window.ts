// The measured part of a load: between two readings of the proxy's clock, with the units of work done between them.
import type { CpuClock } from "../measure.ts";

/** What a load reports. */
export interface Load {
  /** Requests, connections, or bytes. */
  readonly units: number;
  readonly cpuNs: number;
  readonly wallNs: number;
}

/** How long a load of uniform units runs. */
export interface Span {
  /** Before the window, not counted. */
  readonly warmMs: number;
  readonly measureMs: number;
}

/** Counts units and says when the window is over. Both readings are taken in the generator, at a unit's end. */
export class Window {
  readonly #cpu: CpuClock;
  readonly #span: Span;
  readonly #createdMs = performance.now();
  #startMs = 0;
  #startCpuNs = 0;
  #units = 0;

  constructor(cpu: CpuClock, span: Span) {
    this.#cpu = cpu;
    this.#span = span;
  }

  /** Counts one unit; answers the load once the window is over. */
  count(): Load | undefined {
    const nowMs = performance.now();
    if (this.#startMs === 0) {
      if (nowMs - this.#createdMs < this.#span.warmMs) return undefined;
      this.#startMs = nowMs;
      this.#startCpuNs = this.#cpu.nanoseconds();
      return undefined;
    }
    this.#units++;
    const wallMs = nowMs - this.#startMs;
    if (wallMs < this.#span.measureMs) return undefined;
    const cpuNs = this.#cpu.nanoseconds() - this.#startCpuNs;
    return { units: this.#units, cpuNs, wallNs: wallMs * 1e6 };
  }
}

/** A promise of a load that fails after `limitMs`, with the functions that settle it. */
export function loadWithin<Result = Load>(
  limitMs: number,
): PromiseWithResolvers<Result> & {
  fail(reason: string): void;
} {
  const deferred = Promise.withResolvers<Result>();
  const fail = (reason: string): void => deferred.reject(new Error(reason));
  const timer = setTimeout(() => fail(`not done after ${limitMs / 1000} s`), limitMs);
  const promise = deferred.promise.finally(() => clearTimeout(timer));
  return { ...deferred, promise, fail };
}
