import { expect, test } from "bun:test";
import { RUN } from "./fixture.ts";
import { report, significant } from "./report.ts";

const lines = report(RUN).split("\n");

test("report() says what was measured and on what", () => {
  expect(lines[0]).toBe("# Benchmark of 2026-01-02, commit abc1234");
  expect(report(RUN)).toContain("A <fast> CPU, 2 cores, 8 GiB, Linux 6.1; proxy on core 0");
  expect(report(RUN)).toContain("Bun 1.4.5, nginx 1.22");
});

test("report() gives medians with quartiles, the ratio and the verdict", () => {
  expect(lines).toContain(
    "| small request | µs CPU | 13.0 (12.5–13.5) | 10.0 (10.0–10.0) | 20.0 (20.0–20.0) | 1.30 (1.25–1.35) | ≤ 1.15 | **missed** |",
  );
});

test("report() shows what failed, and why", () => {
  expect(lines).toContain(
    "| memory | MB | 4.00 (4.00–4.00) | 8.00 (8.00–8.00) | FAILED | 0.50 (0.50–0.50) | ≤ 10 MB | met |",
  );
  expect(lines).toContain("- memory, nginx: a connection was lost (round 1)");
});

test("report() has a table of its own for two workers", () => {
  expect(lines).toContain(
    "| work | unit | 2 workers | 1 worker | 2 workers / one worker | target | verdict |",
  );
  expect(lines.at(-6)).toEndWith("| 1.05 (1.05–1.05) | ≤ 1.10 | met |");
});

test("report() has a column for the change since another commit", () => {
  const [first] = RUN.results;
  if (first === undefined) throw new Error("no row");
  const base = { name: "ours@1234567", kind: "ours", samples: [10, 10, 10] } as const;
  const columns = [...first.columns.slice(0, 1), base, ...first.columns.slice(1)];
  const text = report({ ...RUN, results: [{ ...first, columns }] });
  expect(text).toContain("| verdict | ours / ours@1234567 |");
  expect(text).toContain("| **missed** | 1.30 (1.25–1.35) |");
});

test.each([
  [0, "0"],
  [0.6123, "0.612"],
  [12.345, "12.3"],
  [123.45, "123"],
  [6543.2, "6543"],
  [0.001234, "0.0012"],
])("significant(%p) is %p", (value, text) => {
  expect(significant(value)).toBe(text);
});

test("report() gives peers alone no ratio", () => {
  const results = RUN.results.slice(0, 1).map((result) => ({
    ...result,
    columns: result.columns.filter(({ kind }) => kind === "peer"),
  }));
  expect(report({ ...RUN, results })).toContain("| – | ≤ 1.15 | – |");
});
