// Tells people that names which connections bring up are refused: now and then, with how many that were.
import type { NoRoomReason } from "../control/name-cache.ts";
import type { Clock } from "../lib/clock.ts";
import { Pace } from "../lib/pace.ts";
import type { Logger } from "../telemetry/log.ts";

/** A line at once, then one in ten seconds. */
const LOG_PACE = { spaceMs: 10_000, creditMs: 10_000 };

const WHY = {
  limit: "all that bindingCache.paths allows are in use",
  rate: "too many new ones in a short time",
} satisfies Record<NoRoomReason, string>;

export class NameRefusals {
  readonly #log: Logger;
  readonly #router: string;
  readonly #pace: Pace;
  #count = 0;

  constructor(log: Logger, clock: Clock, router: string) {
    this.#log = log;
    this.#router = router;
    this.#pace = new Pace(clock, LOG_PACE);
  }

  /** A question for `path` was refused. */
  note(path: string, reason: NoRoomReason): void {
    this.#count += 1;
    this.#pace.offer(() => {
      const fields = { router: this.#router, refused: this.#count, last: path, why: WHY[reason] };
      this.#count = 0;
      this.#log.warn("names that connections ask for are refused", () => fields);
    });
  }

  stop(): void {
    this.#pace.drop();
  }
}
