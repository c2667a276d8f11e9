#!/usr/bin/env bun
// What `npm test` runs: `bun test` on every test file, then what was skipped, what failed and the counts, from the JUnit reports.
// Arguments choose files (a part of the path) or go to `bun test` (-t name, --timeout=ms).
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "./source-tree.ts";
import {
  closingLine,
  failureLines,
  NAME_PATTERN,
  outcomeOf,
  planRuns,
  type RunResult,
  skipReason,
  type TestRun,
} from "./test-plan.ts";

const TEST_FILES = new Bun.Glob("{src,test,tools,bench}/**/*.test.ts");

/** Runs `bun test` with its output on ours. */
async function start(run: TestRun, report: string): Promise<RunResult> {
  const child = Bun.spawn(
    [
      process.execPath,
      "test",
      // Programs that a test leaves behind end with the run.
      "--no-orphans",
      "--reporter=junit",
      `--reporter-outfile=${report}`,
      ...run.flags,
      ...run.files.map((file) => `./${file}`),
    ],
    { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"] },
  );
  const exitCode = await child.exited;
  const file = Bun.file(report);
  return { run, exitCode, junit: (await file.exists()) ? await file.text() : "" };
}

async function runAll(args: readonly string[]): Promise<number> {
  const files = [...TEST_FILES.scanSync({ cwd: ROOT })].sort();
  const folder = mkdtempSync(join(tmpdir(), "linkerd-tcp-test-"));
  const results: RunResult[] = [];
  try {
    for (const [index, run] of planRuns(args, files, availableParallelism()).entries()) {
      results.push(await start(run, join(folder, `${index}.xml`)));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const outcome = outcomeOf(results);
  // With a name pattern all the others are skipped, which is no news.
  const chosen = args.some((arg) => NAME_PATTERN.test(arg));
  console.log("");
  for (const { file, line, name } of chosen ? [] : outcome.skipped) {
    const source = await Bun.file(join(ROOT, file)).text();
    const reason = skipReason(source.split("\n")[line - 1] ?? "");
    console.log(`skipped: ${file}:${line} ${name} (${reason})`);
  }
  const failures = failureLines(outcome);
  for (const line of failures) console.log(line);
  console.log(closingLine(outcome));
  return failures.length === 0 ? 0 : 1;
}

process.exitCode = await runAll(process.argv.slice(2));
