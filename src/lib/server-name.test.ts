// Spellings of server names.
import { describe, expect, test } from "bun:test";
import { comparedName, hostNameOf } from "./server-name.ts";

describe("a server name", () => {
  test.each([
    ["web.test", "web.test"],
    ["WEB.Test.", "web.test"],
    ["_sip.web-1.test", "_sip.web-1.test"],
    ["web.test..", undefined],
    ["-web.test", undefined],
    ["a b.test", undefined],
    ["web.test\u0000.other.test", undefined],
    ["\u00e9.test", undefined],
    // The sign for kelvin, in lower case a k.
    ["ban\u212a.test", undefined],
    [`${"a.".repeat(126)}bc`, undefined],
    [".", undefined],
    ["", undefined],
  ])("%p is the host %p", (name, host) => {
    expect(hostNameOf(name)).toBe(host);
  });

  test("that is no host is compared in lower case, without one dot at its end", () => {
    expect(comparedName("-X-.test.")).toBe("-x-.test");
    expect(comparedName("x.test..")).toBe("x.test.");
    expect(comparedName("\u212a.test")).toBeUndefined();
  });
});
