// Time as an argument: the only user of timers and of the system's clocks in the project.

/** Ends a scheduled call; calling it again does nothing. */
export type Cancel = () => void;

/** Time, and calls made later. */
export interface Clock {
  /** Milliseconds on a clock that never goes back; only differences mean something. */
  now(): number;
  /** Milliseconds since 1970 (UTC), for people and for logs. */
  wallTime(): number;
  /** Calls `run` once, `delayMs` from now. Any length is allowed: long delays are chained. */
  after(delayMs: number, run: () => void): Cancel;
  /** Calls `run` every `periodMs`, first after one period. */
  every(periodMs: number, run: () => void): Cancel;
}

// setTimeout keeps its delay in a signed 32-bit number of milliseconds: a longer one fires at once.
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The system's clocks and timers. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  after(delayMs, run) {
    let timer: Timer;
    const arm = (leftMs: number): void => {
      const stepMs = Math.min(leftMs, LONGEST_TIMER_MS);
      timer = setTimeout(() => (leftMs > stepMs ? arm(leftMs - stepMs) : run()), stepMs);
    };
    arm(Math.max(0, delayMs));
    return () => clearTimeout(timer);
  },
  every(periodMs, run) {
    const timer = setInterval(run, Math.min(periodMs, LONGEST_TIMER_MS));
    return () => clearInterval(timer);
  },
};

type Timer = ReturnType<typeof setTimeout>;
