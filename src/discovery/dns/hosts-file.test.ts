import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { canonicalIp } from "../../lib/address.ts";
import { parseHostsFile } from "./hosts-file.ts";

describe("parseHostsFile()", () => {
  test("gives all addresses of a name, each once, by any of its names", () => {
    const hosts = parseHostsFile(`
127.0.0.1 localhost   # comment
10.0.0.1\tWeb.test web web
10.0.0.2 web.test
10.0.0.1 web.test
::0001 ip6
#10.0.0.3 gone
nonsense name
10.0.0.4`);
    expect([...hosts]).toEqual([
      ["localhost", ["127.0.0.1"]],
      ["web.test", ["10.0.0.1", "10.0.0.2"]],
      ["web", ["10.0.0.1"]],
      ["ip6", ["::1"]],
    ]);
  });

  test("any text gives hosts with addresses", () => {
    const word = fc.oneof(
      fc.constantFrom("10.0.0.1", "::1", "#", "name", "__proto__"),
      fc.string(),
    );
    const text = fc
      .array(fc.tuple(word, fc.constantFrom(" ", "\n", "\t", "\r\n")))
      .map((words) => words.flat().join(""));
    fc.assert(
      fc.property(text, (it) => {
        for (const [name, ips] of parseHostsFile(it)) {
          expect(name).not.toBe("");
          expect(ips.length).toBeGreaterThan(0);
          for (const ip of ips) expect(canonicalIp(ip)).toBe(ip);
        }
      }),
    );
  });
});
