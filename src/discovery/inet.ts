// Paths that name an endpoint themselves: `/$/inet/<host>/<port>`. They need no source, so every resolver knows them.
import type { HostEndpoint } from "../config/types.ts";
import { parsePort } from "../lib/address.ts";
import { readHost } from "../naming/endpoint-line.ts";
import { parsePath, type PathLabels } from "../naming/path.ts";
import { DEFAULT_WEIGHT } from "./endpoint-set.ts";

/**
 * The endpoint of `/$/inet/<host>/<port>`, or of `/$/inet/<port>`, which is localhost. What follows is ignored, as in
 * namerd. Undefined for any other path.
 */
export function inetEndpoint(labels: PathLabels): HostEndpoint | undefined {
  const [dollar, inet, first = "", second] = labels;
  if (dollar !== "$" || inet !== "inet") return undefined;
  const host = second === undefined ? "localhost" : readHost(first);
  const port = parsePort(second ?? first);
  if (host === undefined || port === undefined) return undefined;
  return { host, port, weight: DEFAULT_WEIGHT };
}

/** The labels of a path; undefined for a text that is none. */
export function labelsOf(path: string): PathLabels | undefined {
  const parsed = parsePath(path);
  return parsed.ok ? parsed.labels : undefined;
}
