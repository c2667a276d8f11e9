import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeClock } from "../../../test/support/fake-clock.ts";
import { SystemFile } from "./system-file.ts";

let folder: string;
let path: string;
let clock: FakeClock;
let file: SystemFile<string>;
let parsed: number;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "system-file-"));
  path = join(folder, "file");
  clock = new FakeClock();
  parsed = 0;
  const parse = (text: string): string => {
    parsed++;
    return text;
  };
  file = new SystemFile(path, parse, clock);
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("SystemFile", () => {
  test("reads a file once while it stays as it is", async () => {
    writeFileSync(path, "one");
    for (let round = 0; round < 5; round++) {
      expect(await file.value()).toBe("one");
      clock.advance(3_000);
    }
    expect(parsed).toBe(1);
  });

  test("looks for a change every two seconds, also for a file that takes its place", async () => {
    writeFileSync(path, "one");
    await file.value();
    writeFileSync(path, "second");
    clock.advance(1_999);
    expect(await file.value()).toBe("one");
    clock.advance(1);
    expect(await file.value()).toBe("second");
    writeFileSync(`${path}.new`, "3rd...");
    renameSync(`${path}.new`, path);
    clock.advance(2_000);
    expect(await file.value()).toBe("3rd...");
  });

  test("takes a missing file for an empty one, until it is there", async () => {
    expect(await file.value()).toBe("");
    writeFileSync(path, "one");
    clock.advance(2_000);
    expect(await file.value()).toBe("one");
    renameSync(path, `${path}.away`);
    clock.advance(2_000);
    expect(await file.value()).toBe("");
    renameSync(`${path}.away`, path);
    clock.advance(2_000);
    expect(await file.value()).toBe("one");
  });

  test("keeps what a file said that cannot be read any more", async () => {
    writeFileSync(path, "one");
    await file.value();
    rmSync(path);
    // What a link to itself points to cannot be told (ELOOP).
    await Bun.$`ln -s file ${path}`.quiet();
    clock.advance(2_000);
    expect(await file.value()).toBe("one");
  });
});
