// Whether two values of plain data say the same.

/** Deep comparison of plain data: a key that is missing and one that is undefined are the same, as are NaN and NaN. */
export function sameData(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && sameList(a, b);
  }
  for (const key of Object.keys(a)) if (!sameData(at(a, key), at(b, key))) return false;
  return Object.keys(b).every((key) => Object.hasOwn(a, key) || at(b, key) === undefined);
}

/** The keys, in their order, whose values differ. */
export function changedKeys(a: object, b: object): readonly string[] {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].filter((key) => !sameData(at(a, key), at(b, key)));
}

function at(value: object, key: string): unknown {
  return Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
}

/** Lists of addresses have hundreds of thousands of entries, and are compared several times in a reload. */
function sameList(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index += 1) {
    if (!sameData(a[index], b[index])) return false;
  }
  return true;
}
