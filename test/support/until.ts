// Waits for a condition instead of for a time.

/** Between two looks, at first. */
const PAUSE_MS = 1;
/** Whoever asks another process takes processor time from it: those are asked less often with time. */
const LONGEST_PAUSE_MS = 20;

/** Resolves once `condition` holds; fails with `what` when it does not within `withinMs`. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  withinMs = 10_000,
): Promise<void> {
  const begunMs = performance.now();
  for (;;) {
    const answer = condition();
    if (await answer) return;
    const waitedMs = performance.now() - begunMs;
    if (waitedMs > withinMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    const pauseMs =
      answer instanceof Promise
        ? Math.min(LONGEST_PAUSE_MS, Math.max(PAUSE_MS, waitedMs / 10))
        : PAUSE_MS;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
