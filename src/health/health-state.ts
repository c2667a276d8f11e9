// What checks of one address have found so far: their results in a row make it healthy or unhealthy.

/** Why a check failed: the label `result` of its metric. */
export type FailureCause =
  | "refused"
  | "timeout"
  | "unreachable"
  | "tls"
  /** The endpoint ended the connection, in order or by a reset, before it had said what it should. */
  | "closed"
  | "unexpected"
  | "role"
  /** It lives and has no place for one more client, which says neither that it is well nor that it is not. */
  | "busy"
  | "other"
  /** This process could not check, which says nothing of the endpoint. */
  | "skipped";

export type CheckResult =
  | { readonly passed: true }
  | { readonly passed: false; readonly cause: FailureCause; readonly reason: string };

/** `unknown`: no check has passed, and not enough have failed. */
export type HealthVerdict = "unknown" | "healthy" | "unhealthy";

export class HealthState {
  verdict: HealthVerdict = "unknown";
  /** On the clock: since when the verdict holds. */
  sinceMs: number;
  /** Why the last check that failed did; undefined after one that passed. */
  reason: string | undefined;
  readonly #rise: number;
  readonly #fall: number;
  /** Results in a row that speak against the verdict. */
  #against = 0;

  constructor(limits: { readonly rise: number; readonly fall: number }, nowMs: number) {
    this.#rise = limits.rise;
    this.#fall = limits.fall;
    this.sinceMs = nowMs;
  }

  /** Takes a result; answers whether the verdict has changed. */
  take(result: CheckResult, nowMs: number): boolean {
    if (!result.passed && result.cause === "skipped") return false;
    this.reason = result.passed ? undefined : result.reason;
    // To cut its clients because there are many of them would be the wrong answer.
    if (!result.passed && result.cause === "busy") return false;
    const verdict = result.passed ? "healthy" : "unhealthy";
    if (this.verdict === verdict) {
      this.#against = 0;
      return false;
    }
    this.#against += 1;
    if (this.#against < this.#needed(result)) return false;
    this.#against = 0;
    this.verdict = verdict;
    this.sinceMs = nowMs;
    return true;
  }

  #needed(result: CheckResult): number {
    // Of an endpoint that was never healthy nor unhealthy, one pass is enough.
    if (result.passed) return this.verdict === "unknown" ? 1 : this.#rise;
    // It says itself that it has another role: no fault that may be over the next time.
    return result.cause === "role" ? 1 : this.#fall;
  }
}
