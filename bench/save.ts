// Writes a finished run to where the documentation looks for it.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chart } from "./chart.ts";
import { report, type Run } from "./report.ts";

/** Writes report and chart below `root`; answers the paths. */
export async function save(run: Run, root: string): Promise<string[]> {
  const results = join(root, "bench/results");
  mkdirSync(results, { recursive: true });
  const text = report(run);
  const drawing = chart(run);
  const files = new Map([
    [join(results, `${run.facts.date}-${run.facts.commit.replace("+", "-dirty")}.md`), text],
    [join(results, "latest.md"), text],
    ...(drawing === undefined ? [] : [[join(root, "docs/benchmark.svg"), drawing] as const]),
  ]);
  for (const [path, content] of files) await Bun.write(path, content);
  return [...files.keys()];
}
