// Whether two values of plain data say the same.

/** Deep comparison of plain data: a key that is missing and one that is undefined are the same, as are NaN and NaN. */
export function sameData(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  return changedKeys(a, b).length === 0 && lengthOf(a) === lengthOf(b);
}

/** The keys, in their order, whose values differ. */
export function changedKeys(a: object, b: object): readonly string[] {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].filter((key) => !sameData(at(a, key), at(b, key)));
}

function at(value: object, key: string): unknown {
  return Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
}

function lengthOf(value: object): number | undefined {
  return Array.isArray(value) ? value.length : undefined;
}
