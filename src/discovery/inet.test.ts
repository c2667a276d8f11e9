import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { inetEndpoint, labelsOf } from "./inet.ts";

describe("inetEndpoint()", () => {
  test.each([
    ["/$/inet/127.1/8080", "127.1", 8080],
    ["/$/inet/10.0.0.1/80", "10.0.0.1", 80],
    ["/$/inet/10.0.0.1/80/rest/of/it", "10.0.0.1", 80],
    ["/$/inet/web.example/443", "web.example", 443],
    ["/$/inet/::1/80", "::1", 80],
    ["/$/inet/0:0:0:0:0:0:0:1/80", "::1", 80],
    ["/$/inet/localhost/80", "localhost", 80],
    ["/$/inet/8080", "localhost", 8080],
  ])("reads %s", (path, host, port) => {
    expect(inetEndpoint(labelsOf(path) ?? [])).toEqual({ host, port, weight: 1 });
  });

  test.each([
    "/",
    "/$",
    "/$/inet",
    "/$/inet/web",
    "/$/inet/web/http",
    "/$/inet/web/0",
    "/$/inet/web/65536",
    "/$/inet/a\\x20b/80",
    "/$/nil",
    "/svc/web",
    "/inet/web/80",
    "/#/inet/web/80",
  ])("takes %s for something else", (path) => {
    expect(inetEndpoint(labelsOf(path) ?? [])).toBeUndefined();
  });

  test("never throws", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), fc.ipV6(), fc.constant("80"))), (labels) => {
        inetEndpoint(["$", "inet", ...labels]);
        labelsOf(`/${labels.join("/")}`);
      }),
    );
  });
});
