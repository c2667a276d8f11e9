import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { loadConfigText, problemsIn } from "../../test/support/config-text.ts";
import { formatProblems } from "./problems.ts";

const BAD = `
admin: {port: "9989", graceSec: 5}
bufferSizeBytes: 0
routers:
  - label: web
    interpreter:
      kind: io.l5d.namerd.http
      baseUrl: localhost:4180
    servers:
      - prot: 7474
        dstName: svc/web
      - port: 7575
        dstName: /svc/tls
        connectTimeoutMs: -1
        tls:
          defaultIdentity:
            certs: [missing.pem]
            privateKey: missing.key
      - port: 7575
        dstPath: /svc/other
  - label: web
    interpreter:
      kind: io.l5d.statik
    servers:
      - port: 9989
        dstName: /svc/x
        dstName: /svc/y
    client:
      kind: io.l5d.static
      configs:
        - prefix: svc
          tls: {dnsName: a, trustCerts: [ca.pem]}
          maxWaiters: many
`;

const MESSAGES = `\
l5d.yml:2:15: error: admin.port: expected a port from 0 to 65535, found "9989": it must be a number, without quotes
l5d.yml:2:23: error: admin.graceSec: unknown key; did you mean "graceSecs"?
l5d.yml:3:18: error: bufferSizeBytes: expected a whole number, 1 or more, found 0
l5d.yml:8:16: error: routers[0].interpreter.baseUrl: expected an http or https URL such as http://localhost:4180, found "localhost:4180": the scheme is missing: write http://localhost:4180
l5d.yml:10:9: error: routers[0].servers[0].port: missing: expected a port from 0 to 65535
l5d.yml:10:9: error: routers[0].servers[0].prot: unknown key; did you mean "port"?
l5d.yml:11:18: error: routers[0].servers[0].dstName: expected a path such as /svc/web, found "svc/web": it must begin with /
l5d.yml:14:27: error: routers[0].servers[1].connectTimeoutMs: expected a whole number of milliseconds, or 0 for no limit, found -1
l5d.yml:17:21: error: routers[0].servers[1].tls.defaultIdentity.certs[0]: missing.pem: there is no such file
l5d.yml:18:25: error: routers[0].servers[1].tls.defaultIdentity.privateKey: missing.key: there is no such file
l5d.yml:19:9: error: routers[0].servers[2].dstName: missing: expected a path such as /svc/web, or routes
l5d.yml:19:15: error: routers[0].servers[2].port: 127.0.0.1:7575 is taken by routers[0].servers[1].port in line 12
l5d.yml:20:9: error: routers[0].servers[2].dstPath: unknown key; it is called dstName now
l5d.yml:21:12: error: routers[1].label: the label "web" is taken by routers[0].label in line 5
l5d.yml:23:13: error: routers[1].interpreter.kind: expected one of "default", "io.l5d.namerd.http", "io.l5d.fs", "io.l5d.static", found "io.l5d.statik"; did you mean "io.l5d.static"?
l5d.yml:25:15: error: routers[1].servers[0].port: 127.0.0.1:9989 is taken by the admin server, 127.0.0.1:9989
l5d.yml:27:9: error: routers[1].servers[0].dstName: this key stands here for the second time
l5d.yml:31:19: error: routers[1].client.configs[0].prefix: expected a prefix of paths such as /svc, found "svc": it must begin with /
l5d.yml:33:23: error: routers[1].client.configs[0].maxWaiters: expected a whole number, 1 or more, found "many"
19 errors`;

describe("a configuration with many errors", () => {
  test("is told all of them at once, of the schema, between keys and of files", () => {
    const result = loadConfigText(BAD);
    expect(result.ok ? "" : formatProblems(result.problems)).toBe(MESSAGES);
  });

  test("is not told what may only follow from them", () => {
    const text = `routers:
- label: a
  interpreter: {kind: io.l5d.static, names: {/svc/a: [a]}}
  servers: [{port: 1, dstName: /svc/b, tls: {identities: {a.com: {certs: x}}}}]
  client: {kind: io.l5d.static, configs: [{prefix: /none}]}
`;
    expect(problemsIn(text).every((line) => line.includes("expected"))).toBe(true);
    expect(problemsIn(text)).toHaveLength(3);
  });
});

describe("syntax", () => {
  test.each([
    ["", "1:1: error: the file is empty: expected an object with the key routers"],
    ["# nothing\n", "1:1: error: the file is empty: expected an object with the key routers"],
    ["hello", '1:1: error: expected an object with the key routers, found "hello"'],
    ["- a", "1:1: error: expected an object with the key routers, found a list"],
    [
      "a: b: c",
      "1:4: error: this is not valid YAML: nested mappings are not allowed in compact mappings",
    ],
    ["routers:\n\t- a", "2:1: error: this is not valid YAML: tabs are not allowed as indentation"],
    ["routers: []\n---\na: 1", "2:1: error: this is not valid YAML: a second document begins here"],
    ['{"routers": [}', "1:14: error: this is not valid JSON: object must end with a }"],
    ['{"routers": []', "1:15: error: this is not valid JSON: object must end with a }"],
    ["routers: *x", "1:10: error: there is no anchor &x before this alias"],
    [
      "routers: &x [*x]",
      "1:14: error: routers[0]: this alias stands inside the thing it stands for",
    ],
    ["[a]: 1", "1:1: error: this is not valid YAML: a key must be a text"],
    ["routers: !foo []", "1:10: error: this is not valid YAML: unresolved tag: !foo"],
    ["routers: []\nrouters: []", "2:1: error: routers: this key stands here for the second time"],
    ["routers: []\n__proto__: 1", "2:1: error: __proto__: unknown key"],
  ])("%p is refused with its place", (text, message) =>
    expect(problemsIn(text).find((line) => !line.includes("warning"))).toBe(`l5d.yml:${message}`),
  );

  test("of a whole family of repeated keys is told for each", () => {
    expect(problemsIn("routers: []\na: {b: 1, b: 2}\na: 1\n")).toContain(
      "l5d.yml:2:11: error: a.b: this key stands here for the second time",
    );
  });

  test("that is nested without end is refused", () => {
    for (const text of ["[".repeat(50_000), "- ".repeat(50_000), '{"a":'.repeat(50_000)]) {
      expect(problemsIn(text).length).toBeWithin(1, 30);
    }
  });

  test("with aliases of aliases does not grow without end", () => {
    const level = (name: string, of: string): string =>
      `${name}: &${name} [${`*${of},`.repeat(10)}]`;
    const bomb = ["a: &a [x]", level("b", "a"), level("c", "b"), level("d", "c"), level("e", "d")];
    expect(problemsIn(bomb.join("\n"))[0]).toContain("this cannot be read: ");
  });

  test("errors never repeat what may be a key", () => {
    const key = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7";
    for (const text of [
      `{"privateKey": ${key}}`,
      `{"privateKey": -----BEGIN PRIVATE KEY----- ${key}}`,
      `routers: []\nprivateKey: "${key}\n`,
      `privateKey: -----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n`,
    ]) {
      const problems = problemsIn(text);
      expect(problems.length).toBeGreaterThan(0);
      expect(problems.join("\n")).not.toContain(key);
    }
  });
});

test("A configuration of 0.0.x is sent to the migration guide, and told nothing else", () => {
  const old = `
proxies:
  - servers: [{kind: io.l5d.tcp, addr: 0.0.0.0:7474}]
    namerd: {addr: 127.0.0.1:4180, path: /svc/default}
bufferSize: 8192
`;
  expect(problemsIn(old)).toEqual([
    "l5d.yml:2:1: error: proxies: this is a configuration of linkerd-tcp 0.0.x; docs/guide/from-linkerd-tcp.md says how to write it now",
  ]);
});

test("A configuration of namerd is sent to its command, and told nothing else", () => {
  const text = "storage: {kind: io.l5d.inMemory}\ninterfaces: [{kind: io.l5d.httpController}]\n";
  expect(problemsIn(text)).toEqual([
    "l5d.yml:2:1: error: interfaces: this is a configuration of namerd: run it with linkerd-tcp namerd",
  ]);
});

describe("any input", () => {
  const isResult = (text: string): void => {
    const result = loadConfigText(text);
    if (!result.ok) expect(result.problems.length).toBeGreaterThan(0);
  };

  test("of bytes gives problems or a configuration", () => {
    const bytes = fc.uint8Array({ maxLength: 200 });
    fc.assert(fc.property(bytes, (data) => isResult(new TextDecoder().decode(data))));
  });

  test("of pieces of YAML gives problems or a configuration", () => {
    const pieces = [
      "a",
      "routers",
      ": ",
      "\n",
      "- ",
      "  ",
      "{",
      "}",
      "[",
      "]",
      ",",
      '"',
      "'",
      "&a ",
    ];
    const more = ["*a", "!t ", "|", ">", "#", "%", "---\n", "\t", "? ", "<<", "1", "~", "@", "\\"];
    const text = fc.array(fc.constantFrom(...pieces, ...more), { maxLength: 40 });
    fc.assert(
      fc.property(text, (parts) => isResult(parts.join(""))),
      { numRuns: 500 },
    );
  });

  test("of data in the place of any value gives problems or a configuration", () => {
    const keys = [
      "kind",
      "tls",
      "certs",
      "names",
      "port",
      "dstName",
      "configs",
      "prefix",
      "failFast",
    ];
    const key = fc.oneof(
      fc.constantFrom(...keys, "identities", "__proto__", "constructor"),
      fc.string(),
    );
    const leaf = fc.constantFrom<unknown>(0, -1, 1.5, "", "/a", "a:1", null, true, "io.l5d.static");
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 5 },
        leaf,
        fc.array(tie("tree"), { maxLength: 3 }),
        fc.dictionary(key, tie("tree"), { maxKeys: 4 }),
      ),
    }));
    const router = fc.record(
      { label: fc.oneof(fc.constant("a"), tree), interpreter: tree, servers: tree, client: tree },
      { requiredKeys: [] },
    );
    const document = fc.record(
      { admin: tree, workers: tree, routers: fc.array(router) },
      { requiredKeys: ["routers"] },
    );
    fc.assert(
      fc.property(document, (data) => isResult(JSON.stringify(data))),
      { numRuns: 300 },
    );
  }, 30_000);
});
