// A thread whose connections come and go as fast as they can, and that notes how many all threads have at a time.
import type { ServerLimits } from "../../../src/admission/limits-memory.ts";
import { SharedLimits } from "../../../src/admission/shared-limits.ts";
import { readIpWords } from "../../../src/lib/ip-words.ts";

declare const self: Worker;

const ROUNDS = 20_000;
const ADDRESSES = ["10.0.0.1", "10.0.0.2"] as const;

interface Task {
  readonly limits: ServerLimits;
  readonly worker: number;
  /** Open now and at most, of the first address, and of both; then how many threads have come. */
  readonly seen: SharedArrayBuffer;
}

self.onmessage = ({ data: { limits, worker, seen } }: MessageEvent<Task>): void => {
  const shared = new SharedLimits(limits, worker);
  const cells = new Int32Array(seen);
  const words = new Uint32Array(4);
  const held: { readonly ticket: number; readonly isFirst: boolean }[] = [];
  let entered = 0;
  // All begin together.
  for (let come = Atomics.add(cells, 4, 1) + 1; come < limits.memory.sourcesSize.workers;) {
    Atomics.wait(cells, 4, come, 10);
    come = Atomics.load(cells, 4);
  }
  const leave = (): void => {
    const left = held.shift();
    if (left === undefined) return;
    if (left.isFirst) Atomics.sub(cells, 0, 1);
    Atomics.sub(cells, 2, 1);
    shared.give(left.ticket, 0);
  };
  for (let round = 0; round < ROUNDS; round += 1) {
    const isFirst = (round * 7 + worker) % 3 > 0;
    const family = readIpWords(ADDRESSES[isFirst ? 0 : 1], words);
    const ticket = shared.take(words, family, 0);
    if (ticket > 0) {
      entered += 1;
      held.push({ ticket, isFirst });
      if (isFirst) note(cells, 0);
      note(cells, 2);
    }
    if (ticket < 0 || held.length > 9) leave();
  }
  while (held.length > 0) leave();
  self.postMessage({ entered });
};

/** Counts one more at `at`, and keeps the most there ever were behind it. */
function note(cells: Int32Array, at: number): void {
  const now = Atomics.add(cells, at, 1) + 1;
  for (let most = Atomics.load(cells, at + 1); now > most; most = Atomics.load(cells, at + 1))
    Atomics.compareExchange(cells, at + 1, most, now);
}
