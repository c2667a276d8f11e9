import { describe, expect, test } from "bun:test";
import { configFrom, problemsIn } from "../../test/support/config-text.ts";
import { clientFor } from "./client-for.ts";
import { checkSecurity, isRoleCheck, withoutSecrets } from "./health-check.ts";
import type { HealthCheckConfig } from "./health-types.ts";
import type { DestinationConfig } from "./types.ts";

const FILES = {
  "/etc/l5d/secret": "pass word\n",
  "/etc/l5d/empty": "\n",
  "/etc/l5d/two": "a\nb\n",
};

/** A file with these keys of `client`. */
const file = (client: string): string => `
routers:
  - label: r
    interpreter: {kind: io.l5d.static, names: {/svc/web: [127.0.0.1:1]}}
    servers: [{port: 1, dstName: /svc/web}]
    client: {kind: io.l5d.global, ${client}}
`;

function client(text: string): DestinationConfig {
  return clientFor(configFrom(file(text), FILES).routers[0]?.client ?? [], "/svc/web");
}

function health(text: string): HealthCheckConfig {
  const { healthCheck } = client(`healthCheck: ${text}`);
  if (healthCheck === undefined) throw new Error("there is no health check");
  return healthCheck;
}

describe("healthCheck", () => {
  test("has defaults", () => {
    expect(health("{kind: tcp}")).toEqual({
      check: { kind: "tcp" },
      intervalMs: 5_000,
      timeoutMs: 2_000,
      rise: 2,
      fall: 3,
      port: undefined,
      initially: "healthy",
      onUnhealthy: "keep",
      tls: undefined,
    });
    expect(client("maxWaiters: 1").healthCheck).toBeUndefined();
  });

  test("has others for roles, which a file may change", () => {
    const role = { rise: 1, fall: 3, initially: "unhealthy", onUnhealthy: "cut" };
    expect(health("{kind: postgres, user: u}")).toMatchObject({
      ...role,
      check: { role: "primary", database: "postgres" },
    });
    expect(health("{kind: redis}")).toMatchObject({ ...role, check: { role: "master" } });
    expect(health("{kind: redis, role: replica}")).toMatchObject(role);
    expect(health("{kind: redis, role: any}")).toMatchObject({
      rise: 2,
      initially: "healthy",
      onUnhealthy: "keep",
    });
    const changed = { rise: 7, initially: "healthy", onUnhealthy: "drain" };
    expect(health("{kind: redis, rise: 7, initially: healthy, onUnhealthy: drain}")).toMatchObject(
      changed,
    );
  });

  test("knows which checks are of roles", () => {
    expect(
      ["{kind: redis}", "{kind: postgres, user: u, role: replica}"].map((text) =>
        isRoleCheck(health(text)),
      ),
    ).toEqual([true, true]);
    expect(
      ["{kind: redis, role: any}", "{kind: tcp}"].map((text) => isRoleCheck(health(text))),
    ).toEqual([false, false]);
    expect(isRoleCheck(undefined)).toBe(false);
  });

  test("reads what is sent, what is expected, and status codes", () => {
    expect(health("{kind: exchange, send: \"PING\\r\\n\", expect: '+P\\x4f\\r\\n'}").check).toEqual(
      {
        kind: "exchange",
        send: new Uint8Array(Buffer.from("PING\r\n")),
        expect: { kind: "prefix", bytes: new Uint8Array(Buffer.from("+PO\r\n")) },
      },
    );
    expect(health("{kind: exchange, expect: /^220 .*smtp/i}").check).toMatchObject({
      send: undefined,
      expect: { kind: "pattern", source: "^220 .*smtp", ignoreCase: true },
    });
    expect(health("{kind: exchange, expect: /etc}").check).toMatchObject({
      expect: { kind: "prefix" },
    });
    expect(health("{kind: http, expectStatus: [204, 3xx, 400-404]}").check).toMatchObject({
      path: "/",
      expectStatus: [
        { from: 204, to: 204 },
        { from: 300, to: 399 },
        { from: 400, to: 404 },
      ],
    });
  });

  test("reads passwords from files, and does not give them to those who do not check", () => {
    const read = health("{kind: redis, user: u, passwordFile: secret}");
    expect(read.check).toMatchObject({ user: "u", password: "pass word" });
    expect(withoutSecrets(read)).toMatchObject({ check: { user: "u", password: undefined } });
    expect(JSON.stringify(withoutSecrets(read))).not.toContain("pass word");
    expect(withoutSecrets(health("{kind: tcp}"))).toEqual(health("{kind: tcp}"));
  });

  test("speaks as connections do, to the same port", () => {
    const connections = "tls: {dnsName: web.local}, proxyProtocol: {version: 2}";
    const security = (text: string) => {
      const settings = client(`${connections}, healthCheck: ${text}`);
      const { tls, asksForTls, proxyProtocol } = checkSecurity(
        settings.healthCheck as HealthCheckConfig,
        settings,
      );
      return [tls?.dnsName, asksForTls, proxyProtocol?.version];
    };
    expect(security("{kind: http}")).toEqual(["web.local", false, 2]);
    expect(security("{kind: tcp}")).toEqual([undefined, false, 2]);
    expect(security("{kind: http, port: 81}")).toEqual([undefined, false, undefined]);
    expect(security("{kind: http, port: 81, tls: {dnsName: x.local}}")).toEqual([
      "x.local",
      false,
      undefined,
    ]);
    expect(security("{kind: http, tls: none}")).toEqual([undefined, false, 2]);
    expect(security("{kind: postgres, user: u}")).toEqual(["web.local", false, 2]);
    expect(security("{kind: postgres, user: u, tls: {dnsName: db.local}}")).toEqual([
      "db.local",
      true,
      2,
    ]);
  });

  test.each([
    ["{}", 'expected one of "tcp", "tls", "exchange", "http", "postgres", "redis"'],
    ["{kind: ldap}", 'expected one of "tcp"'],
    ["{kind: postgre, user: u}", 'did you mean "postgres"?'],
    ["{kind: tcp, rise: 0}", "expected a whole number, 1 or more, found 0"],
    ["{kind: tcp, fall: 0}", "expected a whole number, 1 or more, found 0"],
    ["{kind: tcp, intervalMs: 0}", "expected a whole number of milliseconds, 1 or more"],
    ["{kind: tcp, port: 70000}", "expected a port from 1 to 65535, or 0 for the endpoint's own"],
    ["{kind: tcp, initially: up}", "expected healthy or unhealthy"],
    ["{kind: tcp, onUnhealthy: close}", "expected keep, drain or cut"],
    ["{kind: tcp, send: x}", "unknown key"],
    ["{kind: tcp, tls: false}", "expected an object with dnsName, or none"],
    [
      "{kind: tls}",
      "the healthCheck of kind tls needs a name to verify for /svc/web: give healthCheck.tls",
    ],
    ["{kind: exchange, send: x}", "expect: missing: expected how the reply begins"],
    ["{kind: exchange, expect: ''}", "every reply begins so"],
    ["{kind: exchange, expect: '\\q'}", "\\q stands for nothing"],
    ["{kind: exchange, expect: /a(/}", "a ) is missing"],
    ["{kind: exchange, expect: x, send: '\\x1'}", "\\x stands for nothing"],
    ["{kind: http, path: health}", "it must begin with /"],
    ["{kind: http, path: '/a b'}", "must be encoded as %NN"],
    ["{kind: http, host: 'a b'}", "expected a host such as web.example.com"],
    ["{kind: http, host: 'a:0x'}", "expected a host such as web.example.com"],
    ["{kind: http, expectStatus: [600]}", "expected status codes such as 200, 2xx or 200-399"],
    ["{kind: http, expectStatus: [399-200]}", "expected status codes"],
    ["{kind: http, expectStatus: []}", "expected a list of status codes"],
    ["{kind: postgres}", "user: missing: expected the name of a PostgreSQL user"],
    ["{kind: postgres, user: u, role: master}", "expected primary, replica or any"],
    ["{kind: postgres, user: u, passwordFile: none}", "none: there is no such file"],
    [
      "{kind: postgres, user: u, passwordFile: empty}",
      "expected a password in one line, and it is empty",
    ],
    [
      "{kind: redis, passwordFile: two}",
      "expected a password in one line, and it has several lines",
    ],
    ["{kind: redis, user: u}", "a Redis user logs in with a password: give passwordFile"],
  ])("refuses %s", (text, problem) => {
    const problems = problemsIn(file(`healthCheck: ${text}`), FILES);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(problem);
  });
});
