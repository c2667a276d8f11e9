import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  check,
  type FakeInstance,
  instance,
  printInstances,
} from "../../../test/support/fake-consul-catalog.ts";
import {
  type ConsulInstance,
  parseAgent,
  parseIndex,
  parseInstances,
  type Reading,
} from "./consul-answer.ts";

const CATALOG: Reading = { health: false, preferServiceAddress: true };
const HEALTH: Reading = { health: true, preferServiceAddress: true };

const BOTH: [string, Reading][] = [
  ["catalog", CATALOG],
  ["health endpoint", HEALTH],
];

/** What is read of one instance. */
function read(it: FakeInstance, reading: Reading = CATALOG): ConsulInstance | undefined {
  const parsed = parseInstances(
    printInstances("web", [it], reading.health ? "health" : "catalog"),
    reading,
  );
  return parsed.ok ? parsed.instances[0] : undefined;
}

describe("parseInstances()", () => {
  test.each(BOTH)("reads an instance of the %s", (_, reading) => {
    const it: FakeInstance = {
      address: "10.0.0.1",
      port: 8000,
      tags: ["primary", "v1"],
      weights: { Passing: 10, Warning: 0 },
      nodeMeta: { rack: "7" },
      serviceMeta: { version: "4" },
    };
    expect(read(it, reading)).toEqual({
      host: "10.0.0.1",
      port: 8000,
      tags: ["primary", "v1"],
      health: "passing",
      weights: { passing: 10, warning: 0 },
      nodeMeta: { rack: "7" },
      serviceMeta: { version: "4" },
    });
  });

  test.each(BOTH)("takes the node's address where the service has none: %s", (_, reading) => {
    const both = { address: "10.0.0.1", nodeAddress: "10.9.9.9", port: 80 };
    const nodeFirst = { ...reading, preferServiceAddress: false };
    expect(read(both, reading)?.host).toBe("10.0.0.1");
    expect(read({ ...both, address: "" }, reading)?.host).toBe("10.9.9.9");
    expect(read(both, nodeFirst)?.host).toBe("10.9.9.9");
    expect(read({ ...both, nodeAddress: "" }, nodeFirst)?.host).toBe("10.0.0.1");
  });

  test.each([
    ["::1", "::1"],
    ["[2001:DB8::0:1]", "2001:db8::1"],
    ["fe80::1%eth0", "fe80::1%eth0"],
    ["Web.Example.COM", "web.example.com"],
    ["web_1", "web_1"],
    ["host.docker.internal.", "host.docker.internal."],
  ])("takes the address %p", (address, host) => {
    expect(read(instance(`${address}:80`))?.host).toBe(host);
  });

  test.each(["a b", "http://x", "-x", "a/b", "unix:///run/x", "ü", "x".repeat(300), "\0", "a\nb"])(
    "does not take the address %p, nor the node's for it",
    (address) => {
      expect(read({ address, nodeAddress: "10.0.0.1", port: 80 })).toBeUndefined();
    },
  );

  test.each([
    [undefined, { passing: 1, warning: 1 }],
    [
      { Passing: 0, Warning: 0 },
      { passing: 1, warning: 1 },
    ],
    [
      { Passing: -3, Warning: 5 },
      { passing: 1, warning: 1 },
    ],
    [
      { Passing: 5, Warning: -1 },
      { passing: 5, warning: 1 },
    ],
    [
      { Passing: 1e300, Warning: 1 },
      { passing: 1, warning: 1 },
    ],
  ])("reads the weights %j", (weights, expected) => {
    const it = instance("10.0.0.1:80", weights && { weights });
    expect(read(it)?.weights).toEqual(expected);
    expect(read(it, HEALTH)?.weights).toEqual(expected);
  });

  test.each([
    [[], "passing"],
    [["passing"], "passing"],
    [["passing", "warning"], "warning"],
    [["critical", "warning"], "critical"],
    [["passing", ""], "critical"],
    [["unheard-of"], "critical"],
  ] as const)("takes the worst of the checks %j: %s", (statuses, health) => {
    const checks = statuses.map((status) => check(status));
    expect(read(instance("10.0.0.1:80", { checks }), HEALTH)?.health).toBe(health);
  });

  test.each(["_node_maintenance", "_service_maintenance:web-1"])("knows the check %p", (id) => {
    const checks = [check("critical", id), check("critical")];
    expect(read(instance("10.0.0.1:80", { checks }), HEALTH)?.health).toBe("maintenance");
  });

  test("is passing where nobody checks", () => {
    const text = '[{"Node":{},"Service":{"Address":"10.0.0.1","Port":1},"Checks":null}]';
    expect(parseInstances(text, HEALTH)).toMatchObject({
      ok: true,
      instances: [{ host: "10.0.0.1", health: "passing" }],
    });
  });

  test("leaves out what has no port, and does not call it broken", () => {
    const text = printInstances("web", [{ address: "10.0.0.1" }], "catalog");
    expect(parseInstances(text, CATALOG)).toEqual({ ok: true, instances: [], skipped: 0 });
    const without = '[{"Address":"10.0.0.1"},{"Address":"10.0.0.1","ServicePort":null}]';
    expect(parseInstances(without, CATALOG)).toEqual({ ok: true, instances: [], skipped: 0 });
  });

  test("skips and counts what cannot be used, and takes the rest", () => {
    const good =
      '{"Address":"10.0.0.1","ServicePort":80,"ServiceTags":[1,"a",null],"NodeMeta":{"n":1}}';
    const bad = [
      "7",
      "null",
      "[]",
      '"x"',
      "{}",
      '{"Address":7,"ServicePort":80}',
      '{"Address":"10.0.0.1","ServicePort":"80"}',
      '{"Address":"10.0.0.1","ServicePort":65536}',
      '{"Address":"10.0.0.1","ServicePort":80.5}',
      '{"Address":"10.0.0.1","ServicePort":-1}',
    ];
    expect(parseInstances(`[${[...bad, good].join(",")}]`, CATALOG)).toMatchObject({
      ok: true,
      instances: [{ host: "10.0.0.1", tags: ["a"], nodeMeta: {} }],
      skipped: bad.length,
    });
    for (const entry of bad) {
      expect(parseInstances(`[${entry}]`, CATALOG)).toEqual({
        ok: false,
        cause: "none of the 1 instances that Consul gave can be used",
      });
    }
  });

  test.each(['"Checks":{}', '"Checks":[7]', '"Checks":"passing"'])(
    "does not take an instance for healthy with %s",
    (checks) => {
      const text = `[{"Node":{},"Service":{"Address":"10.0.0.1","Port":1},${checks}}]`;
      expect(parseInstances(text, HEALTH).ok).toBe(false);
    },
  );

  test.each(["", "x", "null", "{}", "7", '"[]"', "[", "[{]", "[]]", "[".repeat(1_000_000)])(
    "names Consul where there is no list: %#",
    (text) => {
      const parsed = parseInstances(text, CATALOG);
      const cause = parsed.ok ? "" : parsed.cause;
      expect(cause).toStartWith("Consul gave no list");
      expect(cause.length).toBeLessThan(300);
    },
  );

  test("does not let a name of JavaScript's own into the metadata", () => {
    const nodeMeta = '{"__proto__":"x","constructor":"y","a":"b"}';
    const text = `[{"Address":"10.0.0.1","ServicePort":80,"NodeMeta":${nodeMeta}}]`;
    const parsed = parseInstances(text, CATALOG);
    if (!parsed.ok) throw new Error(parsed.cause);
    const meta = parsed.instances[0]?.nodeMeta ?? {};
    expect(JSON.stringify(meta)).toBe(nodeMeta);
    expect(Object.getPrototypeOf(meta)).toBe(Object.prototype);
  });

  test("gives usable instances or a cause for any text", () => {
    const texts = fc.oneof(fc.string({ unit: "binary" }), fc.json(), shapes());
    fc.assert(
      fc.property(texts, fc.boolean(), fc.boolean(), (text, health, preferServiceAddress) => {
        const parsed = parseInstances(text, { health, preferServiceAddress });
        if (!parsed.ok) return expect(parsed.cause).toContain("Consul");
        for (const { host, port, weights } of parsed.instances) {
          expect(host).toMatch(/^[\w.:%-]+$/);
          expect(port).toBeWithin(1, 65_536);
          expect(weights.passing).toBeWithin(1, 1e9 + 1);
          expect(weights.warning).toBeWithin(0, 1e9 + 1);
        }
      }),
      { numRuns: 300 },
    );
  });

  test("gives back what a catalog holds", () => {
    const instances = fc.array(
      fc.record({
        address: fc.ipV4(),
        port: fc.integer({ min: 1, max: 65_535 }),
        tags: fc.array(fc.string()),
        nodeMeta: fc.dictionary(fc.string(), fc.string()),
        serviceMeta: fc.dictionary(fc.string(), fc.string()),
      }),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(instances, fc.boolean(), (list, health) => {
        const text = printInstances("web", list, health ? "health" : "catalog");
        const parsed = parseInstances(text, { health, preferServiceAddress: true });
        if (!parsed.ok) throw new Error(parsed.cause);
        expect(parsed.skipped).toBe(0);
        expect(
          parsed.instances.map(({ host, port, tags, nodeMeta, serviceMeta }) => ({
            address: host,
            port,
            tags: [...tags],
            nodeMeta: { ...nodeMeta },
            serviceMeta: { ...serviceMeta },
          })),
        ).toEqual(list.map((it) => ({ ...it, nodeMeta: { ...it.nodeMeta } })));
      }),
    );
  });
});

/** Texts that are nearly answers. */
function shapes(): fc.Arbitrary<string> {
  const odd = fc.oneof(
    fc.jsonValue({ maxDepth: 1 }),
    fc.constantFrom("10.0.0.1", "::1", "web.local", 80, 0, 65_535, "", null),
  );
  const object = (...keys: readonly string[]) =>
    fc.record(Object.fromEntries(keys.map((key) => [key, odd])), { requiredKeys: [] });
  const catalog = object("Address", "ServiceAddress", "ServicePort", "ServiceTags", "NodeMeta");
  const health = fc.record(
    {
      Node: fc.oneof(odd, object("Address", "Meta")),
      Service: fc.oneof(odd, object("Address", "Port", "Tags", "Weights", "Meta")),
      Checks: fc.oneof(odd, fc.array(fc.oneof(odd, object("CheckID", "Status")))),
    },
    { requiredKeys: [] },
  );
  return fc.array(fc.oneof(odd, catalog, health)).map((list) => JSON.stringify(list));
}

describe("parseAgent()", () => {
  test.each([
    ['{"Config":{"Datacenter":"dc1"},"DebugConfig":{"DNSDomain":"corp."}}', "dc1", "corp"],
    ['{"Config":{"Datacenter":"dc1","Domain":"old."}}', "dc1", "old"],
    ['{"Config":{"Domain":"old"},"DebugConfig":{"DNSDomain":"a.b"}}', undefined, "a.b"],
    ['{"Config":{}}', undefined, "consul"],
    ['{"Config":{"Datacenter":7},"DebugConfig":{"DNSDomain":"a b"}}', undefined, "consul"],
    ['{"Config":{"Datacenter":"dc1"},"DebugConfig":null}', "dc1", "consul"],
  ])("reads %s", (text, datacenter, domain) => {
    expect(parseAgent(text)).toEqual({ ok: true, info: { datacenter, domain } });
  });

  test.each(["", "{}", "[]", "null", '{"Config":[]}', "boom"])("names Consul for %p", (text) => {
    const parsed = parseAgent(text);
    expect(parsed.ok ? "" : parsed.cause).toStartWith("Consul's agent did not");
  });

  test("gives a value for any text", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.json()), (text) => {
        expect(typeof parseAgent(text).ok).toBe("boolean");
      }),
    );
  });
});

describe("parseIndex()", () => {
  test.each([
    ["0", 0n],
    ["42", 42n],
    ["18446744073709551615", 2n ** 64n - 1n],
  ])("reads %p", (text, index) => {
    expect(parseIndex(text)).toBe(index);
  });

  test.each([null, "", "-1", "+1", "1.0", " 1", "1e3", "18446744073709551616", "9".repeat(99)])(
    "takes %p for none",
    (text) => {
      expect(parseIndex(text)).toBeUndefined();
    },
  );
});
