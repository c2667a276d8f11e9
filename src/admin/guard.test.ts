import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isLoopback, refusalOf } from "./guard.ts";

const LOCAL = { ip: "127.0.0.1", port: 9989 };
const PUBLIC = { ip: "0.0.0.0", port: 9989 };

function ask(method: string, headers: Record<string, string>, bound = LOCAL): string | undefined {
  return refusalOf({ method, headers: new Headers(headers) }, bound);
}

describe("refusalOf() on loopback", () => {
  test.each([
    "localhost:9989",
    "LOCALHOST:9989",
    "127.0.0.1:9989",
    "127.9.8.7:9989",
    "[::1]:9989",
    "[0::1]:9989",
  ])("lets requests for %p pass", (host) => {
    for (const ip of ["127.0.0.1", "::1", "127.0.0.2"])
      expect(ask("GET", { host }, { ip, port: 9989 })).toBeUndefined();
  });

  test.each([
    "evil.example:9989",
    "127.0.0.1.evil.example:9989",
    "localhost.evil.example:9989",
    "localhost:80",
    "localhost",
    "127.0.0.1:9990",
    "10.0.0.1:9989",
    "[::2]:9989",
    "localhost:9989, evil.example",
    "user@localhost:9989",
    "",
    ":9989",
    "[::1:9989",
  ])("refuses requests for %p, whatever the method, and says what to do", (host) => {
    for (const method of ["GET", "HEAD", "POST", "OPTIONS"]) {
      const message = refusalOf(
        { method, headers: { get: (name) => (name === "host" ? host : null) } },
        LOCAL,
      );
      expect(message).toContain("Use one of these addresses");
      expect(message).toContain("localhost:9989, 127.0.0.1:9989 or [::1]:9989");
      expect(message).toContain(JSON.stringify(host));
    }
  });

  test("takes port 80 for meant when the Host names none", () => {
    expect(ask("GET", { host: "localhost" }, { ip: "127.0.0.1", port: 80 })).toBeUndefined();
  });

  test("lets requests without Host pass: no browser makes them", () => {
    expect(ask("GET", {})).toBeUndefined();
    expect(ask("POST", {})).toBeUndefined();
  });

  test("repeats a long Host only in part, and never so that it makes a line of its own", () => {
    const host = "x\n".repeat(5000);
    const message = refusalOf(
      { method: "GET", headers: { get: (name) => (name === "host" ? host : null) } },
      LOCAL,
    );
    expect(message?.length).toBeLessThan(1000);
    expect(message?.trimEnd()).not.toContain("\n");
  });
});

describe("refusalOf() elsewhere", () => {
  test("lets requests under any name pass that change nothing", () => {
    const headers = {
      host: "node7.example:9989",
      origin: "http://evil.example",
      "sec-fetch-site": "cross-site",
    };
    expect(ask("GET", headers, PUBLIC)).toBeUndefined();
    expect(ask("HEAD", headers, PUBLIC)).toBeUndefined();
  });

  test("lets programs POST under any name", () => {
    expect(ask("POST", { host: "node7.example:9989" }, PUBLIC)).toBeUndefined();
  });

  test("trusts no page under a name, as the name may have been rebound", () => {
    const headers = { host: "evil.example:9989", origin: "http://evil.example:9989" };
    expect(ask("POST", headers, PUBLIC)).toContain("Origin");
    const address = { host: "10.0.0.1:9989", origin: "http://10.0.0.1:9989" };
    expect(ask("POST", address, PUBLIC)).toBeUndefined();
  });
});

describe("refusalOf() of a POST", () => {
  test.each([
    "http://localhost:3000",
    "https://localhost:9989",
    "http://127.0.0.1:9989",
    "http://evil.example",
    "null",
    "",
    "http://localhost:9989.evil.example",
    "http://localhost:9989/",
  ])("refuses the foreign Origin %p", (origin) => {
    const headers = { host: "localhost:9989", origin };
    expect(ask("POST", headers)).toContain("from a program such as curl");
    expect(ask("DELETE", headers)).toContain("Origin");
  });

  test("lets our own page pass", () => {
    for (const host of ["localhost:9989", "127.0.0.1:9989", "[::1]:9989"]) {
      const headers = { host, origin: `http://${host}`, "sec-fetch-site": "same-origin" };
      expect(ask("POST", headers)).toBeUndefined();
    }
  });

  test("goes by Sec-Fetch-Site where there is no Origin", () => {
    const from = (site: string): string | undefined =>
      ask("POST", { host: "localhost:9989", "sec-fetch-site": site });
    expect([from("none"), from("same-origin")]).toEqual([undefined, undefined]);
    for (const site of ["cross-site", "same-site", "", "?"])
      expect(from(site)).toContain("Sec-Fetch-Site");
  });

  test("never lets a page pass whose origin is another than the host asked for", () => {
    const names = fc.constantFrom("localhost", "127.0.0.1", "[::1]", "evil.example", "10.0.0.1");
    const ports = fc.constantFrom("", ":80", ":9989", ":3000");
    fc.assert(
      fc.property(
        names,
        ports,
        names,
        ports,
        fc.constantFrom(LOCAL, PUBLIC),
        (a, b, c, d, bound) => {
          const headers = { host: a + b, origin: `http://${c}${d}` };
          if (ask("POST", headers, bound) === undefined)
            expect(headers.origin).toBe(`http://${headers.host}`);
        },
      ),
    );
  });

  test("answers for any headers", () => {
    fc.assert(
      fc.property(fc.string(), fc.dictionary(fc.string(), fc.string()), (method, headers) => {
        const get = (name: string): string | null => headers[name] ?? null;
        expect(["string", "undefined"]).toContain(
          typeof refusalOf({ method, headers: { get } }, LOCAL),
        );
      }),
    );
  });
});

describe("isLoopback()", () => {
  test("knows the addresses that only this machine reaches", () => {
    for (const ip of ["127.0.0.1", "127.255.0.3", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1"])
      expect([ip, isLoopback(ip)]).toEqual([ip, true]);
    for (const ip of ["0.0.0.0", "::", "10.127.0.1", "::ffff:10.0.0.1", "1::1", "localhost", ""])
      expect([ip, isLoopback(ip)]).toEqual([ip, false]);
  });
});
