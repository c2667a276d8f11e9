// docs/reference/tls-interop.md is a run that was written down: it must be one of all cells, in which all was well.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CELLS, type Stack } from "./cells.ts";
import { interopPage, MARKS, PAGE, type Result } from "./page.ts";

const VERSIONS: Readonly<Record<Stack, string>> = {
  OpenSSL: "1",
  GnuTLS: "2",
  "Node.js": "3",
  Python: "4",
};
const marksOf = (page: string, mark: string): number =>
  Array.from(page.matchAll(new RegExp(`\\| +${mark} +(?=\\|)`, "g"))).length;

test("the page has every cell, and each is as it must be", () => {
  const page = readFileSync(join(import.meta.dir, "../..", PAGE), "utf8");
  expect(marksOf(page, "✓")).toBe(MARKS);
});

test("what failed is marked, with what was seen; what was not tried is no success", () => {
  const [cell, ...others] = CELLS;
  if (cell === undefined) throw new Error("nothing is tried");
  const good = { full: [], resumed: [] };
  const well = { client: good, endpoint: good };
  const results: readonly Result[] = [
    { ...well, cell, client: { ...good, resumed: ["did not resume"] } },
    ...others.slice(1).map((each) => ({ ...well, cell: each })),
  ];
  const page = interopPage(results, VERSIONS);
  expect([marksOf(page, "✓"), marksOf(page, "✗"), marksOf(page, "–")]).toEqual([MARKS - 3, 1, 2]);
  expect(page).toContain("- OpenSSL, TLS 1.2, RSA-2048, client, resumed: did not resume");
});
