// Patterns of the names that a certificate is for (subject alternative names): `DNS:*.example.com`, `spiffe://td/ns/*`.

/** What kinds of names there are to ask for. */
export const SAN_KINDS = ["DNS", "URI", "IP", "email"] as const;
export type SanKind = (typeof SAN_KINDS)[number];

/** A name of a certificate. */
export interface San {
  readonly kind: SanKind;
  readonly value: string;
}

/** A pattern, read. */
export interface SanPattern {
  readonly kind: SanKind;
  /** As it was written, without its kind. */
  readonly text: string;
  readonly matches: (value: string) => boolean;
}

/**
 * Reads a pattern. Its kind stands before it, as in `DNS:`, or is told by its look: what has `://` is a URI, else it is DNS.
 * `*` is one label of a DNS name, and one segment of a URI's path; `**` at the end of a URI is any rest, which is not
 * empty. Elsewhere a star, as other characters, stands for itself. Undefined for what can match no name.
 */
export function parseSanPattern(pattern: string): SanPattern | undefined {
  const prefix = /^(DNS|URI|IP|email):(?!\/\/)/.exec(pattern);
  const text = prefix === null ? pattern : pattern.slice(prefix[0].length);
  const kind = (prefix?.[1] as SanKind | undefined) ?? (text.includes("://") ? "URI" : "DNS");
  if (text === "" || /[\s\p{Cc}]/u.test(text)) return undefined;
  switch (kind) {
    case "DNS":
      return dnsPattern(text);
    case "URI":
      return uriPattern(text);
    case "IP":
    case "email":
      return { kind, text, matches: (value) => value.toLowerCase() === text.toLowerCase() };
    default:
      return kind satisfies never;
  }
}

/** Whether one of `names` fits one of `patterns`. */
export function anySanMatches(patterns: readonly SanPattern[], names: readonly San[]): boolean {
  return patterns.some(({ kind, matches }) =>
    names.some((name) => name.kind === kind && matches(name.value)),
  );
}

function dnsPattern(text: string): SanPattern | undefined {
  const wanted = text.toLowerCase().split(".");
  const isSound = wanted.every((label) => label === "*" || /^[a-z0-9_-]{1,63}$/.test(label));
  if (!isSound) return undefined;
  const matches = (value: string): boolean => {
    const labels = value.toLowerCase().split(".");
    // A wildcard certificate is for names that nobody has named: only the very same pattern means it.
    return (
      labels.length === wanted.length &&
      wanted.every((label, at) => label === labels[at] || (label === "*" && labels[at] !== ""))
    );
  };
  return { kind: "DNS", text, matches };
}

/** Scheme and authority without regard to case (RFC 3986 §6.2.2.1), which SPIFFE asks for too; the path as it is. */
function uriPattern(text: string): SanPattern | undefined {
  const wanted = splitUri(text);
  if (wanted === undefined || wanted.head.includes("*")) return undefined;
  const isOpen = wanted.path.at(-1) === "**";
  const segments = isOpen ? wanted.path.slice(0, -1) : wanted.path;
  if (segments.includes("**")) return undefined;
  const matches = (value: string): boolean => {
    const found = splitUri(value);
    if (found === undefined || found.head !== wanted.head) return false;
    const rest = found.path.slice(segments.length);
    if (isOpen ? rest.length === 0 || rest[0] === "" : rest.length > 0) return false;
    return segments.every((segment, at) => {
      const own = found.path[at];
      return segment === "*" ? own !== undefined && own !== "" : own === segment;
    });
  };
  return { kind: "URI", text, matches };
}

/** `scheme://authority` and the segments of what follows. */
function splitUri(
  text: string,
): { readonly head: string; readonly path: readonly string[] } | undefined {
  const parts = /^([A-Za-z][A-Za-z0-9+.-]*:\/\/[^/]*)(?:\/(.*))?$/s.exec(text);
  if (parts === null) return undefined;
  const [, head = "", path] = parts;
  return { head: head.toLowerCase(), path: path === undefined ? [] : path.split("/") };
}
