// In which order endpoints have failed those who wait: what was tried long ago is worth another attempt.
import type { Endpoint } from "./endpoint.ts";
import type { Pool } from "./pool.ts";

/** Failures to connect of one destination on one worker, numbered from 1. */
export class FailureOrder {
  readonly #pool: Pool;
  #failures = 0;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** An attempt at the endpoint has failed. */
  note(endpoint: Endpoint): void {
    this.#failures += 1;
    endpoint.lastFailureNumber = this.#failures;
  }

  /**
   * Those of `tried` that somebody who has waited for a retry is to pass over still. What others have reached since is not
   * among them. Nor, where nothing else is left but ejected endpoints, is one that has not failed anybody since as many
   * failures as there are endpoints: all who wait may have tried it, the last that is not ejected, and nothing probes it.
   */
  stillTried(tried: readonly Endpoint[]): Endpoint[] {
    const unreached = tried.filter(({ lastFailureNumber }) => lastFailureNumber > 0);
    if (unreached.length === 0 || this.#pool.panics || this.#pool.usableBeside(unreached) > 0)
      return unreached;
    const oldest = this.#failures - this.#pool.size;
    return unreached.filter(({ lastFailureNumber }) => lastFailureNumber > oldest);
  }
}
