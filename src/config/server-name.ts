// Names that a server tells clients apart by: of identities, in rules, in certificates.
import { readHost } from "../naming/endpoint-line.ts";

/** Whether it is a host name, or `*.` before one, in the place of a whole label. */
export function isServerName(text: string): boolean {
  const host = text.startsWith("*.") ? text.slice(2) : text;
  return !host.includes(":") && readHost(host) !== undefined;
}
