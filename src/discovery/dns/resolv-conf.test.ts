import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseNameServer, parseResolvConf } from "./resolv-conf.ts";

describe("parseResolvConf()", () => {
  test("reads what resolv.conf(5) describes", () => {
    const text = [
      "# comment",
      "; another",
      "nameserver 10.0.0.53",
      "nameserver\t2001:DB8::53  # the second",
      "nameserver fe80::1%eth0",
      "nameserver 10.0.0.56",
      "domain ignored.test",
      "search a.test b.test.",
      "options ndots:5 timeout:2 attempts:3 rotate edns0",
    ].join("\n");
    expect(parseResolvConf(text)).toEqual({
      servers: [
        { ip: "10.0.0.53", port: 53 },
        { ip: "2001:db8::53", port: 53 },
        { ip: "fe80::1%eth0", port: 53 },
      ],
      search: ["a.test", "b.test."],
      ndots: 5,
      timeoutMs: 2_000,
      attempts: 3,
    });
  });

  test("has the C library's defaults", () => {
    expect(parseResolvConf("")).toEqual({
      servers: [],
      search: [],
      ndots: 1,
      timeoutMs: 5_000,
      attempts: 2,
    });
  });

  test("the last of domain and search counts", () => {
    expect(parseResolvConf("search a b\ndomain c d").search).toEqual(["c"]);
  });

  test("leaves out what it does not understand, and cuts to the limits", () => {
    const text = `nameserver\nnameserver nonsense\nnameserver 10.0.0.1:5353\nsearch ..\nnonsense
options ndots:99 timeout:0 attempts:1000 ndots:x ndots:`;
    expect(parseResolvConf(text)).toEqual({
      servers: [],
      search: [],
      ndots: 15,
      timeoutMs: 1_000,
      attempts: 5,
    });
  });

  test("any text gives a configuration within the limits", () => {
    const word = fc.oneof(
      fc.constantFrom("nameserver", "search", "domain", "options", "ndots:3", "::1", "10.0.0.1"),
      fc.string(),
    );
    const text = fc
      .array(fc.tuple(word, fc.constantFrom(" ", "\n", "\t", "")))
      .map((words) => words.flat().join(""));
    fc.assert(
      fc.property(text, (it) => {
        const { servers, ndots, timeoutMs, attempts } = parseResolvConf(it);
        expect(servers.length).toBeLessThanOrEqual(3);
        expect(ndots >= 0 && ndots <= 15).toBe(true);
        expect(timeoutMs >= 1_000 && timeoutMs <= 30_000).toBe(true);
        expect(attempts >= 1 && attempts <= 5).toBe(true);
      }),
    );
  });
});

describe("parseNameServer()", () => {
  test.each([
    ["10.0.0.1", { ip: "10.0.0.1", port: 53 }],
    ["10.0.0.1:5353", { ip: "10.0.0.1", port: 5353 }],
    ["::1", { ip: "::1", port: 53 }],
    ["[::1]", { ip: "::1", port: 53 }],
    ["[::1]:54", { ip: "::1", port: 54 }],
    ["10.0.0.1:", undefined],
    ["10.0.0.1:0", undefined],
    [":53", undefined],
    ["::1:2:3:4:5:6:7:8:53", undefined],
    ["ns.test:53", undefined],
    ["", undefined],
  ])("%p", (text, expected) => {
    expect(parseNameServer(text)).toEqual(expected);
  });
});
