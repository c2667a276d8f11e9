// The readable PROXY header (§2.1): `PROXY TCP4 <source> <destination> <port> <port>` and CRLF.
import type { Address } from "../../lib/address.ts";
import { formatIp, parseIp } from "../../lib/ip.ts";
import type { Decoded } from "./decode.ts";
import type { Ends } from "./header.ts";

/** The longest line, CRLF included. */
export const MAX_V1_BYTES = 107;
/** "PROXY " */
export const V1_START: readonly number[] = [0x50, 0x52, 0x4f, 0x58, 0x59, 0x20];

const CR = 13;
const LF = 10;

/** Reads a line that begins with `V1_START`. */
export function decodeV1(bytes: Uint8Array): Decoded {
  const end = lineEnd(bytes);
  if (typeof end !== "number") return end;
  const line = String.fromCharCode(...bytes.subarray(V1_START.length, end));
  const length = end + 2;
  // What follows UNKNOWN does not count.
  if (line === "UNKNOWN" || line.startsWith("UNKNOWN ")) return header(undefined, length);
  const ends = readEnds(line);
  if (ends === undefined) return invalid("its line is not one of TCP4, TCP6 or UNKNOWN");
  return header(ends, length);
}

/** Where the line's CRLF stands, as soon as that can be told. */
function lineEnd(bytes: Uint8Array): number | Decoded {
  for (let at = V1_START.length; at < MAX_V1_BYTES; at += 1) {
    const byte = bytes[at];
    if (byte === undefined) return { kind: "more" };
    if (byte === LF) return invalid("its line ends without CR");
    if (byte !== CR) continue;
    if (at + 1 === MAX_V1_BYTES) break;
    if (at + 1 === bytes.length) return { kind: "more" };
    return bytes[at + 1] === LF ? at : invalid("its line ends without LF");
  }
  return invalid(`its line is longer than ${MAX_V1_BYTES} bytes`);
}

function readEnds(line: string): Ends | undefined {
  const [family, from = "", to = "", fromPort = "", toPort = "", ...more] = line.split(" ");
  const size = family === "TCP4" ? 4 : family === "TCP6" ? 16 : undefined;
  if (size === undefined || more.length > 0) return undefined;
  const source = readAddress(from, fromPort, size);
  const destination = readAddress(to, toPort, size);
  return source && destination && { source, destination };
}

function readAddress(ip: string, port: string, size: number): Address | undefined {
  const bytes = parseIp(ip);
  if (bytes?.length !== size || !/^(0|[1-9][0-9]{0,4})$/.test(port)) return undefined;
  return Number(port) > 65_535 ? undefined : { ip: formatIp(bytes), port: Number(port) };
}

function header(ends: Ends | undefined, length: number): Decoded {
  return { kind: "header", header: { version: 1, command: "proxy", ends, tlvs: [] }, length };
}

function invalid(reason: string): Decoded {
  return { kind: "invalid", reason };
}
