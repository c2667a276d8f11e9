import { describe, expect, test } from "bun:test";
import { textFindings } from "./check-text.ts";

// In pieces, so that this file does not hold what it says is refused.
const WORK = `/${"work"}/`;
const FARM = `/${"farm"}/`;
const REGISTRY = `https://${"registry"}.npmjs.org/`;

describe("textFindings()", () => {
  test.each([
    ["docs/a.md", `see ${WORK}main/src`],
    ["docs/a.md", `\`${FARM}x\``],
    ["src/a.ts", 'open("/tmp/exp1/a")'],
    ["docs/a.md", `from ${REGISTRY}bun`],
    [".ci/run", "deb.debian.org"],
    ["package-lock.json", '"resolved": "https://mirror.test/bun.tgz"'],
    ["src/a.ts", "// TODO: later"],
    ["src/a.ts", "f(); // soon, FIXME(12)"],
    ["src/a.ts", "/**\n * TODO later\n */"],
    [".ci/a.sh", "  # TODO later"],
    ["src/utils.ts", ""],
    ["src/lib/string-utils.ts", ""],
    ["src/util/a.ts", ""],
  ])("refuses in %s: %s", (path, text) => {
    expect(textFindings(path, text)).toHaveLength(1);
  });

  test.each([
    ["docs/a.md", "https://example.com/work/ and ./work/ and docs/work/"],
    ["docs/a.md", "A TODO needs an issue."],
    ["src/a.ts", "// TODO(#12): later"],
    ["src/a.ts", 'say("TODO");'],
    ["src/a.ts", "mkdtemp('/tmp/')"],
    ["src/utilization.ts", "registry.counter"],
    ["src/a.json", '"resolved": "https://a"'],
  ])("allows in %s: %s", (path, text) => {
    expect(textFindings(path, text)).toEqual([]);
  });

  test("tells path and line", () => {
    expect(textFindings("a.md", `\n\n${WORK}x`)).toEqual([
      { path: "a.md", line: 3, message: `"${WORK}": a path of one machine` },
    ]);
  });
});
