#!/usr/bin/env bun
// How large files and functions of src may be; prints the figures. Tests are not counted.
import { join } from "node:path";
import { functionSizes } from "./function-sizes.ts";
import { maskSource } from "./mask-source.ts";
import { type Finding, isTest, projectFiles, report, ROOT } from "./source-tree.ts";

/** Lines, comments and blank ones included. */
export const BUDGET = { median: 120, p90: 300, file: 400, function: 60 } as const;

/** The figures of a set of files. */
export interface Sizes {
  readonly files: number;
  readonly lines: number;
  readonly median: number;
  readonly p90: number;
  readonly longestFile: string;
  readonly longestFunction: string;
}

/** Measures `sources` (path → text) and holds them against the budget. */
export function measure(sources: ReadonlyMap<string, string>): {
  readonly sizes: Sizes;
  readonly findings: readonly Finding[];
} {
  const files = [...sources]
    .map(([path, text]) => ({
      path,
      lines: text.split("\n").length - (text.endsWith("\n") ? 1 : 0),
    }))
    .sort((a, b) => a.lines - b.lines);
  const functions = [...sources]
    .flatMap(([path, text]) =>
      functionSizes(maskSource(text).code).map((size) => ({ path, ...size })),
    )
    .sort((a, b) => a.lines - b.lines);
  const at = (share: number): number => files[Math.ceil(files.length * share) - 1]?.lines ?? 0;
  const file = files.at(-1);
  const longest = functions.at(-1);
  const sizes = {
    files: files.length,
    lines: files.reduce((sum, { lines }) => sum + lines, 0),
    median: at(0.5),
    p90: at(0.9),
    longestFile: file === undefined ? "none" : `${file.lines} (${file.path})`,
    longestFunction:
      longest === undefined ? "none" : `${longest.lines} (${longest.name}, ${longest.path})`,
  };
  const over = (value: number, limit: number, what: string): Finding[] =>
    value <= limit ? [] : [{ path: "src", message: `${what} has ${value} lines of ${limit}` }];
  return {
    sizes,
    findings: [
      ...over(sizes.median, BUDGET.median, "the median file"),
      ...over(sizes.p90, BUDGET.p90, "the file at the 90th percentile"),
      ...files
        .filter(({ lines }) => lines > BUDGET.file)
        .map(({ path, lines }) => ({ path, message: `${lines} lines of ${BUDGET.file}` })),
      ...functions
        .filter(({ lines }) => lines > BUDGET.function)
        .map(({ path, line, name, lines }) => ({
          path,
          line,
          message: `${name} has ${lines} lines of ${BUDGET.function}`,
        })),
    ],
  };
}

if (import.meta.main) {
  const paths = projectFiles().filter(
    (path) => path.startsWith("src/") && path.endsWith(".ts") && !isTest(path),
  );
  const sources = new Map(
    await Promise.all(
      paths.map(async (path) => [path, await Bun.file(join(ROOT, path)).text()] as const),
    ),
  );
  const { sizes, findings } = measure(sources);
  console.log(`files            ${sizes.files}, ${sizes.lines} lines`);
  console.log(`median file      ${sizes.median} of ${BUDGET.median}`);
  console.log(`90th percentile  ${sizes.p90} of ${BUDGET.p90}`);
  console.log(`longest file     ${sizes.longestFile} of ${BUDGET.file}`);
  console.log(`longest function ${sizes.longestFunction} of ${BUDGET.function}`);
  report(findings, "sizes are within the budget");
}
