import { describe, expect, test } from "bun:test";
import { ROOT } from "./source-tree.ts";
import {
  ALONE,
  closingLine,
  failureLines,
  outcomeOf,
  planRuns,
  type RunResult,
  skipReason,
} from "./test-plan.ts";

const CROWDS = "test/chaos/crowds.test.ts";
const FILES = ["src/a.test.ts", "src/b.test.ts", CROWDS, "test/integration/c.test.ts"];

const junit = (file: string, body = ""): string =>
  `<testcase name="n" classname="" file="${file}" line="1">${body}</testcase>`;
const result = (files: string[], xml: string, exitCode = 0, flags: string[] = []): RunResult => ({
  run: { files, flags },
  exitCode,
  junit: xml,
});

describe("planRuns()", () => {
  test("runs tests of parts first, then those of the whole product, then those that measure, alone", () => {
    expect(planRuns([], FILES, 2)).toEqual([
      { files: ["src/a.test.ts", "src/b.test.ts"], flags: ["--parallel=2"] },
      { files: ["test/integration/c.test.ts"], flags: ["--parallel=2"] },
      { files: [CROWDS], flags: ["--isolate"] },
    ]);
  });

  test("names only files that exist as those that measure", () => {
    const files = [...new Bun.Glob("test/**/*.test.ts").scanSync({ cwd: ROOT })];
    const [, , alone] = planRuns([], ["src/a.test.ts", ...files], 2);
    expect(alone?.files.toSorted()).toEqual(ALONE.toSorted());
  });

  test.each([
    [["integration"], ["test/integration/c.test.ts"]],
    [["./src/a"], ["src/a.test.ts"]],
    [
      ["a.test", "b.test"],
      ["src/a.test.ts", "src/b.test.ts"],
    ],
    [["nothing"], []],
  ])("chooses files by %j", (patterns, expected) => {
    expect(planRuns(patterns, FILES, 2).flatMap(({ files }) => files)).toEqual(expected);
  });

  test("passes flags and their values through", () => {
    const [run] = planRuns(["src/a", "-t", "one name", "--timeout=9"], FILES, 2);
    expect(run).toEqual({
      files: ["src/a.test.ts"],
      flags: ["--parallel=2", "-t", "one name", "--timeout=9"],
    });
  });
});

describe("outcomeOf()", () => {
  test("adds up the runs", () => {
    const outcome = outcomeOf([
      result(["a"], junit("a") + junit("a", "<skipped />")),
      result(["b"], junit("b") + junit("b", '<failure type="E">x</failure>'), 1),
    ]);
    expect(closingLine(outcome)).toBe("2 passed, 1 failed, 1 skipped");
    expect(outcome.problems).toEqual([]);
  });

  test("counts a file without a report as failed, whatever the exit code", () => {
    const outcome = outcomeOf([result(["a", "b"], junit("a"), 0)]);
    expect(closingLine(outcome)).toBe("1 passed, 1 failed");
    expect(outcome.problems).toEqual([expect.stringContaining("b: reported no test")]);
  });

  test("counts a run without any report as failed", () => {
    expect(closingLine(outcomeOf([result(["a"], "", 0)]))).toBe("0 passed, 1 failed");
  });

  test("counts a bad exit code without a failed test as failed", () => {
    expect(closingLine(outcomeOf([result(["a"], junit("a"), 1)]))).toBe("1 passed, 1 failed");
  });

  test("counts no test at all as failed, also when all were skipped", () => {
    expect(closingLine(outcomeOf([]))).toBe("0 passed, 1 failed");
    const skipped = result(["a"], junit("a", "<skipped />"));
    expect(closingLine(outcomeOf([skipped]))).toBe("0 passed, 1 failed, 1 skipped");
  });

  test("forgives a run in which a name pattern found nothing, if another found it", () => {
    const flags = ["-t", "n"];
    const nothing = result(["a"], junit("a", "<skipped />"), 1, flags);
    expect(closingLine(outcomeOf([nothing]))).toBe("0 passed, 1 failed, 1 skipped");
    const both = outcomeOf([nothing, result(["b"], junit("b"), 0, flags)]);
    expect(closingLine(both)).toBe("1 passed, 0 failed, 1 skipped");
  });

  test("expects no report of every file when only a part runs", () => {
    const outcome = outcomeOf([result(["a", "b"], junit("a"), 0, ["--shard=1/2"])]);
    expect(closingLine(outcome)).toBe("1 passed, 0 failed");
  });
});

test("failureLines() names each failed test with its place, then what failed without a test", () => {
  const failure = '<failure type="E">x</failure>';
  const hook = `<testcase name="(unnamed)" classname="s" file="b">${failure}</testcase>`;
  const outcome = outcomeOf([
    result(["a"], junit("a") + junit("a", failure), 1),
    result(["b", "c"], hook, 1),
  ]);
  expect(failureLines(outcome)).toEqual([
    "failed: a:1 n",
    "failed: b s > (unnamed)",
    expect.stringMatching(/^failed: c: reported no test/),
  ]);
  expect(closingLine(outcome)).toBe("1 passed, 3 failed");
  expect(failureLines(outcomeOf([result(["a"], junit("a"))]))).toEqual([]);
});

test.each([
  [`test.skipIf(!has("strace"))("x", () => {`, `skipIf(!has("strace"))`],
  [`  test.if(linux)("x", () => {`, "if(linux)"],
  [`test.skip("x", () => {`, "skip"],
  [`test.todo("x");`, "todo"],
  [`test("x", () => {`, "with its suite"],
])("skipReason() of %j", (line, reason) => {
  expect(skipReason(line)).toBe(reason);
});
