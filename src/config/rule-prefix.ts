// Prefixes of rules for clients: which destinations they cover, and what their captures are.
import { canonicalIp } from "../lib/address.ts";
import { readHost } from "../naming/endpoint-line.ts";
import { type Captures, PathMatcher, substitute } from "../naming/path-matcher.ts";
import { parsePath, pathStartsWith } from "../naming/path.ts";
import type { ClientTlsConfig } from "./tls-types.ts";

const NO_CAPTURES: Captures = new Map();

/** Whether it is more than a path: `*` is any one label, `{name}` a part of one that is captured. */
export function isPattern(prefix: string): boolean {
  return /[*{]/.test(prefix);
}

/**
 * What `prefix` captures of `path`, if it covers it: this path and those below, or, where it ends in `/`, those below
 * alone.
 */
export function capturesOf(prefix: string, path: string): Captures | undefined {
  if (!isPattern(prefix)) return pathStartsWith(path, prefix) ? NO_CAPTURES : undefined;
  const parsed = parsePath(path);
  const pattern = PathMatcher.parse(prefix);
  if (!parsed.ok || !pattern.ok) return undefined;
  const isBelow = parsed.labels.length > prefix.split("/").length - 2;
  return prefix.endsWith("/") && !isBelow ? undefined : pattern.matcher.match(parsed.labels);
}

/** The names in `{…}` of a text, each once. */
export function namesIn(text: string): readonly string[] {
  return [...new Set([...text.matchAll(/\{([A-Za-z0-9_.-]+)\}/g)].map(([, name = ""]) => name))];
}

/** TLS with the captures in their places. */
export function withCaptures(tls: ClientTlsConfig, captures: Captures): ClientTlsConfig {
  if (!tls.dnsName.includes("{")) return tls;
  return { ...tls, dnsName: substitute(tls.dnsName, captures).toLowerCase() };
}

/** Whether TLS can send and verify the name: what captures make of a template may be none. */
export function isTlsName(name: string): boolean {
  if (readHost(name) === undefined || canonicalIp(name) !== undefined) return false;
  return !name.includes("..");
}
