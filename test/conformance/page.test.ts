// docs/reference/conformance.md is a run that was written down: its cases must be those of the suite.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CASES } from "./cases.ts";
import { type Column, conformancePage, PAGE, rowName } from "./page.ts";
import { TRIALS } from "./run.ts";
import { SUBJECTS } from "./subjects.ts";

const PUBLISHED = readFileSync(join(import.meta.dir, "../..", PAGE), "utf8");

/** The rows of the table of cases: name, then a cell for each proxy. */
function rowsOf(page: string): readonly (readonly string[])[] {
  const [, cases = ""] = /^## Cases\n([\s\S]*?)^## /m.exec(page) ?? [];
  const rows = Array.from(cases.matchAll(/^\| (.*) \|$/gm), ([, cells = ""]) =>
    cells.split("|").map((cell) => cell.trim()),
  );
  return rows.slice(2);
}

test("the page has the cases of the suite", () => {
  expect(rowsOf(PUBLISHED).map(([name]) => name)).toEqual(CASES.map(rowName));
});

test("names are used once", () => {
  expect(new Set(CASES.map(rowName)).size).toBe(CASES.length);
});

test("the page says of linkerd-tcp what the suite holds it to: that every case passes", () => {
  expect(rowsOf(PUBLISHED).filter(([, ours]) => ours !== "✓")).toEqual([]);
});

test("a failed trial is seen in its row, in the count and with what was seen", () => {
  const [subject] = SUBJECTS;
  const [first, ...rest] = TRIALS.filter(({ case: row }) => row === CASES[0]);
  if (subject === undefined || first === undefined) throw new Error("there is nothing to show");
  const verdict = ["client got 9 of 70 bytes"];
  const results = [{ trial: first, verdict }, ...rest.map((trial) => ({ trial, verdict: [] }))];
  const page = conformancePage([{ subject, results }] satisfies Column[]);
  expect(rowsOf(page)[0]?.[1]).toBe("✗ plain");
  expect(page).toContain("3 of 4");
  expect(page).toContain(": client got a part of the bytes");
});
