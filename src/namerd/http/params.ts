// Query parameters as namerd's server reads them: `&` and `;` between them, `+` for a space, `%` escapes.

/** Parameters by name. */
export interface Params {
  /** The first value of that name. */
  get(name: string): string | undefined;
  /** Whether the value is `1`, `t` or `true` in any case. */
  flag(name: string): boolean;
}

/** A request target: undefined where its escapes are broken or its characters are none of a URL. */
export function readTarget(
  target: string,
): { readonly path: string; readonly query: string } | undefined {
  if (!isSound(target)) return undefined;
  const origin = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i.exec(target)?.[0] ?? "";
  const rest = target.slice(origin.length);
  const mark = rest.indexOf("?");
  if (mark < 0) return { path: rest, query: "" };
  return { path: rest.slice(0, mark), query: rest.slice(mark + 1) };
}

/** The parameters of texts, earlier texts first; undefined where an escape is broken or stands for no UTF-8. */
export function readParams(...texts: readonly string[]): Params | undefined {
  const values = new Map<string, string>();
  for (const part of texts.flatMap((text) => text.split(/[&;]/))) {
    const equals = part.indexOf("=");
    const name = decode(equals < 0 ? part : part.slice(0, equals));
    const value = equals < 0 ? "" : decode(part.slice(equals + 1));
    if (name === undefined || value === undefined) return undefined;
    if (!values.has(name)) values.set(name, value);
  }
  return {
    get: (name) => values.get(name),
    flag: (name) => /^(?:1|t|true)$/i.test(values.get(name) ?? ""),
  };
}

function isSound(text: string): boolean {
  return /^(?:[!-$&-~]|%[0-9A-Fa-f]{2})*$/.test(text);
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return undefined;
  }
}
