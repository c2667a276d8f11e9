// The message with which a TLS client begins (RFC 8446 section 4.1.2): what it tells before anything is encrypted.
import { ByteReader } from "./bytes.ts";

/** What routing can go by. */
export interface ClientHello {
  /** Lower case, without a dot at its end; of the outer hello where the inner one is encrypted (ECH). */
  readonly serverName: string | undefined;
  /** In the client's order. */
  readonly alpn: readonly string[];
  /** The highest version that the client speaks, such as 0x0304 for TLS 1.3. */
  readonly version: number;
  /** Whether the true hello is encrypted and this is the outer one. */
  readonly isOuter: boolean;
}

/** A hello, or why there is none. */
export type HelloRead =
  | { readonly kind: "more" }
  | { readonly kind: "hello"; readonly hello: ClientHello }
  /** The first bytes are of another protocol. */
  | { readonly kind: "not_tls" }
  /** It begins as TLS does, and goes on as none does. `detail` is for people. */
  | { readonly kind: "malformed"; readonly detail: string };

/**
 * The longest hello that is read. Those of today's browsers have 1.7 kB with a post-quantum key share; RFC 8446 allows
 * 16 MiB, which nobody sends.
 */
export const LONGEST_HELLO_BYTES = 16_384;
/** What goes around it: at the least sensible one byte of it in each record, of which each has a header of five. */
export const MOST_BYTES_READ = LONGEST_HELLO_BYTES * 2;

const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const RECORD_HEADER_BYTES = 5;
const MESSAGE_HEADER_BYTES = 4;
const LONGEST_RECORD_BYTES = 16_384;
// https://www.iana.org/assignments/tls-extensiontype-values
const SERVER_NAME = 0;
const ALPN = 16;
const SUPPORTED_VERSIONS = 43;
const ENCRYPTED_CLIENT_HELLO = 0xfe0d;
const HOST_NAME = 0;
const ECH_OUTER = 0;

const MORE = { kind: "more" } as const;
const NOT_TLS: HelloRead = { kind: "not_tls" };

/**
 * Reads a hello from the first bytes of a connection, however they are cut into records. Of the same connection it may be
 * asked again with more bytes: an answer other than `more` stays the same.
 */
export function readClientHello(bytes: Uint8Array): HelloRead {
  const [first = HANDSHAKE_RECORD, major = 3, minor = 0] = bytes;
  if (first !== HANDSHAKE_RECORD || major !== 3 || minor > 4) return NOT_TLS;
  const joined = joinRecords(bytes);
  if ("kind" in joined) return joined;
  const message = joined.message;
  if (message === undefined) return MORE;
  return parseHello(new ByteReader(message));
}

/** The whole handshake message, undefined while it has not come; or what is wrong with its records. */
function joinRecords(
  bytes: Uint8Array,
): { readonly message: Uint8Array | undefined } | Exclude<HelloRead, { kind: "hello" }> {
  const parts: Uint8Array[] = [];
  let have = 0;
  let need = MESSAGE_HEADER_BYTES;
  for (let at = 0; have < need;) {
    if (at > MOST_BYTES_READ) return malformed("too many records for one hello");
    const header = bytes.subarray(at, at + RECORD_HEADER_BYTES);
    const [type = HANDSHAKE_RECORD, major = 3] = header;
    if (type !== HANDSHAKE_RECORD || major !== 3) return malformed("another record in the hello");
    if (header.length < RECORD_HEADER_BYTES) return MORE;
    const length = ((header[3] ?? 0) << 8) | (header[4] ?? 0);
    if (length === 0 || length > LONGEST_RECORD_BYTES)
      return malformed(`a record of ${length} bytes`);
    at += RECORD_HEADER_BYTES;
    const part = bytes.subarray(at, at + length);
    at += part.length;
    parts.push(part);
    have += part.length;
    if (need === MESSAGE_HEADER_BYTES && have >= need) {
      const [kind = 0, high = 0, middle = 0, low = 0] = joinFirst(parts, need);
      if (kind !== CLIENT_HELLO) return malformed(`handshake message ${kind} in place of a hello`);
      const size = (high << 16) | (middle << 8) | low;
      if (size > LONGEST_HELLO_BYTES) return malformed(`a hello of ${size} bytes`);
      need += size;
    }
    if (part.length < length && have < need) return MORE;
  }
  return { message: joinFirst(parts, need).subarray(MESSAGE_HEADER_BYTES) };
}

/** The first `length` bytes; not copied where one part has them all, as nearly always. */
function joinFirst(parts: readonly Uint8Array[], length: number): Uint8Array {
  const [first] = parts;
  if (first !== undefined && first.length >= length) return first.subarray(0, length);
  const joined = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    joined.set(part.subarray(0, length - at), at);
    at += Math.min(part.length, length - at);
  }
  return joined;
}

function parseHello(reader: ByteReader): HelloRead {
  const legacyVersion = reader.number(2);
  reader.bytes(32); // random
  reader.vector(1); // legacy_session_id
  reader.vector(2); // cipher_suites
  reader.vector(1); // legacy_compression_methods
  const seen = new Set<number>();
  const hello = { serverName: undefined, alpn: [], version: legacyVersion, isOuter: false };
  const found: { -readonly [K in keyof ClientHello]: ClientHello[K] } = hello;
  // Before TLS 1.3 a hello may end here.
  const extensions = reader.left === 0 ? reader : reader.vector(2);
  while (extensions.left > 0) {
    const type = extensions.number(2);
    const content = extensions.vector(2);
    // RFC 8446 section 4.2: there must not be more than one of a type. Two names could lead two readers apart.
    if (seen.has(type)) return malformed(`extension ${type} stands there twice`);
    seen.add(type);
    readExtension(type, content, found);
    if (content.bad) return malformed(`extension ${type} is cut off`);
  }
  if (reader.bad || extensions.bad || reader.left > 0) return malformed("its lengths do not fit");
  return { kind: "hello", hello: found };
}

function readExtension(
  type: number,
  content: ByteReader,
  found: { -readonly [K in keyof ClientHello]: ClientHello[K] },
): void {
  switch (type) {
    case SERVER_NAME:
      found.serverName = readServerName(content);
      return;
    case ALPN:
      found.alpn = readAlpn(content);
      return;
    case SUPPORTED_VERSIONS:
      found.version = highestVersion(content) ?? found.version;
      return;
    case ENCRYPTED_CLIENT_HELLO:
      found.isOuter = content.number(1) === ECH_OUTER;
      return;
    default:
  }
}

/** RFC 6066 section 3. What can be no host name is no name: no rule could mean it. */
function readServerName(content: ByteReader): string | undefined {
  const names = content.vector(2);
  let name: string | undefined;
  while (names.left > 0) {
    const type = names.number(1);
    const text = latin1(names.vector(2).rest());
    if (type === HOST_NAME) name ??= text;
  }
  content.bad ||= names.bad;
  const bare = name?.replace(/\.$/, "").toLowerCase();
  return bare !== undefined && bare.length <= 253 && HOST.test(bare) ? bare : undefined;
}

/** Letters, digits and hyphens in labels; underscores too, as private names have them. */
const HOST =
  /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/;

/** RFC 7301 section 3.1. */
function readAlpn(content: ByteReader): readonly string[] {
  const list = content.vector(2);
  const protocols: string[] = [];
  while (list.left > 0) protocols.push(latin1(list.vector(1).rest()));
  content.bad ||= list.bad;
  return protocols;
}

/** RFC 8446 section 4.2.1; values that mean nothing (GREASE, RFC 8701) are passed over. */
function highestVersion(content: ByteReader): number | undefined {
  const list = content.vector(1);
  let highest: number | undefined;
  while (list.left > 0) {
    const version = list.number(2);
    if (version >> 8 === 3 && version > (highest ?? 0)) highest = version;
  }
  content.bad ||= list.bad;
  return highest;
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

function malformed(detail: string): HelloRead & { kind: "malformed" } {
  return { kind: "malformed", detail };
}
