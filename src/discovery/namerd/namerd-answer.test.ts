import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseNamerdAnswer } from "./namerd-answer.ts";

const addr = (ip: unknown, port: unknown, meta?: unknown) => ({ ip, port, meta });
const bound = (...addrs: readonly unknown[]): string =>
  JSON.stringify({ type: "bound", addrs, meta: {} });

describe("parseNamerdAnswer()", () => {
  test("reads the answers of the reference", () => {
    expect(
      parseNamerdAnswer(
        '{"type":"bound","addrs":[{"ip":"10.0.0.1","port":8080,"meta":{"endpoint_addr_weight":1.5}}],"meta":{"authority":"web.service.dc1.consul"}}',
      ).resolution,
    ).toEqual({ state: "bound", endpoints: [{ ip: "10.0.0.1", port: 8080, weight: 1.5 }] });
    expect(parseNamerdAnswer('{"type":"neg"}').resolution).toEqual({ state: "neg" });
    expect(parseNamerdAnswer('{"type":"pending"}').resolution).toEqual({ state: "pending" });
    expect(
      parseNamerdAnswer('{"type":"failed","cause":"malformed address: foo bar baz"}').resolution,
    ).toEqual({
      state: "failed",
      cause: "namerd could not resolve: malformed address: foo bar baz",
    });
  });

  test("a failure without a cause is a failure", () => {
    expect(parseNamerdAnswer('{"type":"failed"}').resolution.state).toBe("failed");
    expect(parseNamerdAnswer('{"type":"failed","cause":{}}').resolution.state).toBe("failed");
  });

  test("takes meta that is no string, nested or missing", () => {
    const { resolution } = parseNamerdAnswer(
      '{"type":"bound","addrs":[{"ip":"::1","port":1,"meta":{"x":{"y":[1]}}},{"ip":"::2","port":1},{"ip":"::3","port":1,"meta":null}],"meta":{"ssl":true}}',
    );
    expect(resolution).toMatchObject({ state: "bound", endpoints: { length: 3 } });
  });

  test("skips and counts bad addresses, and uses the rest", () => {
    const answer = parseNamerdAnswer(
      bound(addr("web.local", 80), addr("10.0.0.1", 0), null, 7, [], "x", addr("10.0.0.2", 80, {})),
    );
    expect(answer.resolution).toEqual({
      state: "bound",
      endpoints: [{ ip: "10.0.0.2", port: 80, weight: 1 }],
    });
    expect(answer.skipped).toBe(6);
  });

  test("is failed, not empty, when none of the addresses can be used", () => {
    const answer = parseNamerdAnswer(bound(addr("web.local", 80), addr("db.local", 80)));
    expect(answer.resolution).toMatchObject({ state: "failed" });
    expect(answer.garbage).toBe(false);
    expect(answer.skipped).toBe(2);
  });

  test("is bound to nothing when namerd says so", () => {
    expect(parseNamerdAnswer('{"type":"bound","addrs":[]}').resolution).toEqual({
      state: "bound",
      endpoints: [],
    });
  });

  test("keeps an address with an unusable weight and counts it", () => {
    const answer = parseNamerdAnswer(
      '{"type":"bound","addrs":[{"ip":"::1","port":1,"meta":{"endpoint_addr_weight":-3}},{"ip":"::1","port":2,"meta":{"endpoint_addr_weight":1e999}},{"ip":"::1","port":3,"meta":{"endpoint_addr_weight":"2"}}]}',
    );
    expect(answer.resolution).toMatchObject({
      state: "bound",
      endpoints: [{ weight: 1 }, { weight: 1 }, { weight: 1 }],
    });
    expect(answer.repaired).toBe(3);
  });

  test.each([
    "",
    "boom",
    "null",
    "[]",
    "7",
    '"bound"',
    "{}",
    '{"type":7}',
    '{"type":"bound"}',
    '{"type":"bound","addrs":{}}',
    '{"type":"bound","addrs":"x"}',
    '{"type":"bound","addrs":[',
    '{"__proto__":{"type":"neg"}}',
  ])("takes %j as garbage, which is a failure", (text) => {
    const answer = parseNamerdAnswer(text);
    expect(answer.resolution.state).toBe("failed");
    expect(answer.garbage).toBe(true);
  });

  test("does not fall over a million brackets", () => {
    expect(parseNamerdAnswer("[".repeat(1_000_000)).resolution.state).toBe("failed");
    const deep = `{"type":"bound","addrs":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
    expect(parseNamerdAnswer(deep).resolution.state).toBe("failed");
  });

  test("shows the error line of a stream to people", () => {
    expect(parseNamerdAnswer("boom").resolution).toEqual({
      state: "failed",
      cause: "namerd answered: boom",
    });
  });

  test("gives a value for any text", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: fc.nat({ max: 0xffff }).map((code) => String.fromCharCode(code)) }),
          fc.json(),
        ),
        (text) => {
          expect(["bound", "neg", "pending", "failed"]).toContain(
            parseNamerdAnswer(text).resolution.state,
          );
        },
      ),
    );
  });

  test("gives a value for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const { resolution } = parseNamerdAnswer(new TextDecoder().decode(bytes));
        expect(resolution.state).toBe("failed");
      }),
    );
  });

  test("gives a value for any answer that has the right shape and wrong values", () => {
    const anything = fc.jsonValue();
    fc.assert(
      fc.property(
        fc.array(fc.record({ ip: anything, port: anything, meta: anything }, { requiredKeys: [] })),
        (addrs) => {
          const { resolution } = parseNamerdAnswer(bound(...addrs));
          expect(resolution.state).toBe(addrs.length === 0 ? "bound" : resolution.state);
        },
      ),
    );
  });
});
