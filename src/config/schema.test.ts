// A table for each kind of field: what a wrong value is told, and where.
import { describe, expect, test } from "bun:test";
import { loadConfigText, problemsIn } from "../../test/support/config-text.ts";

/** A good document, as JSON, into which `value` is put at `path`; `undefined` removes what is there. */
function documentWith(path: string, value: unknown): string {
  const document = {
    admin: {},
    routers: [
      {
        label: "a",
        interpreter: { kind: "io.l5d.namerd.http", baseUrl: "http://namerd:4180" },
        servers: [{ port: 1, dstName: "/svc/a" }],
        client: { kind: "io.l5d.global" },
      },
    ],
  };
  const steps = path.split(".");
  const last = steps.pop() ?? "";
  let target: Record<string, unknown> = document;
  for (const step of steps) target = (target[step] ??= {}) as Record<string, unknown>;
  target[last] = value;
  return JSON.stringify(document);
}

/** The one problem, without its file and place. */
function problemWith(path: string, value: unknown): string | undefined {
  const problems = problemsIn(documentWith(path, value)).map((line) =>
    line.replace(/^l5d\.yml:\d+:\d+: error: /, ""),
  );
  expect(problems.length).toBeLessThanOrEqual(1);
  return problems[0];
}

const ROUTER = "routers.0";
const SERVER = "routers.0.servers.0";
const CLIENT = "routers.0.client";
const STATIC = "routers.0.interpreter";

/** `routers.0.label` as problems print it. */
function printed(path: string): string {
  return path.replace(/\.(\d+)/g, "[$1]");
}

describe("whole numbers", () => {
  const port = "a port from 0 to 65535";
  const limitMs = "a whole number of milliseconds, or 0 for no limit";
  const limitSecs = "a whole number of seconds, or 0 for no limit";
  const oneOrMore = "a whole number, 1 or more";
  const noSeconds = "a whole number of seconds, 0 or more";
  const workers = "a whole number from 1 to 1024, or auto";
  test.each([
    ["admin.port", port, [-1, 65_536, 1.5, "x", true, [], {}]],
    ["admin.graceSecs", noSeconds, [-1, 0.5, "x"]],
    ["admin.metricsIntervalSecs", noSeconds, [-1, 0.5, "x"]],
    ["bufferSizeBytes", oneOrMore, [0, -1, 1.5, 1e300]],
    ["workers", workers, [0, 1025, 1.5, "many", true, []]],
    [`${SERVER}.port`, port, [-1, 65_536, "http"]],
    [`${SERVER}.connectTimeoutMs`, limitMs, [-1, 0.5, "10s"]],
    [`${SERVER}.connectionLifetimeSecs`, limitSecs, [-1, "1h"]],
    [`${SERVER}.idleTimeoutSecs`, limitSecs, [-1, "1h"]],
    [`${SERVER}.maxConcurrency`, oneOrMore, [0, -1, "x"]],
    [`${ROUTER}.interpreter.periodSecs`, "a whole number of seconds, 1 or more", [0, 1.5]],
    [`${ROUTER}.interpreter.requestTimeoutMs`, "a whole number of milliseconds, 1 or more", [0]],
    [`${CLIENT}.connectTimeoutMs`, limitMs, [-1, "x"]],
    [`${CLIENT}.maxWaiters`, oneOrMore, [0, 1.5]],
    [`${CLIENT}.minConnections`, "a whole number, 0 or more", [-1, 1.5]],
    [`${CLIENT}.failFast.maxConsecutiveFailures`, oneOrMore, [0]],
    [`${CLIENT}.failFast.failurePenaltySecs`, noSeconds, [-1]],
  ])("%s must be %s", (path, expected, values) => {
    for (const value of values) {
      expect(problemWith(path, value)).toStartWith(
        `${printed(path)}: expected ${expected}, found `,
      );
    }
  });

  test("are refused in quotes, with a hint", () => {
    expect(problemWith(`${SERVER}.port`, "7474")).toBe(
      'routers[0].servers[0].port: expected a port from 0 to 65535, found "7474": it must be a number, without quotes',
    );
  });

  test("have no upper limit where they are lengths of time", () => {
    for (const key of ["connectTimeoutMs", "connectionLifetimeSecs", "idleTimeoutSecs"]) {
      expect(problemWith(`${SERVER}.${key}`, 1e12)).toBeUndefined();
    }
  });
});

describe("texts", () => {
  const ip = "an IP address such as 127.0.0.1, 0.0.0.0 or ::1";
  const url = "an http or https URL such as http://localhost:4180";
  const path = "a path such as /svc/web";
  test.each([
    [
      "admin.ip",
      "localhost",
      `${ip}, found "localhost": a host name is not enough; write 127.0.0.1`,
    ],
    ["admin.ip", "1.2.3", `${ip}, found "1.2.3"`],
    ["admin.ip", 1, `${ip}, found 1: put it in quotes`],
    [`${SERVER}.ip`, "::1::", `${ip}, found "::1::"`],
    [`${SERVER}.dstName`, "svc/a", `${path}, found "svc/a": it must begin with /`],
    [`${SERVER}.dstName`, "/svc/a/", `${path}, found "/svc/a/": it must not end in /`],
    [`${SERVER}.dstName`, "", `${path}, found ""`],
    [`${SERVER}.dstName`, " /svc", `${path}, found " /svc": white space surrounds it`],
    [
      `${SERVER}.dstName`,
      "/a{b}",
      `${path}, found "/a{b}": there is no {b}; it may have {sni}, the name that the client asks for, and {alpn}`,
    ],
    [
      `${SERVER}.dstName`,
      "/svc/{sny}",
      `${path}, found "/svc/{sny}": there is no {sny}; it may have {sni}, the name that the client asks for, and {alpn}; did you mean {sni}?`,
    ],
    [
      `${SERVER}.dstName`,
      "/{sni}/x",
      `${path}, found "/{sni}/x": the first segment must stand there as it is, as in /svc/{sni}`,
    ],
    [
      `${SERVER}.dstName`,
      "/svc/{sni",
      `${path}, found "/svc/{sni": column 10 of it: '}' expected but end of input found at '/svc/{sni[]'`,
    ],
    [`${ROUTER}.label`, "", 'a text, found ""'],
    [`${ROUTER}.label`, 8080, "a text, found 8080: put it in quotes"],
    [`${ROUTER}.label`, null, "a text, found nothing: give the key a value or remove it"],
    [
      `${ROUTER}.interpreter.baseUrl`,
      "localhost:4180",
      `${url}, found "localhost:4180": the scheme is missing: write http://localhost:4180`,
    ],
    [
      `${ROUTER}.interpreter.baseUrl`,
      "127.0.0.1:4180",
      `${url}, found "127.0.0.1:4180": the scheme is missing: write http://127.0.0.1:4180`,
    ],
    [`${ROUTER}.interpreter.baseUrl`, "ftp://x", `${url}, found "ftp://x"`],
    [`${ROUTER}.interpreter.baseUrl`, "http://", `${url}, found "http://"`],
    [
      `${ROUTER}.interpreter.baseUrl`,
      "http://x/?a=1",
      `${url}, found "http://x/?a=1": it must not have a query or a fragment`,
    ],
    [`${ROUTER}.interpreter.namespace`, "", 'a namespace of namerd, found ""'],
    [
      `${CLIENT}.tls`,
      { dnsName: "10.0.0.1" },
      'a host name such as web.example.com, found "10.0.0.1": TLS sends names, not IP addresses, as SNI',
    ],
    [`${CLIENT}.tls`, { dnsName: "" }, 'a host name such as web.example.com, found ""'],
    [
      `${CLIENT}.tls`,
      { dnsName: "a", trustCerts: [] },
      "a list of at least one PEM file, or no such key for the system's roots, found an empty list",
    ],
    [
      `${SERVER}.tls`,
      { defaultIdentity: { certs: [], privateKey: "k" } },
      "a list of at least one PEM file, found an empty list",
    ],
    [`${SERVER}.tls`, { alpnProtocols: [""] }, 'a protocol name such as h2, found ""'],
  ])("%s: %p", (at, value, message) =>
    expect(problemWith(at, value)).toContain(`expected ${message}`),
  );

  test("of private keys are not repeated", () => {
    const key = "-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\n";
    const identity = { certs: ["c"], privateKey: key };
    expect(problemWith(`${SERVER}.tls`, { defaultIdentity: identity })).toBe(
      "routers[0].servers[0].tls.defaultIdentity.privateKey: expected the path of a PEM file, found PEM text: put it in a file and name the file here",
    );
  });

  test("of URLs are repeated without their passwords", () => {
    const problem = problemWith(`${ROUTER}.interpreter.baseUrl`, "user:secret@namerd:4180");
    expect(problem).not.toContain("secret");
  });
});

describe("objects and lists", () => {
  test.each([
    ["admin", "an object", [1, "x", [], null]],
    ["routers", "a list", [1, "x", {}, null]],
    [ROUTER, "an object", [1, "x", []]],
    [`${ROUTER}.servers`, "a list", [1, {}]],
    [SERVER, "an object", [1, "x", []]],
    [`${SERVER}.tls`, "an object", [true, "x", [], null]],
    [CLIENT, "an object", [1, []]],
  ])("%s must be %s", (path, expected, values) => {
    for (const value of values) {
      expect(problemWith(path, value)).toStartWith(
        `${printed(path)}: expected ${expected}, found `,
      );
    }
  });

  test.each([
    [`${ROUTER}.label`, "a text"],
    [`${ROUTER}.servers`, "a list"],
    [`${SERVER}.port`, "a port from 0 to 65535"],
    [`${SERVER}.dstName`, "a path such as /svc/web, or routes"],
    [`${CLIENT}.kind`, 'one of "io.l5d.global", "io.l5d.static"'],
    ["routers", "a list"],
  ])("%s may not be missing", (path, expected) =>
    expect(problemWith(path, undefined)).toBe(`${printed(path)}: missing: expected ${expected}`),
  );

  test("routers may have no interpreter only where they have a dtab", () => {
    expect(problemWith(`${ROUTER}.interpreter`, undefined)).toBe(
      "routers[0]: expected an interpreter, or a dtab for the namers of this file",
    );
  });

  test("of an unknown kind are told the kinds there are", () => {
    expect(problemWith(`${ROUTER}.interpreter`, { kind: "io.l5d.statik" })).toBe(
      'routers[0].interpreter.kind: expected one of "default", "io.l5d.namerd.http", "io.l5d.fs", "io.l5d.static", found "io.l5d.statik"; did you mean "io.l5d.static"?',
    );
  });
});

describe("unknown keys", () => {
  test.each([
    ["routrs", 'unknown key; did you mean "routers"?'],
    [
      "banana",
      "unknown key; the keys here are $schema, admin, namers, routers, bufferSizeBytes, workers, overload, followCertificates, reloadOnChange",
    ],
    ["bufferSize", "unknown key; it is called bufferSizeBytes now"],
    ["periodSecs", "unknown key; it belongs in routers[].interpreter of kind io.l5d.namerd.http"],
    [`${SERVER}.prot`, 'unknown key; did you mean "port"?'],
    [`${SERVER}.addr`, "unknown key; it is called ip and port now"],
    [`${SERVER}.dstPath`, "unknown key; it is called dstName now"],
    [`${CLIENT}.prefix`, "unknown key; it belongs in routers[].client.configs[]"],
    [
      `${CLIENT}.failFast.penalty`,
      "unknown key; the keys here are maxConsecutiveFailures, failurePenaltySecs",
    ],
    [
      "__proto__x",
      "unknown key; the keys here are $schema, admin, namers, routers, bufferSizeBytes, workers, overload, followCertificates, reloadOnChange",
    ],
  ])("%s: %s", (path, message) =>
    expect(problemWith(path, 1)).toBe(`${printed(path)}: ${message}`),
  );
});

describe("endpoints of io.l5d.static", () => {
  const withEndpoint = (endpoint: unknown): string =>
    documentWith(STATIC, { kind: "io.l5d.static", names: { "/svc/a": [endpoint] } });

  test.each([
    ["web:80", { host: "web", port: 80, weight: 1 }],
    ["10.0.0.1 80 * 0.5", { host: "10.0.0.1", port: 80, weight: 0.5 }],
    [
      { host: "0:0::1", port: 80 },
      { host: "::1", port: 80, weight: 1 },
    ],
    [
      { host: "web", port: 80, weight: 0 },
      { host: "web", port: 80, weight: 0 },
    ],
  ])("%p is good", (endpoint, expected) => {
    const result = loadConfigText(withEndpoint(endpoint));
    const interpreter = result.ok ? result.config.routers[0]?.interpreter : undefined;
    expect(interpreter).toMatchObject({ names: [{ path: "/svc/a", endpoints: [expected] }] });
  });

  const at = 'routers[0].interpreter.names["/svc/a"][0]';
  const line = "an endpoint such as 10.0.0.1:80 or web.local:80 * 0.5";
  test.each([
    ["web", `${at}: expected ${line}, found "web": the port is missing`],
    [
      "web:80 * x",
      `${at}: expected ${line}, found "web:80 * x": the weight after * must be a number, 0 or more`,
    ],
    [
      80,
      `${at}: expected an endpoint such as 10.0.0.1:80, or an object with host and port, found 80`,
    ],
    [{ host: "web", port: 0 }, `${at}.port: expected a port from 1 to 65535, found 0`],
    [
      { host: "web", port: "80" },
      `${at}.port: expected a port from 1 to 65535, found "80": it must be a number, without quotes`,
    ],
    [{ host: "w b", port: 80 }, `${at}.host: expected an IP address or a host name, found "w b"`],
    [{ host: "web", port: 80, weight: -1 }, `${at}.weight: expected a weight, 0 or more, found -1`],
    [{ host: "web", port: 80, wieght: 1 }, `${at}.wieght: unknown key; did you mean "weight"?`],
  ])("%p is not", (endpoint, message) => {
    expect(problemsIn(withEndpoint(endpoint)).join("\n")).toContain(message);
  });
});
