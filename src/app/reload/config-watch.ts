// Notices when files of the configuration have changed. Looks at them from time to time: that works on any file system,
// and whether a file is written, replaced by a rename, or reached by a link that leads elsewhere now.
import type { Cancel, Clock } from "../../lib/clock.ts";
import { type FileStamp, fileStamp } from "../../lib/file-stamp.ts";

/** Between two looks. A change counts once two looks have seen the same: files are not always written at once. */
const LOOK_EVERY_MS = 1_000;
/** After so many looks it counts in any case: a list that is written anew all the time would never be taken over. */
const MOST_LOOKS = 10;

export interface ConfigWatchParts {
  readonly clock: Clock;
  /** Between two looks; a second when not given. */
  readonly everyMs?: number;
  /** Between a look that has seen a change and the next; as the others when not given. */
  readonly settleMs?: number;
  readonly onChange: () => void;
  /** The system's files when not given. */
  readonly stampOf?: (path: string) => FileStamp;
}

export class ConfigWatch {
  readonly #parts: ConfigWatchParts;
  #files: readonly FileStamp[] = [];
  /** What the last look has seen, where that is not what was loaded. */
  #seen: string | undefined;
  /** Looks in a row that have seen something else than what was loaded. */
  #looks = 0;
  #cancel: Cancel | undefined;

  constructor(parts: ConfigWatchParts) {
    this.#parts = parts;
  }

  /** These are the files that were loaded, or tried to be, as they were then. */
  expect(files: readonly FileStamp[]): void {
    this.#files = files;
    this.#forget();
  }

  /** Looks from now on, or no more. */
  set(isOn: boolean): void {
    if (isOn === (this.#cancel !== undefined)) return;
    this.#cancel?.();
    this.#cancel = undefined;
    if (isOn) this.#lookSoon();
  }

  #lookSoon(): void {
    const { clock, everyMs = LOOK_EVERY_MS, settleMs = everyMs } = this.#parts;
    const cancel = clock.after(this.#seen === undefined ? everyMs : settleMs, () => {
      this.#look();
      // What that has led to may have ended the watch.
      if (this.#cancel === cancel) this.#lookSoon();
    });
    this.#cancel = cancel;
  }

  #look(): void {
    const { stampOf = fileStamp } = this.#parts;
    const now = this.#files.map(({ path }) => stampOf(path));
    const seen = textOf(now);
    if (seen === textOf(this.#files)) {
      this.#forget();
      return;
    }
    this.#looks += 1;
    if (seen !== this.#seen && this.#looks < MOST_LOOKS) {
      this.#seen = seen;
      return;
    }
    // Told once, whatever comes of it: a file that cannot be used is not tried again until it changes.
    this.expect(now);
    this.#parts.onChange();
  }

  #forget(): void {
    this.#seen = undefined;
    this.#looks = 0;
  }
}

function textOf(files: readonly FileStamp[]): string {
  return files.map(({ stamp }) => stamp).join("\n");
}
