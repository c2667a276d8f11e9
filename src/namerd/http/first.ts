// Waits for the first value of a watch that says something.

/** The client has gone: nobody waits for the answer. */
export class ClientGone extends Error {
  readonly code = "CLIENT_GONE";

  constructor() {
    super("the client has gone");
    this.name = "ClientGone";
  }
}

/**
 * The first value that `pick` makes something of; the watch ends with it. Rejects with ClientGone when `signal` aborts,
 * and with what `pick` throws.
 */
export function firstOf<T, R>(
  signal: AbortSignal,
  watch: (signal: AbortSignal, report: (value: T) => void) => void,
  pick: (value: T) => R | undefined,
): Promise<R> {
  const { promise, resolve, reject } = Promise.withResolvers<R>();
  if (signal.aborted) return Promise.reject(new ClientGone());
  const stop = new AbortController();
  const leave = (): void => reject(new ClientGone());
  signal.addEventListener("abort", leave, { once: true });
  watch(stop.signal, (value) => {
    try {
      const picked = pick(value);
      if (picked !== undefined) resolve(picked);
    } catch (error) {
      reject(error);
    }
  });
  return promise.finally(() => {
    signal.removeEventListener("abort", leave);
    stop.abort();
  });
}
