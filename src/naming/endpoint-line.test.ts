import { describe, expect, test } from "bun:test";
import { isIP } from "node:net";
import fc from "fast-check";
import { parseEndpointLine, readHost } from "./endpoint-line.ts";

describe("parseEndpointLine()", () => {
  test.each([
    ["10.0.0.1 80", "10.0.0.1", 80, 1],
    ["10.0.0.1:80", "10.0.0.1", 80, 1],
    ["web.local 8080 * 1.5", "web.local", 8080, 1.5],
    ["web.local:8080 * 0", "web.local", 8080, 0],
    ["web:80*2", "web", 80, 2],
    ["  web\t80  *  .5 ", "web", 80, 0.5],
    ["a 1 * 1e3", "a", 1, 1000],
    ["1.2.3.4.example:80", "1.2.3.4.example", 80, 1],
    ["web.1 80", "web.1", 80, 1],
    ["127.1 80", "127.1", 80, 1],
    ["1.16777215:80", "1.16777215", 80, 1],
    ["[::1]:80", "::1", 80, 1],
    ["[::1]:80 * 3", "::1", 80, 3],
    ["::1 80", "::1", 80, 1],
    ["[0:0::1] 80", "::1", 80, 1],
    ["FE80::1 65535", "fe80::1", 65_535, 1],
  ])("reads %p", (text, host, port, weight) =>
    expect(parseEndpointLine(text)).toEqual({ host, port, weight }),
  );

  const badPort = "the port must be a number from 1 to 65535";
  const badHost = "the host must be an IP address or a host name";
  const badWeight = "the weight after * must be a number, 0 or more";
  const ipv6 = "an IPv6 address with a port is written [::1]:80";
  test.each([
    ["", "the host is missing"],
    [":80", "the host is missing"],
    ["web", "the port is missing"],
    ["[::1]", "the port is missing"],
    ["web:", badPort],
    ["web 0", badPort],
    ["web:65536", badPort],
    ["web http", badPort],
    ["::1", ipv6],
    ["::1:80", ipv6],
    ["1::2::3:80", ipv6],
    ["we/b 80", badHost],
    ["[web]:80", badHost],
    ["999.1.1.1:80", badHost],
    ["010.0.0.1 80", badHost],
    ["1.2.3.4.5:80", badHost],
    ["1.2.3.4.:80", badHost],
    ["256.1:80", badHost],
    ["1.16777216:80", badHost],
    ["4294967296:80", badHost],
    ["web 80 2", "a weight is written after *, as in host:port * 2"],
    ["web 80 * 1 * 2", "there is more than one *"],
    ["web 80 *", badWeight],
    ["web 80 * -1", badWeight],
    ["web 80 * NaN", badWeight],
    ["web 80 * Infinity", badWeight],
    ["web 80 * 1e999", badWeight],
  ])("refuses %p and says why", (text, problem) =>
    expect(parseEndpointLine(text)).toEqual({ problem }),
  );

  test("reads back any endpoint that is printed in either form", () => {
    const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain());
    const weight = fc.double({ min: 0, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(host, fc.integer({ min: 1, max: 65_535 }), weight, (name, port, share) => {
        const known = readHost(name) ?? "none";
        const inColons = isIP(name) === 6 ? `[${name}]:${port}` : `${name}:${port}`;
        const expected = { host: known, port, weight: Math.abs(share) };
        expect(parseEndpointLine(`${name} ${port} * ${Math.abs(share)}`)).toEqual(expected);
        expect(parseEndpointLine(`${inColons} * ${Math.abs(share)}`)).toEqual(expected);
      }),
    );
  });

  test("gives an endpoint or a problem for any text", () => {
    const pieces = fc.array(fc.constantFrom("1", ":", "[", "]", ".", " ", "*", "a", "%", "-", "0"));
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          pieces.map((parts) => parts.join("")),
        ),
        (text) => {
          const result = parseEndpointLine(text);
          if ("problem" in result) return;
          expect(result.host).not.toBe("");
          expect(result.port).toBeWithin(1, 65_536);
          expect(result.weight).toBeGreaterThanOrEqual(0);
        },
      ),
    );
  });
});
