import { describe, expect, test } from "bun:test";
import type { ProxyTlv } from "../../config/types.ts";
import { seededRng } from "../../lib/rng.ts";
import { decode } from "./decode.ts";
import { LOCAL_V2, UNKNOWN_V1 } from "./encode.ts";
import { type ProxyHeader, TLV } from "./header.ts";
import { type ClientFacts, idText, outgoingHeader, probeHeader } from "./outgoing.ts";

const ENDS = { source: { ip: "10.0.0.1", port: 1 }, destination: { ip: "10.0.0.2", port: 2 } };
const OTHERS = { source: { ip: "203.0.113.9", port: 9 }, destination: { ip: "10.9.9.9", port: 8 } };
const TLS = {
  version: "TLSv1.3",
  cipher: "TLS_AES_128_GCM_SHA256",
  serverName: "web.test",
  alpn: "h2",
};
const ALL: readonly ProxyTlv[] = ["crc32c", "authority", "alpn", "uniqueId", "tls"];
const PLAIN: ClientFacts = { ends: ENDS, tls: undefined, received: undefined };

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** What an endpoint reads: addresses, and TLVs as text by type. */
function told(facts: ClientFacts, tlvs: readonly ProxyTlv[] = ALL, version: 1 | 2 = 2) {
  const { bytes, uniqueId } = outgoingHeader({ version, tlvs }, facts, seededRng(7));
  const decoded = decode(bytes);
  if (decoded.kind !== "header") throw new Error(JSON.stringify(decoded));
  const { ends, tlvs: read } = decoded.header;
  const texts = read.map(({ type, value }) => [type, new TextDecoder("latin1").decode(value)]);
  return { ends, tlvs: Object.fromEntries(texts), uniqueId: uniqueId && idText(uniqueId) };
}

const received = (tlvs: ProxyHeader["tlvs"], ends = OTHERS): ProxyHeader => ({
  version: 2,
  command: "proxy",
  ends,
  tlvs,
});

describe("outgoingHeader", () => {
  test("tells a plain client's addresses and an id, and nothing of TLS", () => {
    const { ends, tlvs, uniqueId } = told(PLAIN);
    expect(ends).toEqual(ENDS);
    expect(tlvs).toEqual({ [TLV.uniqueId]: uniqueId });
    expect(uniqueId).toMatch(/^[0-9a-f]{32}$/);
  });

  test("tells nothing that was not asked for", () => {
    expect(told({ ...PLAIN, tls: TLS }, []).tlvs).toEqual({});
    expect(told({ ...PLAIN, tls: TLS }, ["alpn"]).tlvs).toEqual({ [TLV.alpn]: "h2" });
  });

  test("tells of a TLS client its name, protocol, version and cipher, and that it showed no certificate", () => {
    const { tlvs } = told({ ...PLAIN, tls: TLS });
    expect(tlvs).toMatchObject({ [TLV.authority]: "web.test", [TLV.alpn]: "h2" });
    expect(tlvs[TLV.ssl]).toBe("\x01\0\0\0\x01\x21\0\x07TLSv1.3\x23\0\x16TLS_AES_128_GCM_SHA256");
  });

  test("leaves out what a TLS client did not say", () => {
    const silent = {
      version: "TLSv1.2",
      cipher: undefined,
      serverName: undefined,
      alpn: undefined,
    };
    const { tlvs } = told({ ...PLAIN, tls: silent }, ["authority", "alpn", "tls"]);
    expect(tlvs).toEqual({ [TLV.ssl]: "\x01\0\0\0\x01\x21\0\x07TLSv1.2" });
  });

  test("passes on what the client's proxy has told, except what it knows better", () => {
    const facts = received([
      { type: TLV.authority, value: utf8("theirs.test") },
      { type: TLV.uniqueId, value: utf8("their-id") },
      { type: TLV.ssl, value: utf8("their tls") },
      { type: 0xea, value: utf8("unknown") },
    ]);
    const plain = told({ ...PLAIN, received: facts });
    expect(plain.ends).toEqual(OTHERS);
    expect(plain.tlvs).toEqual({
      [TLV.authority]: "theirs.test",
      [TLV.uniqueId]: "their-id",
      [TLV.ssl]: "their tls",
    });
    expect(plain.uniqueId).toBe("their-id");
    const tls = told({ ...PLAIN, tls: TLS, received: facts }).tlvs;
    expect(tls).toMatchObject({ [TLV.authority]: "web.test", [TLV.uniqueId]: "their-id" });
    expect(tls[TLV.ssl]).toContain("TLSv1.3");
  });

  test("tells the socket's addresses where the client's proxy told none", () => {
    const local: ProxyHeader = { version: 2, command: "local", ends: undefined, tlvs: [] };
    expect(told({ ...PLAIN, received: local }).ends).toEqual(ENDS);
  });

  test("tells addresses only in version 1", () => {
    const { bytes, uniqueId } = outgoingHeader({ version: 1, tlvs: [] }, PLAIN, seededRng(1));
    expect(new TextDecoder().decode(bytes)).toBe("PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n");
    expect(uniqueId).toBeUndefined();
  });

  test("gives each connection another id", () => {
    const rng = seededRng(1);
    const ids = Array.from({ length: 100 }, () => {
      const { uniqueId } = outgoingHeader({ version: 2, tlvs: ["uniqueId"] }, PLAIN, rng);
      return uniqueId && idText(uniqueId);
    });
    expect(new Set(ids).size).toBe(100);
  });
});

test("probeHeader says in both versions that there is no client", () => {
  expect(probeHeader({ version: 1, tlvs: [] })).toEqual(UNKNOWN_V1);
  expect(probeHeader({ version: 2, tlvs: ["uniqueId"] })).toEqual(LOCAL_V2);
});

test("idText shows what is not readable in hexadecimal", () => {
  expect([idText(utf8("a-1")), idText(Uint8Array.of(0, 255))]).toEqual(["a-1", "00ff"]);
});
