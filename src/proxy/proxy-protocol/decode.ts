// Reads PROXY headers: tells from the first bytes of a connection which version they are.
import { decodeV1, MAX_V1_BYTES, V1_START } from "./decode-v1.ts";
import { decodeV2, MAX_V2_BYTES } from "./decode-v2.ts";
import { type ProxyHeader, SIGNATURE } from "./header.ts";

/**
 * What bytes are. An answer other than `more` is the same for every continuation of the bytes, so that it does not
 * matter in which portions they come.
 */
export type Decoded =
  /** The beginning of a header, as far as it goes. */
  | { readonly kind: "more" }
  /** A header of `length` bytes. */
  | { readonly kind: "header"; readonly header: ProxyHeader; readonly length: number }
  /** The beginning of something else. */
  | { readonly kind: "other" }
  /** The beginning of a header, and not a valid one. `reason` is a clause for people. */
  | { readonly kind: "invalid"; readonly reason: string };

/** A header that is longer is refused: no answer needs more bytes than these. */
export const MAX_HEADER_BYTES = Math.max(MAX_V1_BYTES, MAX_V2_BYTES);

const MORE: Decoded = { kind: "more" };

/** Reads the header with which `bytes` begin. */
export function decode(bytes: Uint8Array): Decoded {
  if (bytes.length === 0) return MORE;
  const isV1 = bytes[0] === V1_START[0];
  const start = isV1 ? V1_START : SIGNATURE;
  for (const [index, byte] of start.entries()) {
    if (index >= bytes.length) return MORE;
    if (bytes[index] !== byte) return { kind: "other" };
  }
  return isV1 ? decodeV1(bytes) : decodeV2(bytes);
}
