// Waiting for something that real sockets or files bring about, without guessing how long it takes.

/** Resolves once `condition` holds; rejects with `what` after `limitMs`. Looks again after each turn of the event loop. */
export async function eventually(
  what: string,
  condition: () => boolean,
  limitMs = 4_000,
): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`waited ${limitMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
