import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { printDtab } from "../naming/dtab.ts";
import type { LoadResult } from "./load-result.ts";
import { loadNamerdText } from "./load-namerd.ts";
import type { NamerdConfig } from "./namerd-types.ts";
import { formatProblem } from "./problems.ts";

function load(text: string): LoadResult<NamerdConfig> {
  return loadNamerdText(text, "namerd.yml", {
    baseDir: "/etc/namerd",
    readFile: () => "",
    listFolder: () => [],
    isDirectory: (path) => path === "/etc/namerd/disco",
    environment: () => undefined,
    systemRoots: () => undefined,
    cores: 1,
    nowMs: 0,
  });
}

function problemsIn(text: string): readonly string[] {
  const result = load(text);
  return (result.ok ? result.warnings : result.problems).map(formatProblem);
}

function good(text: string): NamerdConfig {
  const result = load(text);
  if (!result.ok) throw new Error(result.problems.map(formatProblem).join("\n"));
  return result.config;
}

const EXAMPLE = `
admin: {ip: 127.0.0.1, port: 9991, shutdownGraceMs: 500}
storage:
  kind: io.l5d.inMemory
  namespaces: {default: "/svc => /#/io.l5d.fs;"}
namers: [{kind: io.l5d.fs, rootDir: disco}]
interfaces: [{kind: io.l5d.httpController}]
telemetry: [{kind: io.l5d.prometheus}]
`;

describe("namerd's configuration", () => {
  test("is read as namerd reads its own", () => {
    const { storage, ...rest } = good(EXAMPLE);
    expect(rest).toEqual({
      admin: { ip: "127.0.0.1", port: 9991 },
      namers: [{ kind: "io.l5d.fs", prefix: "/io.l5d.fs", rootDir: "/etc/namerd/disco" }],
      interfaces: [{ ip: "127.0.0.1", port: 4180 }],
    });
    if (storage.kind !== "io.l5d.inMemory") throw new Error(storage.kind);
    const dtabs = Array.from(storage.namespaces, ([name, dtab]) => [name, printDtab(dtab)]);
    expect(dtabs).toEqual([["default", "/svc=>/#/io.l5d.fs"]]);
  });

  test("has defaults for what may be left out", () => {
    const config = good(
      `{"storage":{"kind":"io.l5d.inMemory"},"interfaces":[{"kind":"io.l5d.httpController"}]}`,
    );
    expect(config).toEqual({
      admin: { ip: "127.0.0.1", port: 9991 },
      storage: { kind: "io.l5d.inMemory", namespaces: new Map() },
      namers: [],
      interfaces: [{ ip: "127.0.0.1", port: 4180 }],
    });
  });

  test("may keep dtabs in a file, or in etcd", () => {
    const base = "interfaces: [{kind: io.l5d.httpController, port: 0}]\nstorage: ";
    expect(good(`${base}{kind: io.l5d.sqlite, path: var/dtabs.db}`).storage).toEqual({
      kind: "io.l5d.sqlite",
      path: "/etc/namerd/var/dtabs.db",
      namespaces: new Map(),
    });
    expect(good(`${base}{kind: io.l5d.etcd, experimental: true}`).storage).toEqual({
      kind: "io.l5d.etcd",
      baseUrls: ["http://localhost:2379"],
      pathPrefix: "/namerd/dtabs",
      tls: undefined,
    });
  });
});

const BAD: readonly (readonly [string, string, readonly string[]])[] = [
  [
    "nothing",
    "",
    [
      "namerd.yml:1:1: error: the file is empty: expected an object with the keys storage and interfaces",
    ],
  ],
  [
    "a file of the proxy",
    "routers: []",
    [
      "namerd.yml:1:1: error: routers: this is a configuration of the proxy; namerd's has storage, namers and interfaces",
    ],
  ],
  [
    "neither storage nor interfaces",
    "admin: {port: 1}",
    [
      "namerd.yml:1:1: error: storage: missing: expected an object",
      "namerd.yml:1:1: error: interfaces: missing: expected a list of interfaces",
    ],
  ],
  [
    "no interface",
    EXAMPLE.replace("[{kind: io.l5d.httpController}]", "[]"),
    [
      "namerd.yml:7:13: error: interfaces: expected a list of at least one interface, found an empty list",
    ],
  ],
  [
    "an interface that is not there",
    EXAMPLE.replace("io.l5d.httpController", "io.l5d.mesh"),
    [
      'namerd.yml:7:21: error: interfaces[0].kind: expected one of "io.l5d.httpController", found "io.l5d.mesh"',
    ],
  ],
  [
    "a key that is misspelt",
    EXAMPLE.replace("rootDir", "rootdir"),
    [
      "namerd.yml:6:10: error: namers[0].rootDir: missing: expected the path of a directory",
      'namerd.yml:6:28: error: namers[0].rootdir: unknown key; did you mean "rootDir"?',
    ],
  ],
  [
    "a key twice",
    `${EXAMPLE}telemetry: []\n`,
    ["namerd.yml:9:1: error: telemetry: this key stands here for the second time"],
  ],
  [
    "a dtab that is none",
    EXAMPLE.replace("/svc => /#/io.l5d.fs;", "/svc = /x"),
    [
      `namerd.yml:5:25: error: storage.namespaces.default: expected a dtab such as /svc => /#/io.l5d.fs;, found "/svc = /x": ` +
        "line 1, column 6 of it: '=>' expected but '=' found at '/svc [=] /x'",
    ],
  ],
  [
    "a namespace that no URL can name",
    EXAMPLE.replace("{default:", '{"a b":'),
    [
      'namerd.yml:5:16: error: storage.namespaces["a b"]: a namespace has a name of letters, digits, - _ . and ~, at most 255 of them',
    ],
  ],
  [
    "namers whose prefixes overlap, and an empty one",
    EXAMPLE.replace(
      "namers: [{kind: io.l5d.fs, rootDir: disco}]",
      "namers: [{kind: io.l5d.fs, rootDir: disco}, {kind: io.l5d.fs, rootDir: disco, prefix: /io.l5d.fs/x}, {kind: io.l5d.fs, rootDir: disco, prefix: /}]",
    ),
    [
      "namerd.yml:6:87: error: namers[1].prefix: the prefix /io.l5d.fs/x overlaps with /io.l5d.fs, that of namers[0] in line 6",
      "namerd.yml:6:144: error: namers[2].prefix: a prefix must not be empty",
    ],
  ],
  [
    "one address twice",
    EXAMPLE.replace("httpController}", "httpController, port: 9991}"),
    ["namerd.yml:7:50: error: interfaces[0].port: 127.0.0.1:9991 is taken by admin.port in line 2"],
  ],
];

describe("a file of namerd is refused", () => {
  for (const [what, text, problems] of BAD) {
    test(`with ${what}`, () => {
      expect(problemsIn(text)).toEqual([...problems]);
    });
  }

  test("or read, whatever stands in it", () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        const result = load(text);
        expect(result.ok || result.problems.length > 0).toBe(true);
      }),
    );
  });
});
