import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemRoots } from "./system-roots.ts";

const folder = mkdtempSync(join(tmpdir(), "roots-"));
afterAll(() => rmSync(folder, { recursive: true }));
const first = join(folder, "first.pem");
const second = join(folder, "second.pem");
writeFileSync(first, "one");
writeFileSync(second, "two");

test("systemRoots() reads the first file that is there", () => {
  expect(systemRoots("", [join(folder, "none.pem"), first, second])).toEqual({
    file: first,
    pem: "one",
  });
});

test("systemRoots() reads the file that SSL_CERT_FILE names, and no other", () => {
  expect(systemRoots(second, [first])).toEqual({ file: second, pem: "two" });
  const missing = join(folder, "none.pem");
  expect(systemRoots(missing, [first])).toEqual({ file: missing, pem: "" });
});

test("systemRoots() has none where no file is", () => {
  expect(systemRoots("", [])).toBeUndefined();
});
