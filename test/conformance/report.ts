#!/usr/bin/env bun
// Runs the suite against every proxy that is there, and writes docs/reference/conformance.md. With --only=name one
// proxy alone is run, and what was seen goes to standard output.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Column, conformancePage, PAGE } from "./page.ts";
import { conformanceRun } from "./run.ts";
import { SUBJECTS, type Subject } from "./subjects.ts";

const ROOT = join(import.meta.dir, "../..");

async function columnOf(subject: Subject): Promise<Column> {
  const run = conformanceRun(subject);
  await run.finished;
  const results = await Promise.all(
    [...run.verdicts].map(async ([trial, verdict]) => ({ trial, verdict: await verdict })),
  );
  const failed = results.filter(({ verdict }) => verdict.length > 0).length;
  console.log(
    `${subject.name} ${subject.version}: ${results.length - failed} of ${results.length}`,
  );
  return { subject, results };
}

async function main(only: string | undefined): Promise<number> {
  const columns: Column[] = [];
  for (const subject of SUBJECTS) {
    if (only !== undefined && !subject.name.includes(only)) continue;
    if (subject.version === undefined) console.log(`${subject.name}: not there, left out`);
    else columns.push(await columnOf(subject));
  }
  if (only === undefined) {
    const stdin = Buffer.from(conformancePage(columns));
    const { stdout } = Bun.spawnSync([process.execPath, "fmt", "--stdin-filepath", PAGE], {
      cwd: ROOT,
      stdin,
    });
    writeFileSync(join(ROOT, PAGE), stdout);
    console.log(`wrote ${PAGE}`);
    return 0;
  }
  for (const { results } of columns)
    for (const { trial, verdict } of results)
      if (verdict.length > 0)
        console.log(`${trial.case.name} (${trial.mode}): ${verdict.join("; ")}`);
  return 0;
}

const only = process.argv.find((word) => word.startsWith("--only="))?.slice("--only=".length);
process.exitCode = await main(only);
