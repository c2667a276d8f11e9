import { describe, expect, test } from "bun:test";
import { systemHostLookup } from "./host-lookup.ts";

describe("systemHostLookup()", () => {
  test("takes localhost for 127.0.0.1, as namerd does", async () => {
    for (const name of ["localhost", "LocalHost"]) {
      expect(await systemHostLookup(name)).toEqual({ state: "found", ips: ["127.0.0.1"] });
    }
  });

  test("reads short forms of IPv4 addresses", async () => {
    expect(await systemHostLookup("127.1")).toEqual({ state: "found", ips: ["127.0.0.1"] });
  });

  test("gives a value for names that cannot be", async () => {
    for (const name of ["x".repeat(300), "foo\0bar", "a..b", "-"]) {
      expect((await systemHostLookup(name)).state).not.toBe("found");
    }
  });
});
