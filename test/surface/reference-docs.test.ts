// docs/reference says what the code does: its pages are those that the code generates.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { generatePages } from "../../tools/generate-docs.ts";

const ROOT = join(import.meta.dir, "../..");

for (const [path, text] of generatePages()) {
  test(`${path} is up to date with the code`, () => {
    expect(readFileSync(join(ROOT, path), "utf8")).toBe(text);
  });
}
