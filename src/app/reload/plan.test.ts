import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { configFrom } from "../../../test/support/config-text.ts";
import type { NamerConfig } from "../../config/namer-types.ts";
import type { Config, RouterConfig, ServerConfig } from "../../config/types.ts";
import { linesOf, viewOf } from "./describe.ts";
import { destinationsOf, type Difference, isEmpty, type Plan, planOf, serversOf } from "./plan.ts";

const NO_LIMIT = Number.POSITIVE_INFINITY;

const arbitraryServer: fc.Arbitrary<ServerConfig> = fc.record({
  ip: fc.constantFrom("127.0.0.1", "::1"),
  port: fc.constantFrom(0, 0, 1, 2, 3),
  dstName: fc.constantFrom("/svc/a", "/svc/b", "/svc/b/c"),
  tls: fc.constantFrom(undefined, {
    alpnProtocols: ["h2"],
    defaultIdentity: {
      pairs: [{ certificateChainPem: "-----chain", privateKeyPem: "-----key" }],
    },
    identities: [],
    handshakeTimeoutMs: 10,
  }),
  proxyProtocol: fc.constant(undefined),
  connectTimeoutMs: fc.constantFrom(1, NO_LIMIT),
  connectionLifetimeMs: fc.constant(NO_LIMIT),
  connectionLifetimeJitter: fc.constant(0),
  idleTimeoutMs: fc.constantFrom(5, NO_LIMIT),
  halfClosedTimeoutMs: fc.constant(NO_LIMIT),
  socketOptions: fc.constant({ keepAlive: undefined, userTimeoutMs: 0 }),
  maxConcurrency: fc.constantFrom(1, 2),
});

const arbitraryRouter = (label: string): fc.Arbitrary<RouterConfig> =>
  fc.record({
    label: fc.constant(label),
    interpreter: fc.constantFrom(
      { kind: "default" as const, dtab: "/svc=>/#/a;" },
      { kind: "default" as const, dtab: "/svc=>/#/b;" },
      { kind: "io.l5d.static" as const, names: [] },
    ),
    // An address stands once in a file; port 0 may stand often.
    servers: fc.uniqueArray(arbitraryServer, {
      maxLength: 4,
      selector: ({ ip, port }) => (port === 0 ? {} : `${ip} ${port}`),
    }),
    client: fc.constantFrom(
      [],
      [{ prefix: "/", maxWaiters: 3 }],
      [{ prefix: "/svc/b", connectTimeoutMs: 7 }],
    ),
  });

const arbitraryNamer: fc.Arbitrary<NamerConfig> = fc.record({
  kind: fc.constant("io.l5d.fs" as const),
  prefix: fc.constantFrom("/a", "/b", "/c"),
  rootDir: fc.constantFrom("/x", "/y"),
});

const arbitraryConfig: fc.Arbitrary<Config> = fc.record({
  admin: fc.record({
    ip: fc.constant("127.0.0.1"),
    port: fc.constantFrom(0, 9),
    graceMs: fc.constantFrom(0, 1),
    drainWindowMs: fc.constant(0),
  }),
  namers: fc.array(arbitraryNamer, { maxLength: 3 }),
  routers: fc
    .tuple(fc.subarray(["one", "two"]), fc.boolean())
    .chain(([labels, turned]) =>
      fc.tuple(...(turned ? labels.toReversed() : labels).map(arbitraryRouter)),
    ),
  bufferSizeBytes: fc.constantFrom(1, 2),
  workers: fc.constantFrom(1, 2),
  reloadOnChange: fc.boolean(),
  followCertificates: fc.boolean(),
});

/** What is there after `differences`. */
function applied<Value>(
  before: ReadonlyMap<string, Value>,
  differences: readonly Difference<Value>[],
  keyOf: (value: Value) => string,
): ReadonlyMap<string, Value> {
  const state = new Map(before);
  for (const difference of differences) {
    if (difference.change !== "added") state.delete(keyOf(difference.before));
    if (difference.change !== "removed") state.set(keyOf(difference.after), difference.after);
  }
  return state;
}

const sorted = (map: ReadonlyMap<string, unknown>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));

describe("planOf()", () => {
  test("is empty between a configuration and itself", () => {
    fc.assert(
      fc.property(arbitraryConfig, (config) => {
        const plan = planOf(config, structuredClone(config));
        expect(isEmpty(plan)).toBe(true);
        expect(plan.atNextStart).toEqual([]);
        expect(plan.effective).toEqual(config);
      }),
    );
  });

  test("leads from any configuration to any other, but for what a running process keeps", () => {
    fc.assert(
      fc.property(arbitraryConfig, arbitraryConfig, (a, b) => {
        const plan = planOf(a, b);
        const servers = applied(serversOf(a), plan.servers, ({ key }) => key);
        expect(sorted(servers)).toEqual(sorted(serversOf(b)));
        const destinations = applied(
          destinationsOf(a),
          plan.destinations,
          ({ router, path }) => `${router}\n${path}`,
        );
        expect(sorted(destinations)).toEqual(sorted(destinationsOf(b)));
        expect(plan.effective).toEqual({
          ...b,
          admin: { ...a.admin, graceMs: b.admin.graceMs },
          workers: a.workers,
          bufferSizeBytes: a.bufferSizeBytes,
        });
        // What is in effect then needs no change, and waits for the same.
        const again = planOf(plan.effective, b);
        expect(isEmpty(again)).toBe(true);
        expect(again.atNextStart).toEqual(plan.atNextStart);
      }),
    );
  });

  test("sees what changes for names that connections bring up, though no destination does", () => {
    const router = (more: string): Config =>
      configFrom(`
routers:
  - label: r
    interpreter: {kind: io.l5d.namerd.http, baseUrl: "http://namerd"}
    servers: [{port: 1, passthrough: {}, dstName: "/svc/{sni}"}]
    ${more}
`);
    const settings = (before: string, after: string): readonly string[] => {
      const plan = planOf(router(before), router(after));
      expect([isEmpty(plan), plan.atNextStart]).toEqual([plan.settings.length === 0, []]);
      return plan.settings.map(({ setting, from, to }) => `${setting} ${from} ${to}`);
    };
    expect(settings("", "bindingCache: {}")).toEqual([]);
    expect(settings("", "bindingCache: {paths: 7}")).toEqual(["r.bindingCache.paths 1000 7"]);
    expect(settings("", "client: {kind: io.l5d.global, maxWaiters: 3}")).toEqual([
      "r.client a list of 0 a list of 1",
    ]);
  });

  test("sees each change of namers, of their order too", () => {
    fc.assert(
      fc.property(arbitraryConfig, arbitraryConfig, (a, b) => {
        const isSame = JSON.stringify(a.namers) === JSON.stringify(b.namers);
        expect(planOf(a, b).namers.length === 0).toBe(isSame);
      }),
    );
  });
});

const BASE = `
routers:
  - label: a
    dtab: /svc => /#/f;
    servers: [{port: 1, dstName: /svc/web}, {port: 2, dstName: /svc/api}]
namers: [{kind: io.l5d.fs, prefix: /f, rootDir: /disco}]
`;

function planned(to: string, from = BASE): Plan {
  return planOf(configFrom(from), configFrom(to));
}

function lines(plan: Plan): readonly string[] {
  const server = (key: string) => ({ address: key.split(" ")[1] ?? "", active: 3 });
  return linesOf(viewOf(plan, { server, destination: () => 5 }));
}

describe("a plan in words", () => {
  test("says what changes, from what to what, and how many connections that is about", () => {
    const to = BASE.replace("dstName: /svc/web", "dstName: /svc/web, idleTimeoutSecs: 30");
    expect(lines(planned(to))).toEqual([
      "server a 127.0.0.1:1 changed (idleTimeoutMs no limit -> 30000): connections keep the settings they began with; new ones follow (now 3)",
    ]);
  });

  test("tells of destinations that client rules touch, and only of those", () => {
    const to = `${BASE}`.replace(
      "    servers:",
      "    client: {kind: io.l5d.static, configs: [{prefix: /svc/api, loadBalancer: {kind: ewma}, maxWaiters: 5}]}\n    servers:",
    );
    expect(lines(planned(to))).toEqual([
      'destination a /svc/api changed (maxWaiters 1000000 -> 5, loadBalancer.kind "p2c" -> "ewma", loadBalancer.decayTimeMs nothing -> 10000): connections stay as they are; new ones follow (now 5)',
    ]);
  });

  test("tells of servers and destinations that come and go", () => {
    const to = BASE.replace("{port: 2, dstName: /svc/api}", "{port: 3, dstName: /svc/new}");
    expect(lines(planned(to))).toEqual([
      "server a 127.0.0.1:2 removed: accepts no more; connections end one by one over 4 s after 5 s; what is left 10 s from now is reset (now 3)",
      "server a 127.0.0.1:3 added: accepts for /svc/new",
      "destination a /svc/api removed: is followed no more; connections go on, unless their server is removed (now 5)",
      "destination a /svc/new added: is followed",
    ]);
  });

  test("tells of dtabs, namers and the settings of the process", () => {
    const to = `${BASE}workers: 3\nadmin: {graceSecs: 1}\n`
      .replace("/svc => /#/f;", "/svc => /#/g;")
      .replace("prefix: /f", "prefix: /g");
    expect(lines(planned(to))).toEqual([
      'router a changed (dtab "/svc=>/#/f" -> "/svc=>/#/g"): its names are asked anew; endpoints stay until there are others',
      "namer /#/f removed: is asked no more",
      "namer /#/g added: names below it are asked anew; endpoints stay",
      "admin.graceMs 10000 -> 1000: at once",
      "admin.drainWindowMs 5000 -> 500: at once",
      "workers 1 -> 3: takes effect at the next start",
    ]);
  });

  test("never repeats what is in a certificate, a key or a token", () => {
    const server = configFrom(BASE).routers[0]?.servers[0] as ServerConfig;
    const withKey = (privateKeyPem: string): Config => {
      const config = configFrom(BASE);
      const identity = { pairs: [{ certificateChainPem: "-----SECRET-A", privateKeyPem }] };
      const tls = {
        alpnProtocols: [],
        defaultIdentity: identity,
        identities: [{ serverName: "x", identity }],
        handshakeTimeoutMs: 1,
      };
      const [router] = config.routers;
      return { ...config, routers: [{ ...router, servers: [{ ...server, tls }] } as RouterConfig] };
    };
    const token = (value: string): Config => ({
      ...configFrom(BASE),
      namers: [{ kind: "io.l5d.consul", prefix: "/c", token: value } as unknown as NamerConfig],
    });
    const text = JSON.stringify([
      lines(planOf(withKey("-----SECRET-B"), withKey("-----SECRET-C"))),
      lines(planOf(token("SECRET-D"), token("SECRET-E"))),
    ]);
    expect(text).toContain("tls.defaultIdentity");
    expect(text).not.toContain("SECRET");
  });
});
