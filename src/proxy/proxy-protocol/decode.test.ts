import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { decode, MAX_HEADER_BYTES } from "./decode.ts";
import { concat, encodeTlvs, encodeV1, encodeV2 } from "./encode.ts";
import { type Ends, SIGNATURE, type Tlv, TLV } from "./header.ts";
import { HeaderReader } from "./header-reader.ts";

const ENDS4: Ends = {
  source: { ip: "192.0.2.1", port: 56324 },
  destination: { ip: "198.51.100.7", port: 443 },
};
const ENDS6: Ends = {
  source: { ip: "2001:db8::1", port: 1 },
  destination: { ip: "::", port: 0 },
};

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const decodeText = (text: string) => decode(utf8(text));
/** A header of version 2 by hand: command, family, what follows. */
const v2 = (command: number, family: number, rest: Uint8Array, length = rest.length): Uint8Array =>
  concat([Uint8Array.of(...SIGNATURE, command, family, length >> 8, length & 255), rest]);
const IPV4_BLOCK = Uint8Array.of(192, 0, 2, 1, 198, 51, 100, 7, 220, 4, 1, 187);
const reasonOf = (bytes: Uint8Array): string => {
  const decoded = decode(bytes);
  return decoded.kind === "invalid" ? decoded.reason : decoded.kind;
};

describe("decode of version 1", () => {
  test("reads the example of the specification and leaves the rest alone", () => {
    const line = "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n";
    expect(decodeText(`${line}GET / HTTP/1.1\r\n`)).toEqual({
      kind: "header",
      length: line.length,
      header: {
        version: 1,
        command: "proxy",
        ends: {
          source: { ip: "192.168.0.1", port: 56324 },
          destination: { ip: "192.168.0.11", port: 443 },
        },
        tlvs: [],
      },
    });
  });

  test("spells IPv6 addresses one way", () => {
    expect(decodeText("PROXY TCP6 2001:DB8:0::1 ::ffff:1.2.3.4 65535 0\r\n")).toMatchObject({
      header: {
        ends: {
          source: { ip: "2001:db8::1", port: 65_535 },
          destination: { ip: "::ffff:102:304", port: 0 },
        },
      },
    });
  });

  test.each([
    "PROXY UNKNOWN\r\n",
    "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
    "PROXY UNKNOWN what ever\r\n",
  ])("takes no addresses from %p", (line) => {
    expect(decodeText(line)).toMatchObject({
      kind: "header",
      length: line.length,
      header: { command: "proxy", ends: undefined },
    });
  });

  test.each([
    "PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
    "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
    "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n",
    "PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
    "PROXY TCP4 1.2.3.4  5.6.7.8 1 2\r\n",
    "PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n",
    "PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n",
    "PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
    "PROXY TCP4 1.2.3.4 5.6.7.8 1 2e1\r\n",
    "PROXY TCP4 1.2.3.04 5.6.7.8 1 2\r\n",
    "PROXY TCP4 ::1 ::2 1 2\r\n",
    "PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
    "PROXY TCP6 ::1%lo ::2 1 2\r\n",
    "PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n",
    "PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
    "PROXY UNKNOWNS\r\n",
    "PROXY \r\n",
    "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n",
    "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\rX",
    `PROXY UNKNOWN ${"x".repeat(107 - 14 - 1)}\r\n`,
    `PROXY ${"x".repeat(101)}`,
  ])("refuses %p", (line) => expect(decodeText(line).kind).toBe("invalid"));

  test("reads a line of 107 bytes", () => {
    const line = `PROXY UNKNOWN ${"x".repeat(107 - 14 - 2)}\r\n`;
    expect(decodeText(line)).toMatchObject({ kind: "header", length: 107 });
  });
});

describe("decode of version 2", () => {
  test("reads addresses of both families", () => {
    for (const ends of [ENDS4, ENDS6]) {
      const bytes = encodeV2(ends, [], false);
      expect(decode(bytes)).toEqual({
        kind: "header",
        length: bytes.length,
        header: { version: 2, command: "proxy", ends, tlvs: [] },
      });
    }
  });

  test("reads what it has not written itself", () => {
    expect(decode(v2(0x21, 0x11, IPV4_BLOCK))).toMatchObject({ header: { ends: ENDS4 } });
  });

  test("keeps no more of LOCAL than that it is LOCAL, whatever else it says", () => {
    for (const [family, rest] of [
      [0x00, new Uint8Array(0)],
      [0x11, IPV4_BLOCK],
      [0xff, Uint8Array.of(1, 2, 3)],
    ] as const) {
      expect(decode(v2(0x20, family, rest))).toEqual({
        kind: "header",
        length: 16 + rest.length,
        header: { version: 2, command: "local", ends: undefined, tlvs: [] },
      });
    }
  });

  test.each([
    ["no family", 0x00, 5, 0],
    ["no family, but a protocol", 0x01, 0, 0],
    ["no protocol", 0x10, 12 + 4, 1],
    ["UDP over IPv4", 0x12, 12 + 4, 1],
    ["UDP over IPv6", 0x22, 36 + 4, 1],
    ["a Unix socket", 0x31, 216 + 4, 1],
    ["a Unix datagram socket", 0x32, 216, 0],
  ])("has no addresses for %s", (_name, family, size, tlvs) => {
    const rest = new Uint8Array(size);
    // The last four bytes are a TLV of one byte.
    if (tlvs > 0) rest.set([TLV.uniqueId, 0, 1, 7], size - 4);
    expect(decode(v2(0x21, family, rest))).toMatchObject({
      kind: "header",
      length: 16 + size,
      header: { ends: undefined, tlvs: { length: tlvs } },
    });
  });

  test.each([
    ["another version", v2(0x11, 0x11, IPV4_BLOCK), "its version is 1"],
    ["another command", v2(0x22, 0x11, IPV4_BLOCK), "its command is 2"],
    ["another family", v2(0x21, 0x41, IPV4_BLOCK), "its address family is 4, its protocol 1"],
    ["another protocol", v2(0x21, 0x13, IPV4_BLOCK), "its address family is 1, its protocol 3"],
    ["half an address", v2(0x21, 0x11, new Uint8Array(11)), "it is too short for its addresses"],
    [
      "half a TLV",
      v2(0x21, 0x11, concat([IPV4_BLOCK, Uint8Array.of(4, 0)])),
      "a TLV is longer than the header",
    ],
    [
      "a TLV that goes on",
      v2(0x21, 0x11, concat([IPV4_BLOCK, Uint8Array.of(4, 0, 2, 0)])),
      "a TLV is longer than the header",
    ],
    [
      "a checksum of three bytes",
      v2(0x21, 0x11, concat([IPV4_BLOCK, Uint8Array.of(3, 0, 3, 0, 0, 0)])),
      "its checksum is not of 4 bytes",
    ],
    ["too much", v2(0x21, 0x11, new Uint8Array(0), 4_097), "it is 4113 bytes long"],
  ])("refuses %s", (_name, bytes, reason) => expect(reasonOf(bytes)).toBe(reason));

  test("reads the longest header that is allowed", () => {
    const filler = { type: 0xee, value: new Uint8Array(4_096 - 12 - 3) };
    const bytes = encodeV2(ENDS4, [filler], false);
    expect(bytes.length).toBe(MAX_HEADER_BYTES);
    expect(decode(bytes)).toMatchObject({ kind: "header", header: { tlvs: [filler] } });
  });

  test("verifies a checksum wherever it stands, and leaves it out", () => {
    const id = { type: TLV.uniqueId, value: utf8("id") };
    const bytes = encodeV2(ENDS4, [id], true);
    expect(decode(bytes)).toMatchObject({ kind: "header", header: { tlvs: [id] } });
  });

  test("reads what HAProxy 2.6 sends: its checksum is the first TLV", () => {
    const plain = Uint8Array.fromHex(
      "0d0a0d0a000d0a515549540a211100137f0000017f00000185601e79030004d3d4e7c2",
    );
    const source = { ip: "127.0.0.1", port: 34_144 };
    const destination = { ip: "127.0.0.1", port: 7_801 };
    // What comes from a socket is a Buffer, whose methods are not all those of a Uint8Array.
    for (const bytes of [
      plain,
      Buffer.from(plain),
      Buffer.concat([Buffer.of(1), plain]).subarray(1),
    ]) {
      expect(decode(bytes)).toEqual({
        kind: "header",
        length: 35,
        header: { version: 2, command: "proxy", ends: { source, destination }, tlvs: [] },
      });
      expect(bytes.toHex()).toBe(plain.toHex());
    }
    // send-proxy-v2-ssl-cn, with everything that it can add for a client without a certificate.
    const full = Uint8Array.fromHex(
      "0d0a0d0a000d0a515549540a211100867f0000017f00000184261e7c0300041520f076010002683202000f7765" +
        "622e6578616d706c652e636f6d05001237463030303030313a383432362d303030332000440100000000210007" +
        "544c5376312e33250005454332353624001165636473612d776974682d534841323536230016544c535f414553" +
        "5f3235365f47434d5f534841333834",
    );
    const decoded = decode(full);
    const tlvs = decoded.kind === "header" ? decoded.header.tlvs : [];
    const texts = tlvs.map(({ type, value }) => [type, new TextDecoder().decode(value)]);
    expect(texts.slice(0, 3)).toEqual([
      [TLV.alpn, "h2"],
      [TLV.authority, "web.example.com"],
      [TLV.uniqueId, "7F000001:8426-0003"],
    ]);
    expect(texts[3]).toEqual([TLV.ssl, expect.stringContaining("TLSv1.3")]);
  });

  test("finds every bit that has flipped under a checksum", () => {
    const bytes = encodeV2(ENDS4, [{ type: TLV.authority, value: utf8("web.test") }], true);
    for (let bit = 16 * 8; bit < bytes.length * 8; bit += 1) {
      const flipped = bytes.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const { kind } = decode(flipped);
      // A flipped type or length of the checksum's own TLV makes it another one, or none.
      const inOwnHead = bit >> 3 >= bytes.length - 7 && bit >> 3 < bytes.length - 4;
      if (!inOwnHead) expect([bit, kind]).toEqual([bit, "invalid"]);
    }
  });
});

describe("decode of anything", () => {
  const ip = fc.oneof(
    fc.tuple(fc.ipV4(), fc.ipV4()),
    fc.tuple(fc.constant("2001:db8::5"), fc.constant("fd00::1")),
  );
  const port = fc.integer({ min: 0, max: 65_535 });
  const ends = fc.tuple(ip, port, port).map(([[from, to], fromPort, toPort]): Ends => ({
    source: { ip: from, port: fromPort },
    destination: { ip: to, port: toPort },
  }));
  const tlv: fc.Arbitrary<Tlv> = fc.record({
    type: fc.integer({ min: 0, max: 255 }).filter((type) => type !== TLV.crc32c),
    value: fc.uint8Array({ maxLength: 20 }),
  });
  const header = fc.oneof(
    ends.map(encodeV1),
    fc
      .tuple(ends, fc.array(tlv, { maxLength: 4 }), fc.boolean())
      .map(([both, tlvs, checksum]) => encodeV2(both, tlvs, checksum)),
  );
  const damaged = fc
    .tuple(header, fc.nat(), fc.integer({ min: 0, max: 255 }))
    .map(([bytes, at, value]) => bytes.with(at % bytes.length, value));
  const begun = fc
    .tuple(
      fc.constantFrom(utf8("PROXY "), utf8("PROXY TCP4 "), Uint8Array.from(SIGNATURE)),
      fc.uint8Array({ maxLength: 150 }),
    )
    .map((parts) => concat(parts));
  const anything = fc
    .tuple(fc.oneof(header, damaged, begun, fc.uint8Array()), fc.uint8Array({ maxLength: 30 }))
    .map((parts) => concat(parts));

  test("reads back what was written", () => {
    fc.assert(
      fc.property(ends, fc.array(tlv, { maxLength: 5 }), fc.boolean(), (both, tlvs, checksum) => {
        const bytes = encodeV2(both, tlvs, checksum);
        expect(decode(bytes)).toEqual({
          kind: "header",
          length: bytes.length,
          header: { version: 2, command: "proxy", ends: both, tlvs },
        });
        const line = encodeV1(both);
        expect(decode(line)).toMatchObject({ length: line.length, header: { ends: both } });
      }),
    );
  });

  test("gives for a longer beginning the answer that a shorter one got", () => {
    fc.assert(
      fc.property(anything, (bytes) => {
        const whole = decode(bytes);
        for (let length = 0; length <= bytes.length; length += 1) {
          const part = decode(bytes.subarray(0, length));
          if (part.kind !== "more") expect<unknown>(part).toEqual(whole);
        }
      }),
      { numRuns: 300 },
    );
  });

  test("needs no more bytes than the longest header has", () => {
    fc.assert(
      fc.property(fc.oneof(header, damaged, begun), (bytes) => {
        const filled = concat([bytes, new Uint8Array(MAX_HEADER_BYTES)]);
        expect(decode(filled).kind).not.toBe("more");
      }),
    );
  });

  test("a reader gives the same answer and the same rest for every split", () => {
    fc.assert(
      fc.property(anything, fc.array(fc.nat(60)), (bytes, cuts) => {
        const whole = decode(bytes);
        const reader = new HeaderReader();
        let at = 0;
        for (const cut of [...cuts, bytes.length]) {
          const portion = Buffer.from(bytes.subarray(at, at + cut));
          at += portion.length;
          const reading = reader.push(portion);
          if (reading.kind === "more") continue;
          if (whole.kind === "header" && reading.kind === "header") {
            expect(reading.header).toEqual(whole.header);
            expect(at - reading.rest.length).toBe(whole.length);
            expect(reading.rest.toHex()).toBe(bytes.subarray(whole.length, at).toHex());
          } else {
            expect(reading.kind).toBe("refused");
            expect(["invalid", "other"]).toContain(whole.kind);
          }
          return;
        }
        expect(whole.kind).toBe("more");
      }),
      { numRuns: 500 },
    );
  });

  test("TLVs take their space in a chunk of their own", () => {
    const id = { type: TLV.uniqueId, value: utf8("id") };
    const chunk = Buffer.concat([encodeV2(ENDS4, [id], false), new Uint8Array(1_000)]);
    const decoded = decode(chunk);
    const [read] = decoded.kind === "header" ? decoded.header.tlvs : [];
    expect(read?.value.buffer.byteLength).toBe(2);
    expect(encodeTlvs([id])).toEqual(Uint8Array.of(5, 0, 2, 105, 100));
  });
});
