// Numbers in words, for the command line.

/** A length of time: `3 s`, `250 ms`. */
export function time(ms: number): string {
  if (ms === Number.POSITIVE_INFINITY) return "any time";
  return ms % 1000 === 0 ? `${ms / 1000} s` : `${ms} ms`;
}

/** `1 failure`, `2 failures`. */
export function plural(count: number, thing: string): string {
  return count === 1 ? `1 ${thing}` : `${count} ${thing}s`;
}
