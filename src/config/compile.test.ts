import { describe, expect, test } from "bun:test";
import { configFrom, problemsIn } from "../../test/support/config-text.ts";
import { clientFor } from "./client-for.ts";

const NAMERD = '{kind: io.l5d.namerd.http, baseUrl: "http://namerd:4180"}';

/** One router with what stands in `servers` and `more`, flow style. */
function router(parts: {
  label?: string;
  interpreter?: string;
  servers?: string;
  client?: string;
}) {
  const { label = "a", interpreter = NAMERD, servers = "[{port: 1, dstName: /svc/a}]" } = parts;
  const client = parts.client === undefined ? "" : `, client: ${parts.client}`;
  return `{label: ${label}, interpreter: ${interpreter}, servers: ${servers}${client}}`;
}

function file(...routers: readonly string[]): string {
  return `routers:\n${routers.map((text) => `- ${text}\n`).join("")}`;
}

describe("a configuration", () => {
  test("has every default", () => {
    expect(configFrom(file(router({})))).toEqual({
      admin: { ip: "127.0.0.1", port: 9989, graceMs: 10_000, drainWindowMs: 5_000 },
      bufferSizeBytes: 16_384,
      reloadOnChange: false,
      followCertificates: true,
      workers: 1,
      namers: [],
      routers: [
        {
          label: "a",
          interpreter: {
            kind: "io.l5d.namerd.http",
            baseUrl: "http://namerd:4180",
            namespace: "default",
            periodMs: 60_000,
            requestTimeoutMs: 10_000,
          },
          servers: [
            {
              ip: "127.0.0.1",
              port: 1,
              dstName: "/svc/a",
              tls: undefined,
              proxyProtocol: undefined,
              connectTimeoutMs: 10_000,
              connectionLifetimeMs: Number.POSITIVE_INFINITY,
              connectionLifetimeJitter: 0.1,
              idleTimeoutMs: Number.POSITIVE_INFINITY,
              halfClosedTimeoutMs: 3_600_000,
              socketOptions: {
                keepAlive: { idleSecs: 60, intervalSecs: 10, probes: 6 },
                userTimeoutMs: 0,
              },
              maxConcurrency: 100_000,
            },
          ],
          client: [],
        },
      ],
    });
  });

  test("has lengths of time in milliseconds, without a limit where they are 0", () => {
    const servers = `[{port: 1, dstName: /svc/a, connectTimeoutMs: 0, connectionLifetimeSecs: 86400,
      idleTimeoutSecs: 1000000}]`;
    const client = "{kind: io.l5d.global, connectTimeoutMs: 0, failFast: {failurePenaltySecs: 3}}";
    const [built] = configFrom(file(router({ servers, client }))).routers;
    expect(built?.servers[0]).toMatchObject({
      connectTimeoutMs: Number.POSITIVE_INFINITY,
      connectionLifetimeMs: 86_400_000,
      idleTimeoutMs: 1_000_000_000,
    });
    expect(clientFor(built?.client ?? [], "/svc/a")).toMatchObject({
      connectTimeoutMs: Number.POSITIVE_INFINITY,
      accrual: { backoff: { kind: "constant", ms: 3_000 } },
    });
  });

  test("has one spelling of every path, address and URL", () => {
    const interpreter = '{kind: io.l5d.namerd.http, baseUrl: "https://namerd/base//"}';
    const servers = `[{port: 1, ip: "0:0::1", dstName: '/\\x73vc/a'}]`;
    const [built] = configFrom(file(router({ interpreter, servers }))).routers;
    expect(built?.interpreter).toMatchObject({ baseUrl: "https://namerd/base" });
    expect(built?.servers[0]).toMatchObject({ ip: "::1", dstName: "/svc/a" });
  });

  test("has as many workers as there are cores when they are auto", () => {
    expect(configFrom(`workers: auto\n${file(router({}))}`).workers).toBe(8);
    expect(configFrom(`workers: 3\n${file(router({}))}`).workers).toBe(3);
  });

  test("keeps of client rules only the keys that are there", () => {
    const client = `{kind: io.l5d.static, configs: [{prefix: /svc/, maxWaiters: 5, failFast: {}},
      {prefix: /svc/a, minConnections: 2, failFast: {maxConsecutiveFailures: 1}}]}`;
    expect(configFrom(file(router({ client }))).routers[0]?.client).toEqual([
      { prefix: "/svc/", maxWaiters: 5 },
      { prefix: "/svc/a", minConnections: 2, failFast: { maxConsecutiveFailures: 1 } },
    ]);
  });

  test("has the folder of io.l5d.fs as an absolute path", () => {
    const interpreter = "{kind: io.l5d.fs, rootDir: ../../disco}";
    expect(configFrom(file(router({ interpreter }))).routers[0]?.interpreter).toEqual({
      kind: "io.l5d.fs",
      rootDir: "/disco",
      prefix: "/svc",
    });
  });

  test("may be written in JSON, in YAML with anchors, or with a byte order mark", () => {
    const server = '{"port": 1, "dstName": "/svc/a"}';
    const json = `{"routers": [{"label": "a", "interpreter": ${NAMERD.replaceAll(/(\w[\w.]*): (?!\/)/g, '"$1": ').replace("io.l5d.namerd.http,", '"io.l5d.namerd.http",')}, "servers": [${server}]}]}`;
    const anchored = `routers:\n- label: a\n  interpreter: ${NAMERD}\n  servers:\n  - &one {port: 0, dstName: /svc/a}\n  - *one\n`;
    expect(configFrom(json).routers[0]?.servers).toHaveLength(1);
    expect(configFrom(`\ufeff${json}`)).toEqual(configFrom(`  \n${json}`));
    expect(configFrom(anchored).routers[0]?.servers).toHaveLength(2);
  });
});

describe("across a file", () => {
  const at = (line: number, column: number): string => `l5d.yml:${line}:${column}: error: `;

  test("labels must be unique", () => {
    const second = router({ servers: "[{port: 2, dstName: /svc/a}]" });
    expect(problemsIn(file(router({}), second))).toEqual([
      `${at(3, 11)}routers[1].label: the label "a" is taken by routers[0].label in line 2`,
    ]);
  });

  test.each([
    ["127.0.0.1", "127.0.0.1", true],
    ["127.0.0.1", "127.0.0.2", false],
    ["0.0.0.0", "127.0.0.2", true],
    ["127.0.0.2", "0.0.0.0", true],
    ["::1", "0.0.0.0", false],
    ["::", "10.0.0.1", true],
    ["::", "0.0.0.0", true],
    ["::1", "0:0::1", true],
    ["::", "::2", true],
  ])("servers on %s and %s with one port collide: %p", (first, second, collides) => {
    const servers = `[{port: 80, ip: "${first}", dstName: /a}, {port: 80, ip: "${second}", dstName: /a}]`;
    const problems = problemsIn(file(router({ servers })));
    expect(problems).toHaveLength(collides ? 1 : 0);
    if (collides) expect(problems[0]).toContain("servers[1].port: ");
  });

  test("addresses of two routers collide, and are named", () => {
    const one = router({ label: "a", servers: "[{port: 80, dstName: /a}]" });
    const two = router({ label: "b", servers: "[{port: 80, ip: 0.0.0.0, dstName: /a}]" });
    expect(problemsIn(file(one, two))[0]).toEndWith(
      "routers[1].servers[0].port: 0.0.0.0:80 is taken by routers[0].servers[0].port in line 2, 127.0.0.1:80",
    );
  });

  test("the admin server's address is taken, by default too", () => {
    const servers = "[{port: 9989, dstName: /a}]";
    const message = "127.0.0.1:9989 is taken by the admin server, 127.0.0.1:9989";
    expect(problemsIn(file(router({ servers })))[0]).toEndWith(message);
    expect(problemsIn(`admin: {port: 1}\n${file(router({ servers }))}`)).toEqual([]);
  });

  test("port 0 is free any number of times", () => {
    const servers = "[{port: 0, dstName: /a}, {port: 0, dstName: /a}]";
    expect(problemsIn(`admin: {port: 0}\n${file(router({ servers }))}`)).toEqual([]);
  });
});

describe("names", () => {
  const interpreter = "{kind: io.l5d.static, names: {/svc/a: [a:1]}}";
  const servers = (dstName: string): string => `[{port: 1, dstName: ${dstName}}]`;

  test.each(["/svc/b", "/svc", "/svc/a/b", "/$/inet/a", "/$/inet/a/http", "/$/nil"])(
    "of io.l5d.static do not include %p",
    (dstName) => {
      expect(problemsIn(file(router({ interpreter, servers: servers(dstName) })))[0]).toEndWith(
        `dstName: ${dstName} is not among the names of the interpreter`,
      );
    },
  );

  test.each(["/svc/a", "/$/inet/10.0.0.1/80", "/$/inet/127.1/80", "/$/inet/80"])(
    "of io.l5d.static include %p",
    (dstName) =>
      expect(problemsIn(file(router({ interpreter, servers: servers(dstName) })))).toEqual([]),
  );

  test("of io.l5d.fs are below the prefix", () => {
    const fs = "{kind: io.l5d.fs, rootDir: /disco, prefix: /files}";
    expect(problemsIn(file(router({ interpreter: fs, servers: servers("/files/a") })))).toEqual([]);
    expect(problemsIn(file(router({ interpreter: fs, servers: servers("/svc/a") })))[0]).toEndWith(
      "dstName: /svc/a is not below the interpreter's prefix /files",
    );
  });

  test("of io.l5d.fs need a directory", () => {
    const fs = "{kind: io.l5d.fs, rootDir: disco}";
    expect(problemsIn(file(router({ interpreter: fs })))[0]).toEndWith(
      "routers[0].interpreter.rootDir: disco: there is no such directory",
    );
  });

  test("must be paths, each there once", () => {
    const names = "{kind: io.l5d.static, names: {/svc/a: [a:1], '/\\x73vc/a': [a:1], svc: []}}";
    expect(problemsIn(file(router({ interpreter: names })))).toEqual([
      'l5d.yml:2:72: error: routers[0].interpreter.names["/\\\\x73vc/a"]: /svc/a is there already, written differently',
      "l5d.yml:2:92: error: routers[0].interpreter.names.svc: expected a path such as /svc/web as the key",
    ]);
  });
});

describe("warnings", () => {
  test("tell of what has no effect", () => {
    expect(problemsIn("routers: []")).toEqual([
      "l5d.yml:1:10: warning: routers: there are no routers, so nothing is served",
    ]);
    expect(problemsIn(file(router({ servers: "[]" })))[0]).toEndWith(
      "warning: routers[0].servers: there are no servers, so the router serves nothing",
    );
    const client = "{kind: io.l5d.static, configs: [{prefix: /svc}, {prefix: /svc/b}]}";
    expect(problemsIn(file(router({ client })))).toEqual([
      "l5d.yml:2:190: warning: routers[0].client.configs[1].prefix: no dstName of this router is covered by /svc/b",
    ]);
  });
});

describe("settings of how connections end", () => {
  const withAdmin = (admin: string): string => `admin: ${admin}\n${file(router({}))}`;
  const withClient = (keys: string): string =>
    file(router({ client: `{kind: io.l5d.global, ${keys}}` }));

  test("have half of graceSecs as the window of a shutdown, unless it is said", () => {
    expect(configFrom(withAdmin("{graceSecs: 30}")).admin.drainWindowMs).toBe(15_000);
    expect(configFrom(withAdmin("{graceSecs: 30, drainWindowSecs: 0}")).admin.drainWindowMs).toBe(
      0,
    );
  });

  test("refuse windows that are longer than what they are a part of", () => {
    expect(problemsIn(withAdmin("{graceSecs: 3, drainWindowSecs: 4}"))[0]).toContain(
      "admin.drainWindowSecs: expected no more than graceSecs, which is 3, found 4",
    );
    expect(problemsIn(withClient("drain: {windowSecs: 9, deadlineSecs: 8}"))[0]).toContain(
      "client.drain.windowSecs: expected no more than deadlineSecs, which is 8, found 9",
    );
  });

  test("are without a limit where they are 0, and milliseconds", () => {
    const config = configFrom(
      withClient("drain: {onRemoval: cut, windowSecs: 1, maxPerSec: 0, deadlineSecs: 0}"),
    );
    expect(config.routers[0]?.client[0]?.drain).toEqual({
      onRemoval: "cut",
      windowMs: 1_000,
      maxPerSecond: Number.POSITIVE_INFINITY,
      deadlineMs: Number.POSITIVE_INFINITY,
    });
  });

  test("have no keepalive where it is off, whatever its times", () => {
    const config = configFrom(
      withClient("socketOptions: {keepAlive: false, keepAliveIdleSecs: 5, userTimeoutMs: 7}"),
    );
    expect(config.routers[0]?.client[0]?.socketOptions).toEqual({
      keepAlive: undefined,
      userTimeoutMs: 7,
    });
  });

  test("say what they expect", () => {
    for (const [keys, expected] of [
      ["drain: {onRemoval: kill}", "expected keep, drain or cut"],
      ["socketOptions: {keepAlive: 60}", "expected true or false"],
      ["socketOptions: {keepAliveProbes: 128}", "expected a whole number from 1 to 127"],
    ] as const)
      expect(problemsIn(withClient(keys))[0]).toContain(expected);
  });
});
