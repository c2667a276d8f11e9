#!/usr/bin/env bun
// The one gate: every check of the project, each named and timed. All run, even when one fails.
// Arguments choose steps: `bun tools/ok.ts lint types`. The tests run last, so that their counts close the output.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./source-tree.ts";

/** What a step runs, from the root: arguments of Bun. */
export const STEPS = {
  format: ["fmt", "--check", "--no-script"],
  // Its own script begins Node; Bun runs it as well.
  lint: ["--bun", "node_modules/oxlint/bin/oxlint"],
  types: ["check", "--no-script"],
  layers: ["tools/check-layers.ts"],
  sizes: ["tools/check-sizes.ts"],
  text: ["tools/check-text.ts"],
  docs: ["tools/generate-docs.ts", "--check"],
  tests: ["tools/test.ts"],
} as const satisfies Readonly<Record<string, readonly string[]>>;

type StepName = keyof typeof STEPS;

/** The steps that `args` name, in our order; all when there are none. Undefined when one has no such name. */
export function chooseSteps(args: readonly string[]): readonly StepName[] | undefined {
  const names = Object.keys(STEPS) as StepName[];
  const known = new Set<string>(names);
  if (!args.every((arg) => known.has(arg))) return undefined;
  return args.length === 0 ? names : names.filter((name) => args.includes(name));
}

/** Runs one step with its output on ours; the last line of standard output is kept, to be said again. */
async function runStep(name: StepName): Promise<{ readonly ok: boolean; readonly last: string }> {
  console.log(`\n== ${name}: bun ${STEPS[name].join(" ")}`);
  const child = Bun.spawn([process.execPath, ...STEPS[name]], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let tail = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    process.stdout.write(chunk);
    tail = (tail + decoder.decode(chunk, { stream: true })).slice(-1000);
  }
  return { ok: (await child.exited) === 0, last: tail.trimEnd().split("\n").at(-1) ?? "" };
}

async function main(args: readonly string[]): Promise<number> {
  const names = chooseSteps(args);
  if (names === undefined) {
    console.error(`usage: bun tools/ok.ts [step…], with steps of ${Object.keys(STEPS).join(" ")}`);
    return 2;
  }
  const summary: string[] = [];
  let failures = 0;
  let counts: string | undefined;
  for (const name of names) {
    const started = performance.now();
    const script = STEPS[name].find((word) => word.startsWith("tools/"));
    if (script !== undefined && !existsSync(join(ROOT, script))) {
      summary.push(`${name.padEnd(8)} left out: there is no ${script}`);
      continue;
    }
    const { ok, last } = await runStep(name);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    if (!ok) failures++;
    if (name === "tests") counts = last;
    summary.push(`${name.padEnd(8)} ${ok ? "ok" : "FAILED"} ${seconds} s`);
  }
  console.log(`\n== summary\n${summary.join("\n")}`);
  console.log(failures === 0 ? "all ok" : `${failures} of ${names.length} steps failed`);
  if (counts !== undefined) console.log(counts);
  return failures === 0 ? 0 : 1;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
