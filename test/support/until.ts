// Waits for a condition instead of for a time.

// Looks cost processor time, of the product too where they ask its admin port.
const LONGEST_PAUSE_MS = 20;

/** Resolves once `condition` holds; fails with `what` when it does not within `withinMs`. Looks less often with time. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  withinMs = 10_000,
): Promise<void> {
  const begunMs = performance.now();
  while (!(await condition())) {
    const waitedMs = performance.now() - begunMs;
    if (waitedMs > withinMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    const pauseMs = Math.min(LONGEST_PAUSE_MS, Math.max(1, waitedMs / 10));
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
