// Warnings about the names of a source, which mostly fail together: one line each while they are few, then one for many.
import type { Clock } from "../lib/clock.ts";
import { Pace } from "../lib/pace.ts";
import type { LogFields, Logger } from "../telemetry/log.ts";

/** Ten lines at once, and then one each second. */
const LINES = { spaceMs: 1_000, creditMs: 10_000 };

/** Warnings of one kind. */
export class NameWarnings {
  readonly #log: Logger;
  readonly #message: string;
  readonly #pace: Pace;
  #first: LogFields | undefined;
  #names = 0;

  constructor(clock: Clock, log: Logger, message: string) {
    this.#log = log;
    this.#message = message;
    this.#pace = new Pace(clock, LINES);
  }

  /**
   * Warns of one name, now or, where there were many before, within a second. A line for several has the fields of the
   * first, and their number in `names`.
   */
  add(fields: LogFields): void {
    this.#first ??= fields;
    this.#names++;
    this.#pace.offer(() => this.#write());
  }

  /** Writes what waits, now. */
  flush(): void {
    this.#pace.flush();
  }

  #write(): void {
    const names = this.#names;
    const fields = this.#first ?? {};
    this.#first = undefined;
    this.#names = 0;
    this.#log.warn(this.#message, () => (names === 1 ? fields : { ...fields, names }));
  }
}
