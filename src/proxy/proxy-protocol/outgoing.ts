// The PROXY header that an endpoint gets: who the client is, and what is known of its TLS.
import type { ClientProxyProtocolConfig, ProxyTlv } from "../../config/types.ts";
import type { Rng } from "../../lib/rng.ts";
import type { TlsFacts } from "../../transport/bun.ts";
import { concat, encodeTlvs, encodeV1, encodeV2, LOCAL_V2, UNKNOWN_V1 } from "./encode.ts";
import { type Ends, type ProxyHeader, type Tlv, TLV, tlvOf } from "./header.ts";

/** What there is to tell of a client's connection. */
export interface ClientFacts {
  /** Of the accepted socket; undefined when it is closed already. */
  readonly ends: Ends | undefined;
  /** Undefined for a client that speaks plain TCP with us; without a version what the hello says that is passed on. */
  readonly tls: TlsFacts | undefined;
  /** The header with which the connection came, from a peer that is trusted. */
  readonly received: ProxyHeader | undefined;
}

/** A header, ready to be sent. */
export interface OutgoingHeader {
  readonly bytes: Uint8Array;
  /** The connection's id, where the header has one. */
  readonly uniqueId: Uint8Array | undefined;
}

/** PP2_CLIENT_SSL: the client spoke TLS. It showed no certificate, so that `verify` is not zero (§2.2.6). */
const TLS_WITHOUT_CERTIFICATE = Uint8Array.of(0x01, 0, 0, 0, 1);

/** The header as the destination wants it. `rng` makes ids for connections that have none. */
export function outgoingHeader(
  { version, tlvs }: ClientProxyProtocolConfig,
  client: ClientFacts,
  rng: Rng,
): OutgoingHeader {
  const ends = client.received?.ends ?? client.ends;
  if (version === 1) return { bytes: encodeV1(ends), uniqueId: undefined };
  const known = tlvs.flatMap((name) => tlv(name, client, rng) ?? []);
  const uniqueId = known.find(({ type }) => type === TLV.uniqueId)?.value;
  return { bytes: encodeV2(ends, known, tlvs.includes("crc32c")), uniqueId };
}

/** The header of a probe, behind which no client stands. */
export function probeHeader({ version }: ClientProxyProtocolConfig): Uint8Array {
  return version === 1 ? UNKNOWN_V1 : LOCAL_V2;
}

/** What we know ourselves comes before what another proxy has told. */
function tlv(name: ProxyTlv, { tls, received }: ClientFacts, rng: Rng): Tlv | undefined {
  const make = (type: number, own: Uint8Array | undefined): Tlv | undefined => {
    const value = own ?? tlvOf(received, type);
    return value && { type, value };
  };
  switch (name) {
    case "alpn":
      return make(TLV.alpn, text(tls?.alpn));
    case "authority":
      return make(TLV.authority, text(tls?.serverName));
    case "tls":
      // Of a TLS that is passed on nothing is known but its hello, and it is not with us.
      return make(TLV.ssl, tls?.version === undefined ? undefined : sslValue(tls));
    case "uniqueId":
      return { type: TLV.uniqueId, value: tlvOf(received, TLV.uniqueId) ?? newId(rng) };
    case "crc32c":
      // Comes last, see encode.ts.
      return undefined;
    default:
      return name satisfies never;
  }
}

/** An id for people: as it is where it is readable, else in hexadecimal. */
export function idText(id: Uint8Array): string {
  const readable = id.every((byte) => byte > 0x20 && byte < 0x7f);
  return readable ? String.fromCharCode(...id) : id.toHex();
}

function sslValue({ version, cipher }: TlsFacts): Uint8Array {
  const facts = [
    { type: TLV.sslVersion, value: text(version) },
    { type: TLV.sslCipher, value: text(cipher) },
  ];
  const known = facts.flatMap(({ type, value }) => (value === undefined ? [] : [{ type, value }]));
  return concat([TLS_WITHOUT_CERTIFICATE, encodeTlvs(known)]);
}

/** 128 random bits, as 32 hexadecimal digits so that logs can show them. */
function newId(rng: Rng): Uint8Array {
  const words = Uint32Array.from({ length: 4 }, () => rng.next() * 2 ** 32);
  return new TextEncoder().encode(
    Array.from(words, (word) => word.toString(16).padStart(8, "0")).join(""),
  );
}

function text(value: string | undefined): Uint8Array | undefined {
  return value === undefined || value === "" ? undefined : new TextEncoder().encode(value);
}
