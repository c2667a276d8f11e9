// Keys of etcd below a configured prefix. Keys are bytes, one character each (U+0000 to U+00FF).
import { quote } from "../quote.ts";
import { labelsOf } from "../inet.ts";

/**
 * What keys below `pathPrefix` begin with; it ends in a slash. `pathPrefix` is a path such as `/services`, whose escapes
 * are read; any other text is taken as it is, with or without a slash at its end.
 */
export function keyPrefix(pathPrefix: string): string {
  const labels = labelsOf(pathPrefix);
  if (labels !== undefined) return labels.length === 0 ? "/" : `/${labels.join("/")}/`;
  const bytes = Buffer.from(pathPrefix, "utf8").toString("latin1");
  return bytes.endsWith("/") ? bytes : `${bytes}/`;
}

/** A key in words for people. */
export function printKey(key: string): string {
  return quote(Buffer.from(key, "latin1").toString("utf8"));
}
