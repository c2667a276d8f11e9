// Decides which test files run together, and what the outcome of the runs is.
import { parseJunit, type TestCase } from "./junit.ts";

/** One start of `bun test`. */
export interface TestRun {
  /** From the root. */
  readonly files: readonly string[];
  readonly flags: readonly string[];
}

/** What came of a run. `junit` is empty when no report was written. */
export interface RunResult {
  readonly run: TestRun;
  readonly exitCode: number;
  readonly junit: string;
}

/** What came of all runs. */
export interface Outcome {
  readonly passed: number;
  readonly failed: readonly TestCase[];
  readonly skipped: readonly TestCase[];
  /** What failed without being a failed test: each counts as one. */
  readonly problems: readonly string[];
}

// They start processes and wait for them: not beside the many short tests of `src`, which want the cores.
const WHOLE_PRODUCT = ["test/integration/", "test/conformance/", "test/interop/", "test/chaos/"];
/** Those of them that measure what a neighbour would change: each has the machine to itself. */
export const ALONE: readonly string[] = [
  // Thousands of connections: their memory, and the time that they take.
  "test/chaos/crowds.test.ts",
  "test/chaos/stalled.test.ts",
  // Two dozen cases at a time already, which tell a writer that is stalled by 300 ms without progress.
  "test/conformance/conformance.test.ts",
  // A thousand watchers hear of a change within a second.
  "test/integration/namerd.test.ts",
  // The lag of an event loop.
  "test/integration/overload.test.ts",
  // How many threads can be started.
  "test/integration/thread-limit.test.ts",
  // Handshakes that are cut after so many milliseconds.
  "test/integration/tls-server-abuse.test.ts",
];
const TAKES_VALUE = new Set(["-t", "--test-name-pattern", "--timeout", "--seed", "--retry"]);
// With these not every file runs, and a missing report says nothing.
const RUNS_A_PART = /^--(?:bail|shard|changed)\b/;

/** A flag after which most tests are skipped on purpose. */
export const NAME_PATTERN = /^(?:-t|--test-name-pattern)/;

/**
 * The runs for a command line: patterns choose files by a part of their path, and everything else goes to `bun test`
 * as it is. A run without files is left out.
 */
export function planRuns(
  args: readonly string[],
  files: readonly string[],
  cores: number,
): readonly TestRun[] {
  const { patterns, flags } = splitArgs(args);
  const chosen = files.filter(
    (file) => patterns.length === 0 || patterns.some((pattern) => `./${file}`.includes(pattern)),
  );
  const isWhole = (file: string): boolean =>
    WHOLE_PRODUCT.some((folder) => file.startsWith(folder)) && !ALONE.includes(file);
  const isPart = (file: string): boolean => !isWhole(file) && !ALONE.includes(file);
  const sideBySide = [`--parallel=${cores}`, ...flags];
  return [
    { files: chosen.filter(isPart), flags: sideBySide },
    { files: chosen.filter(isWhole), flags: sideBySide },
    { files: chosen.filter((file) => ALONE.includes(file)), flags: ["--isolate", ...flags] },
  ].filter((run) => run.files.length > 0);
}

/** Adds up the runs. Whatever went wrong without a failed test to show for it counts as one. */
export function outcomeOf(results: readonly RunResult[]): Outcome {
  const reports = results.map((result) => ({ ...result, report: parseJunit(result.junit) }));
  const skipped = reports.flatMap(({ report }) => report.skipped);
  const passed = reports.reduce((sum, { report }) => sum + report.passed, 0);
  const failed = reports.flatMap(({ report }) => report.failed);
  const problems = reports.flatMap(({ run, exitCode, report }) => {
    const silent = run.flags.some((flag) => RUNS_A_PART.test(flag))
      ? []
      : run.files
          .filter((file) => !report.files.has(file))
          .map((file) => `${file}: reported no test; it crashed, ended the run, or is empty`);
    if (exitCode === 0 || report.failed.length + silent.length > 0) return silent;
    // A name pattern that finds its tests in another run is an error to Bun.
    if (run.flags.some((flag) => NAME_PATTERN.test(flag)) && report.passed === 0) return [];
    return [`bun test ended with ${exitCode}, though no test of its report failed`];
  });
  if (passed + failed.length + problems.length === 0) problems.push("no test ran");
  return { passed, failed, skipped, problems };
}

/** What failed, a line each: the end of a long output must do for whoever reads no more of it. */
export function failureLines({ failed, problems }: Outcome): readonly string[] {
  const tests = failed.map(({ file, line, name }) =>
    line > 0 ? `${file}:${line} ${name}` : `${file} ${name}`,
  );
  return [...tests, ...problems].map((what) => `failed: ${what}`);
}

/** The line that CI reads. */
export function closingLine(outcome: Outcome): string {
  const { passed, skipped } = outcome;
  const counts = `${passed} passed, ${failureLines(outcome).length} failed`;
  return skipped.length === 0 ? counts : `${counts}, ${skipped.length} skipped`;
}

/** Why a test is skipped, from the line of source that declares it: `skipIf(!hasStrace)`. */
export function skipReason(sourceLine: string): string {
  return (
    /\.((?:skipIf|if|todoIf)\(.*?\))\(/.exec(sourceLine)?.[1] ??
    /\.(skip|todo)\b/.exec(sourceLine)?.[1] ??
    "with its suite"
  );
}

function splitArgs(args: readonly string[]): { patterns: string[]; flags: string[] } {
  const patterns: string[] = [];
  const flags: string[] = [];
  for (const [index, arg] of args.entries()) {
    const isValue = TAKES_VALUE.has(args[index - 1] ?? "");
    (isValue || arg.startsWith("-") ? flags : patterns).push(arg);
  }
  return { patterns, flags };
}
