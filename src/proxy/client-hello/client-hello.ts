// The message with which a TLS client begins (RFC 8446 section 4.1.2): what it tells before anything is encrypted.
import { hostNameOf } from "../../lib/server-name.ts";
import { ByteReader } from "./bytes.ts";
import { HelloRecords, MOST_BYTES_READ } from "./hello-records.ts";

const HANDSHAKE_RECORD = 22;

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

// https://www.iana.org/assignments/tls-extensiontype-values
const SERVER_NAME = 0;
const ALPN = 16;
const SUPPORTED_VERSIONS = 43;
const ENCRYPTED_CLIENT_HELLO = 0xfe0d;
const HOST_NAME = 0;
const ECH_OUTER = 0;

const NOTHING = new Uint8Array(0);
/** A hello that comes in many portions is not copied for each. */
const LEAST_ROOM_BYTES = 512;

const MORE = { kind: "more" } as const;
const NOT_TLS: HelloRead = { kind: "not_tls" };

/**
 * Reads a hello from the first bytes of a connection, however they are cut into records. Of the same connection it may be
 * asked again with more bytes: an answer other than `more` stays the same.
 */
export function readClientHello(bytes: Uint8Array): HelloRead {
  return new HelloReader().push(bytes);
}

/** Keeps what comes until a hello is whole, so that all of it can be handed on as it came. */
export class HelloReader {
  readonly #records = new HelloRecords();
  #kept: Uint8Array = NOTHING;
  #length = 0;

  /** Whether anything has come. */
  get begun(): boolean {
    return this.#length > 0;
  }

  /** All that has come. */
  get bytes(): Uint8Array {
    return this.#kept.subarray(0, this.#length);
  }

  /** Takes the next portion. After an answer other than `more` it may not be called again. */
  push(portion: Uint8Array): HelloRead {
    this.#keep(portion);
    const { bytes } = this;
    const [first = HANDSHAKE_RECORD, major = 3, minor = 0] = bytes;
    if (first !== HANDSHAKE_RECORD || major !== 3 || minor > 4) return NOT_TLS;
    const seen = this.#records.scan(bytes);
    if (seen === "more") return MORE;
    if (seen !== "whole") return malformed(seen.detail);
    return parseHello(new ByteReader(this.#records.message(bytes)));
  }

  /** The first portion as it is, as it is mostly the only one; further ones are joined. */
  #keep(portion: Uint8Array): void {
    const length = this.#length + portion.length;
    if (this.#length === 0) this.#kept = portion;
    else {
      if (length > this.#kept.length || this.#length === this.#kept.length) {
        const room = Math.min(Math.max(2 * length, LEAST_ROOM_BYTES), MOST_BYTES_READ);
        const joined = new Uint8Array(Math.max(length, room));
        joined.set(this.bytes);
        this.#kept = joined;
      }
      this.#kept.set(portion, this.#length);
    }
    this.#length = length;
  }
}

function parseHello(reader: ByteReader): HelloRead {
  const legacyVersion = reader.number(2);
  reader.skip(32); // random
  reader.skipVector(1); // legacy_session_id
  reader.skipVector(2); // cipher_suites
  reader.skipVector(1); // legacy_compression_methods
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
    if (content.bad) return malformed(`extension ${type} cannot be read`);
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
    // There must not be two: one reader takes the first, another the last.
    if (type === HOST_NAME && name !== undefined) content.bad = true;
    if (type === HOST_NAME) name ??= text;
  }
  content.bad ||= names.bad || content.left > 0;
  return name === undefined ? undefined : hostNameOf(name);
}

/** RFC 7301 section 3.1. */
function readAlpn(content: ByteReader): readonly string[] {
  const list = content.vector(2);
  const protocols: string[] = [];
  while (list.left > 0) {
    const protocol = list.vector(1).rest();
    if (!isGrease(protocol)) protocols.push(latin1(protocol));
  }
  content.bad ||= list.bad || content.left > 0;
  return protocols;
}

/** What means nothing, and is there to keep readers from choking on what they do not know (RFC 8701 section 2). */
function isGrease(protocol: Uint8Array): boolean {
  const [high = 0, low = 1] = protocol;
  return protocol.length === 2 && high === low && (high & 0x0f) === 0x0a;
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
