// A lock among threads, for a few hundred nanoseconds at a time.

/** Tries before a thread lets others run. */
const SPINS = 200;
/** How long a thread sleeps then: at first the kernel makes some 0.1 ms of it, later as long as a turn of another thread. */
const SHORT_NAP_MS = 0.05;
const SHORT_NAPS = 50;
const LONG_NAP_MS = 1;
/** Some 2 s: longer than a holder has to wait for a processor, on a machine that has far too few. */
const MOST_NAPS = 2_000;

/**
 * A word of shared memory: 0, or the number of the thread that holds it. Nothing throws while it is held, so that only a
 * thread that is killed can leave it locked: then `releaseOf` is for the control thread.
 */
export class SharedLock {
  readonly #cells: Int32Array;
  readonly #owner: number;
  readonly #mostNaps: number;

  /** `owner` is above 0 and differs between threads. The first of `cells` is the lock. */
  constructor(cells: Int32Array, owner: number, mostNaps = MOST_NAPS) {
    this.#cells = cells;
    this.#owner = owner;
    this.#mostNaps = mostNaps;
  }

  /** Takes the lock; answers false when its holder keeps it for longer than a living one can. */
  take(): boolean {
    for (let tries = 0; tries < SPINS; tries += 1) {
      if (Atomics.compareExchange(this.#cells, 0, 0, this.#owner) === 0) return true;
    }
    return this.#wait();
  }

  give(): void {
    Atomics.store(this.#cells, 0, 0);
  }

  /** Unlocks what a dead thread has left locked. */
  releaseOf(owner: number): void {
    Atomics.compareExchange(this.#cells, 0, owner, 0);
  }

  #wait(): boolean {
    for (let naps = 0; naps < this.#mostNaps; naps += 1) {
      const holder = Atomics.compareExchange(this.#cells, 0, 0, this.#owner);
      if (holder === 0) return true;
      // With more threads than processors the holder may not run: spinning would keep it from that.
      Atomics.wait(this.#cells, 0, holder, naps < SHORT_NAPS ? SHORT_NAP_MS : LONG_NAP_MS);
    }
    return false;
  }
}
