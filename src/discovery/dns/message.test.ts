import { describe, expect, test } from "bun:test";
import { decode, encode } from "dns-packet";
import fc from "fast-check";
import { a, aaaa, cname, soa, srv } from "../../../test/support/fake-dns.ts";
import { canonicalIp } from "../../lib/address.ts";
import {
  type DnsRecord,
  encodeQuery,
  isDnsName,
  normalName,
  parseMessage,
  rcodeName,
} from "./message.ts";

const ANSWER = encode({
  type: "response",
  id: 4711,
  questions: [{ type: "SRV", name: "_http._tcp.Web.test" }],
  answers: [
    srv("_http._tcp.web.test", "A.test", { port: 8080, priority: 1, weight: 5, ttl: 7 }),
    cname("x.test", "y.test"),
    { type: "TXT", name: "web.test", data: "hello" },
    { type: "A", name: "chaos.test", class: "CH", data: "10.0.0.1" },
  ],
  authorities: [soa("test", 600, 30)],
  additionals: [a("a.test", "10.0.0.1", 9), aaaa("a.test", "2001:db8:0::1", 2 ** 31)],
});

const parsed = (bytes: Uint8Array) => {
  const result = parseMessage(bytes);
  if (!result.ok) throw new Error(result.problem);
  return result.message;
};

describe("parseMessage()", () => {
  test("gives the records there is a use for, with names that compare", () => {
    expect(parsed(ANSWER)).toEqual({
      id: 4711,
      isResponse: true,
      truncated: false,
      rcode: 0,
      questions: [{ name: "_http._tcp.web.test", type: "SRV" }],
      answers: [
        {
          type: "SRV",
          name: "_http._tcp.web.test",
          ttlMs: 7_000,
          priority: 1,
          weight: 5,
          port: 8080,
          target: "a.test",
        },
        { type: "CNAME", name: "x.test", ttlMs: 60_000, target: "y.test" },
      ],
      authorities: [{ type: "SOA", name: "test", ttlMs: 600_000, minimumMs: 30_000 }],
      additionals: [
        { type: "A", name: "a.test", ttlMs: 9_000, ip: "10.0.0.1" },
        // RFC 2181 §8: the highest bit set is 0.
        { type: "AAAA", name: "a.test", ttlMs: 0, ip: "2001:db8::1" },
      ],
    });
  });

  test("puts the two halves of the response code together", () => {
    const bytes = encode({
      type: "response",
      flags: 0x200,
      additionals: [
        {
          type: "OPT",
          name: ".",
          udpPayloadSize: 512,
          extendedRcode: 1,
          ednsVersion: 0,
          flags: 0,
          flag_do: false,
          options: [],
        },
      ],
    });
    const { rcode, truncated } = parsed(bytes);
    expect({ rcode, truncated, name: rcodeName(rcode) }).toEqual({
      rcode: 16,
      truncated: true,
      name: "the error code 16",
    });
    expect(rcodeName(5)).toBe("REFUSED");
  });

  test("says what is wrong with what is no message", () => {
    expect(parseMessage(new Uint8Array())).toEqual({
      ok: false,
      problem: "Header must be 12 bytes",
    });
    for (let length = 0; length < ANSWER.length; length++) {
      expect(parseMessage(ANSWER.subarray(0, length)).ok).toBe(false);
    }
  });

  test("any bytes, and any message that was damaged, give a message or a problem", () => {
    const damaged = fc
      .array(fc.tuple(fc.nat(ANSWER.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 })
      .map((changes) => {
        const bytes = Uint8Array.from(ANSWER);
        for (const [at, value] of changes) bytes[at] = value;
        return bytes;
      });
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 600 }), damaged);
    let messages = 0;
    fc.assert(
      fc.property(bytes, (input) => {
        const result = parseMessage(input);
        if (!result.ok) return expect(result.problem).not.toBe("");
        messages++;
        const { answers, authorities, additionals } = result.message;
        for (const record of [...answers, ...authorities, ...additionals]) expectUsable(record);
      }),
      { numRuns: 5_000 },
    );
    // Otherwise only the head of the decoder was tried.
    expect(messages).toBeGreaterThan(500);
  });

  test("pointers that lead in circles or nowhere end", () => {
    for (const target of [12, 0, 40, 0x3fff]) {
      const bytes = new Uint8Array(20);
      bytes.set([0, 1, 0x80, 0, 0, 1], 0);
      bytes.set([0xc0 | (target >> 8), target & 255, 0, 1, 0, 1], 12);
      parseMessage(bytes);
    }
  });
});

function expectUsable(record: DnsRecord): void {
  const ttls = record.type === "SOA" ? [record.ttlMs, record.minimumMs] : [record.ttlMs];
  for (const ttlMs of ttls) {
    expect(ttlMs).toBeGreaterThanOrEqual(0);
    expect(ttlMs).toBeLessThan(2 ** 31 * 1_000);
  }
  expect(record.name).toBe(normalName(record.name));
  if (record.type === "A" || record.type === "AAAA") {
    expect(canonicalIp(record.ip)).toBe(record.ip);
  }
  if (record.type !== "SRV") return;
  for (const value of [record.port, record.weight, record.priority]) {
    expect(Number.isInteger(value) && value >= 0 && value <= 65_535).toBe(true);
  }
}

describe("encodeQuery()", () => {
  test("asks one question, recursively, with or without room for large answers", () => {
    for (const edns of [true, false]) {
      const query = decode(Buffer.from(encodeQuery(7, { name: "Web.test.", type: "AAAA" }, edns)));
      expect(query).toMatchObject({
        id: 7,
        type: "query",
        flag_rd: true,
        questions: [{ name: "Web.test", type: "AAAA", class: "IN" }],
      });
      const [opt] = query.additionals ?? [];
      expect(opt?.type === "OPT" ? opt.udpPayloadSize : undefined).toBe(edns ? 1_232 : undefined);
    }
  });

  test("any name that is one comes back as it was", () => {
    const label = fc
      .array(fc.integer({ min: 0x21, max: 0x7e }), { minLength: 1, maxLength: 63 })
      .map((codes) => String.fromCharCode(...codes).replaceAll(".", "-"));
    const name = fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => labels.join("."));
    fc.assert(
      fc.property(name.filter(isDnsName), (text) => {
        const query = parsed(encodeQuery(1, { name: text, type: "SRV" }, true));
        expect(query.questions).toEqual([{ name: normalName(text), type: "SRV" }]);
      }),
    );
  });
});

describe("isDnsName()", () => {
  test.each([
    ["web", true],
    ["web.test.", true],
    ["_http._tcp.web.test", true],
    ["x".repeat(63), true],
    [`${"abcdefg.".repeat(31)}abcde`, true],
    ["", false],
    [".", false],
    ["a..b", false],
    [".a", false],
    ["a..", false],
    ["x".repeat(64), false],
    ["a b", false],
    ["a\0b", false],
    ["ä.test", false],
    ["abcdefg.".repeat(32), false],
  ])("%p: %p", (text, expected) => {
    expect(isDnsName(text)).toBe(expected);
  });
});
