// Reads the PROXY header of one connection from the portions in which it comes.
import { decode, MAX_HEADER_BYTES } from "./decode.ts";
import type { ProxyHeader } from "./header.ts";

/** What has been read so far. */
export type Reading =
  | { readonly kind: "more" }
  /** `rest`: the bytes of the last portion that come after the header. */
  | { readonly kind: "header"; readonly header: ProxyHeader; readonly rest: Uint8Array }
  /** Without `reason` it does not even begin like a header. */
  | { readonly kind: "refused"; readonly reason: string };

const NOTHING = new Uint8Array(0);

/** Keeps less than `MAX_HEADER_BYTES`. */
export class HeaderReader {
  #kept: Uint8Array = NOTHING;

  /** Whether anything has come. */
  get begun(): boolean {
    return this.#kept.length > 0;
  }

  /** Takes the next portion. After an answer other than `more` it may not be called again. */
  push(bytes: Uint8Array): Reading {
    const kept = this.#kept;
    const all = kept.length === 0 ? bytes : joined(kept, bytes.subarray(0, MAX_HEADER_BYTES));
    const decoded = decode(all);
    switch (decoded.kind) {
      case "more":
        this.#kept = all;
        return decoded;
      case "header":
        // What is kept was too short to be a header, so that it ends in this portion.
        return { ...decoded, rest: bytes.subarray(decoded.length - kept.length) };
      case "other":
        return { kind: "refused", reason: "it begins with something else" };
      case "invalid":
        return { kind: "refused", reason: decoded.reason };
      default:
        return decoded satisfies never;
    }
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
