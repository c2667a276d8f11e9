// Hellos of OpenSSL, of Bun's own TLS client and hand-made ones, cut in every way.
import { describe, expect, test } from "bun:test";
import { connect } from "node:tls";
import { Duplex } from "node:stream";
import fc from "fast-check";
import {
  extension,
  helloMessage as message,
  host,
  named,
  offering,
  recordsOf as records,
  u16,
  u8,
  u24,
  vector16,
  vector8,
} from "../../../test/support/tls/hello-bytes.ts";
import { type ClientHello, HelloReader, readClientHello } from "./client-hello.ts";
import { LONGEST_HELLO_BYTES, MOST_BYTES_READ } from "./hello-records.ts";

const versions = (...list: number[]) =>
  extension(43, vector8(Buffer.concat(list.map((version) => u16(version)))));

function hello(bytes: Uint8Array): ClientHello {
  const read = readClientHello(bytes);
  if (read.kind !== "hello") throw new Error(JSON.stringify(read));
  return read.hello;
}

/** The first bytes that Bun's TLS client sends. */
async function bunHello(options: { servername?: string; ALPNProtocols?: string[] }) {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const wire = new Duplex({
    read() {},
    write: (chunk: Buffer) => resolve(Buffer.from(chunk)),
  });
  const socket = connect({ socket: wire, ...options }).on("error", () => {});
  const bytes = await promise;
  socket.destroy();
  return bytes;
}

/** What OpenSSL sends, as Python's standard library drives it. */
async function opensslHello(name: string | null, protocols: readonly string[], highest: string) {
  const script = `
import ssl, sys
context = ssl.create_default_context()
context.check_hostname = False
context.maximum_version = ssl.TLSVersion.${highest}
if ${protocols.length}: context.set_alpn_protocols(${JSON.stringify(protocols)})
out = ssl.MemoryBIO()
end = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=${name === null ? "None" : JSON.stringify(name)})
try: end.do_handshake()
except ssl.SSLWantReadError: pass
sys.stdout.buffer.write(out.read())`;
  return Buffer.from(await Bun.$`python3 -c ${script}`.quiet().arrayBuffer());
}

describe("readClientHello reads", () => {
  test.skipIf(Bun.which("python3") === null)("what OpenSSL sends", async () => {
    expect(hello(await opensslHello("Web.Example.com", ["h2", "http/1.1"], "TLSv1_3"))).toEqual({
      serverName: "web.example.com",
      alpn: ["h2", "http/1.1"],
      version: 0x0304,
      isOuter: false,
    });
    expect(hello(await opensslHello(null, [], "TLSv1_2"))).toEqual({
      serverName: undefined,
      alpn: [],
      version: 0x0303,
      isOuter: false,
    });
  });

  test("what Bun's client sends, with its post-quantum key share", async () => {
    const bytes = await bunHello({ servername: "a.example", ALPNProtocols: ["x/1"] });
    expect(bytes.length).toBeGreaterThan(1_200);
    expect(hello(bytes)).toMatchObject({ serverName: "a.example", alpn: ["x/1"], version: 0x0304 });
  });

  test("one without extensions, and one whose extensions mean nothing", () => {
    const empty = { serverName: undefined, alpn: [], version: 0x0303, isOuter: false };
    expect(hello(records(message()))).toEqual(empty);
    const grease = extension(0x0a0a, u8(1, 2, 3));
    expect(hello(records(message(grease, versions(0x7a7a, 0x0303, 0x0302))))).toEqual(empty);
  });

  test("the outer name where the true hello is encrypted", () => {
    const ech = extension(0xfe0d, Buffer.concat([u8(0), Buffer.alloc(200, 9)]));
    expect(hello(records(message(ech, named("public.example"))))).toMatchObject({
      serverName: "public.example",
      isOuter: true,
    });
  });

  test.each([
    ["EXAMPLE.com.", "example.com"],
    ["_sip.example", "_sip.example"],
    ["127.0.0.1", "127.0.0.1"],
    ["a b", undefined],
    ["x/../y", undefined],
    ["-a.example", undefined],
    ["", undefined],
    ["a..b", undefined],
    [`${"a".repeat(64)}.example`, undefined],
    ["é.example", undefined],
  ])("the name %p as %p", (name, expected) => {
    expect(hello(records(message(named(name)))).serverName).toBe(expected);
  });

  test("no protocol that is there to mean nothing", () => {
    expect(hello(records(message(offering(["\n\n", "zz", "xx", "h2"])))).alpn).toEqual([
      "xx",
      "h2",
    ]);
  });

  test("nothing of what comes behind the hello", () => {
    const bytes = Buffer.concat([records(message(named("a.example"))), Buffer.from("early data")]);
    expect(hello(bytes).serverName).toBe("a.example");
    const joined = Buffer.concat([message(named("a.example")), u8(11, 0, 0, 0)]);
    expect(hello(records(joined)).serverName).toBe("a.example");
  });
});

describe("readClientHello refuses", () => {
  test.each(["GET / HTTP/1.1\r\n", "SSH-2.0-x\r\n", "\u0000", "\u0080\u002e\u0001"])(
    "%p as no TLS",
    (text) => {
      expect(readClientHello(Buffer.from(text, "latin1")).kind).toBe("not_tls");
    },
  );

  const good = message(named("a.example"), offering(["h2"]));
  test.each<[string, Buffer]>([
    [
      "a record of another kind",
      Buffer.concat([records(good).subarray(0, 5), u8(1), u8(21, 3, 3, 0, 2)]),
    ],
    ["an empty record", u8(22, 3, 1, 0, 0)],
    ["a record that is too long", u8(22, 3, 1, 0x40, 1)],
    ["another handshake message", records(Buffer.concat([u8(2), u24(4), Buffer.alloc(4)]))],
    ["a hello that is too long", records(Buffer.concat([u8(1), u24(LONGEST_HELLO_BYTES + 1)]))],
    [
      "two names in a list",
      records(message(extension(0, vector16(Buffer.concat([host("a"), host("b")]))))),
    ],
    [
      "bytes after the list of names",
      records(message(extension(0, Buffer.concat([vector16(host("a")), host("b")])))),
    ],
    [
      "bytes after the list of protocols",
      records(message(extension(16, Buffer.concat([vector16(vector8(u8(65))), u8(0)])))),
    ],
    ["two names", records(message(named("a.example"), named("b.example")))],
    ["an extension that ends in the next", records(message(Buffer.concat([u16(16), u16(90)])))],
    ["a name that is cut off", records(message(extension(0, u8(0, 9, 0, 0, 9, 65))))],
    ["bytes after the extensions", records(trailing(good))],
    ["a message that ends early", records(Buffer.concat([u8(1), u24(3), u8(3, 3, 0)]))],
  ])("%s", (_, bytes) => {
    expect(readClientHello(bytes).kind).toBe("malformed");
  });

  function trailing(whole: Buffer): Buffer {
    const body = Buffer.concat([whole.subarray(4), u8(0)]);
    return Buffer.concat([u8(1), u24(body.length), body]);
  }
});

describe("readClientHello of anything", () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 30 });

  test("waits until the hello is whole, however it is cut into records and segments", () => {
    const whole = message(named("a.example"), extension(21, Buffer.alloc(2_000)), offering(["h2"]));
    fc.assert(
      fc.property(sizes, fc.integer({ min: 0, max: 2_500 }), (cuts, end) => {
        const bytes = records(whole, cuts);
        const part = readClientHello(bytes.subarray(0, Math.min(end, bytes.length - 1)));
        expect(part.kind).toBe("more");
        expect(hello(bytes)).toMatchObject({ serverName: "a.example", alpn: ["h2"] });
      }),
    );
  });

  test("gives an answer, and for a longer beginning the same unless it waited", () => {
    const flipped = fc
      .tuple(fc.nat({ max: 300 }), fc.nat({ max: 255 }), sizes)
      .map(([at, value, cuts]) => {
        const bytes = records(
          message(named("a.example"), offering(["h2"]), versions(0x0304)),
          cuts,
        );
        bytes[at % bytes.length] = value;
        return bytes;
      });
    const any = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
      flipped,
    );
    fc.assert(
      fc.property(any, (bytes) => {
        let before = readClientHello(bytes.subarray(0, 0));
        for (let end = 1; end <= bytes.length; end += 1) {
          const now = readClientHello(bytes.subarray(0, end));
          if (before.kind !== "more") expect(now).toEqual(before);
          before = now;
        }
      }),
      { numRuns: 300 },
    );
  });

  test("is the same whatever portions it comes in, and all bytes are kept as they came", () => {
    const any = fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      sizes.map((cuts) => records(message(named("a.example"), offering(["h2"])), cuts)),
    );
    fc.assert(
      fc.property(any, fc.array(fc.integer({ min: 1, max: 60 })), (bytes, portions) => {
        const reader = new HelloReader();
        let at = 0;
        let read = reader.push(bytes.subarray(0, 0));
        for (const size of [...portions, bytes.length]) {
          if (read.kind !== "more" || at >= bytes.length) break;
          read = reader.push(bytes.subarray(at, at + size));
          at = Math.min(bytes.length, at + size);
        }
        expect(Buffer.from(reader.bytes)).toEqual(Buffer.from(bytes.subarray(0, at)));
        expect(read).toEqual(readClientHello(bytes.subarray(0, at)));
      }),
      { numRuns: 300 },
    );
  });

  test("takes no longer for a hello in thousands of records, a byte at a time", () => {
    const cut = records(
      message(extension(21, Buffer.alloc(5_000))),
      Array.from({ length: 5_200 }, () => 1),
    );
    expect(cut.length).toBeLessThan(MOST_BYTES_READ);
    const reader = new HelloReader();
    const startedMs = performance.now();
    let read = reader.push(cut.subarray(0, 1));
    for (let at = 1; at < cut.length; at += 1) read = reader.push(cut.subarray(at, at + 1));
    expect(read.kind).toBe("hello");
    // Each portion looked at anew from the first byte would be half a billion bytes: seconds.
    expect(performance.now() - startedMs).toBeLessThan(1_000);
  });

  test("never keeps more than the longest hello can need", () => {
    const reader = new HelloReader();
    const long = records(
      Buffer.concat([u8(1), u24(LONGEST_HELLO_BYTES), Buffer.alloc(LONGEST_HELLO_BYTES)]),
      Array.from({ length: 16_384 }, () => 1),
    );
    let fed = 0;
    while (reader.push(long.subarray(fed, fed + 100)).kind === "more") fed += 100;
    expect(fed).toBeLessThan(MOST_BYTES_READ);
    expect(reader.bytes.buffer.byteLength).toBeLessThanOrEqual(MOST_BYTES_READ + 100);
  });

  test("never waits for more than the longest hello can need", () => {
    const tiny = Buffer.concat(Array.from({ length: 20_000 }, () => u8(22, 3, 1, 0, 1, 1)));
    expect(readClientHello(tiny).kind).toBe("malformed");
  });
});
