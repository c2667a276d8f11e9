import { describe, expect, test } from "bun:test";
import { MAY_IMPORT, projectRules } from "./check-layers.ts";
import { cycleFindings } from "./layer-imports.ts";
import { layerFindings } from "./layer-rules.ts";

const rules = projectRules(["yaml"]);

/** What is found in one file, without its path. */
const found = (path: string, source: string): string[] =>
  layerFindings([{ path, source }], rules).map(({ line, message }) => `${line}: ${message}`);

describe("MAY_IMPORT", () => {
  test("is acyclic and names only folders that have a row", () => {
    const folders = Object.keys(MAY_IMPORT);
    const pairs = Object.entries(MAY_IMPORT).flatMap(([from, row]) =>
      row.map((entry) => ({ from, to: entry.split(/[:/]/)[0] ?? "", path: from })),
    );
    expect(cycleFindings(pairs)).toEqual([]);
    expect(pairs.map(({ to }) => to).filter((to) => !folders.includes(to))).toEqual([]);
  });
});

describe("layers: imports", () => {
  test.each([
    ["a folder of its row", "src/router/a.ts", `import { B } from "../balancer/b.ts";`],
    ["its own folder", "src/router/a.ts", `import { B } from "./b.ts";`],
    ["a folder within its own", "src/admin/dashboard/a.ts", `import { B } from "../b.ts";`],
    ["a type where only types may", "src/wire/a.ts", `import type { B } from "../telemetry/b.ts";`],
    ["a file that its row names", "src/control/a.ts", `import { b } from "../transport/bind.ts";`],
    ["a package of the program", "src/config/a.ts", `import { parse } from "yaml";`],
    ["a module of Node", "src/lib/a.ts", `import { isIP } from "node:net";`],
    ["the value in a test", "src/wire/a.test.ts", `import { B } from "../telemetry/b.ts";`],
    ["support in a test", "src/lib/a.test.ts", `import { B } from "../../test/support/b.ts";`],
    ["fast-check in a suite", "src/lib/a.contract.ts", `import fc from "fast-check";`],
    ["the version of the program", "src/app/a.ts", `import p from "../../package.json";`],
    ["the command line in main", "src/main.ts", `import { run } from "./cli/run.ts";`],
  ])("allows %s", (_, path, source) => {
    expect(found(path, source)).toEqual([]);
  });

  test.each([
    ["src/lib/a.ts", "../naming/path.ts", "lib may not import naming/path.ts"],
    ["src/control/a.ts", "../transport/tls.ts", "control may not import transport/tls.ts"],
    [
      "src/wire/a.ts",
      "../telemetry/b.ts",
      `may import only types of telemetry, with "import type"`,
    ],
    ["src/lib/a.test.ts", "../naming/path.ts", "lib may not import naming/path.ts"],
    ["src/router/a.ts", "../balancer", "names a folder or lacks its extension"],
    ["src/router/a.ts", "../balancer/index.ts", "is a barrel"],
    ["src/router/a.ts", "./b.test.ts", "is a test"],
    ["src/router/a.ts", "../../test/support/b.ts", "is outside src"],
    ["src/router/a.test.ts", "../../bench/b.ts", "is outside src"],
    ["src/nowhere/a.ts", "../lib/b.ts", "nowhere has no row in MAY_IMPORT"],
    ["src/config/a.ts", "left-pad/sub", `"left-pad" is no dependency of the program`],
    ["src/config/a.ts", "fast-check", `"fast-check" is for tests`],
    ["src/config/a.ts", "bun:test", `"bun:test" is for tests`],
  ])("%s may not import %s", (path, specifier, message) => {
    expect(found(path, `import { a } from "${specifier}";`).join()).toContain(message);
  });

  test("refuses an edge that is only a type", () => {
    const source = `import type { A } from "../admin/a.ts";`;
    expect(found("src/balancer/a.ts", source)).toEqual(["1: balancer may not import admin/a.ts"]);
  });

  test("names the folders of a cycle", () => {
    const files = [
      { path: "src/lib/a.ts", source: `import { b } from "../naming/b.ts";` },
      { path: "src/naming/b.ts", source: `import { a } from "../lib/a.ts";` },
    ];
    const messages = layerFindings(files, rules).map(({ message }) => message);
    expect(messages).toContain("cycle: lib → naming → lib");
  });
});

describe("layers: places", () => {
  test.each([
    ["src/lib/a.ts", "const now = Date.now();"],
    ["src/lib/a.ts", "const now = new Date ();"],
    ["src/proxy/a.ts", "globalThis.setTimeout(f, 1);"],
    ["src/balancer/a.ts", "const r = Math.random();"],
    ["src/config/a.ts", `import { scheduler as wait } from "node:timers/promises";`],
    ["src/telemetry/a.ts", "const f = Bun.file;"],
    ["src/telemetry/a.ts", "const { file } = Bun;"],
    ["src/admin/routes.ts", `import { serve } from "bun";`],
    ["src/naming/a.ts", "f(...process.argv);"],
    ["src/app/a.ts", "new Worker(url);"],
    ["src/transport/a.ts", `import { dlopen } from "bun:ffi";`],
    ["src/proxy/a.ts", "throw new Error(`x`);"],
    ["src/transport/a.ts", "if (x) throw x;"],
    ["src/proxy/a.ts", `count("l5d_router_requests");`],
  ])("refuses in %s: %s", (path, source) => {
    expect(found(path, source)).toHaveLength(1);
  });

  test.each([
    ["src/lib/clock.ts", "Date.now(); performance.now(); setTimeout(f, 1);"],
    ["src/telemetry/log-line.ts", "new Date(time).toISOString();"],
    ["src/lib/rng.ts", "Math.random();"],
    ["src/transport/a.ts", "Bun.listen(o);"],
    ["src/app/a.ts", "process.exit(1);"],
    ["src/control/supervisor.ts", "new Worker(url); Bun.gc(true);"],
    ["src/transport/libc.ts", `import { dlopen } from "bun:ffi";`],
    ["src/transport/libc-sockets.ts", `import { dlopen } from "bun:ffi";`],
    ["src/transport/bind.ts", "throw new Error();"],
    ["src/config/a.ts", "throw new Error();"],
    ["src/telemetry/catalogue/a.ts", `counter("l5d_router_requests");`],
    ["src/proxy/a.ts", `/* Date, Bun.file and throw */ log("throw Date process.env");`],
    ["src/proxy/a.ts", "clock.performance; update(); socket.throw(); this.#Bun; new Date2();"],
    ["src/lib/a.test.ts", "Date.now(); Bun.file(f); process.exit(); throw new Error();"],
  ])("allows in %s: %s", (path, source) => {
    expect(found(path, source)).toEqual([]);
  });

  test.each([
    "setTimeout(f, 1);",
    "await Bun.sleep(1);",
    "await sleep(1);",
    "Bun . sleepSync(1);",
    "test.only(n, f);",
  ])("refuses in a test: %s", (source) => {
    for (const path of ["src/lib/a.test.ts", "test/integration/a.test.ts"]) {
      expect(found(path, source)).toEqual([expect.stringContaining("is refused here")]);
    }
  });

  test("leaves sleeping to test/support", () => {
    expect(found("test/support/wait.ts", "await Bun.sleep(1);")).toEqual([]);
  });

  test("tells the line", () => {
    expect(found("src/lib/a.ts", "\n\nDate.now();")[0]).toStartWith("3: Date.now is refused here");
  });
});
