import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeClock } from "../../../test/support/fake-clock.ts";
import { fileStamp } from "../../lib/file-stamp.ts";
import { ConfigWatch } from "./config-watch.ts";

function setup() {
  const clock = new FakeClock();
  const stamps = new Map([
    ["/a", "1"],
    ["/b", "1"],
  ]);
  const stampOf = (path: string) => ({ path, stamp: stamps.get(path) ?? "" });
  let changes = 0;
  const onChange = () => void (changes += 1);
  const watch = new ConfigWatch({ clock, onChange, stampOf });
  watch.expect(["/a", "/b"].map(stampOf));
  const changesAfter = (ms: number): number => {
    clock.advance(ms);
    return changes;
  };
  return { clock, stamps, watch, stampOf, changesAfter };
}

test("ConfigWatch tells of a change once, when it is the same at two looks", () => {
  const { stamps, watch, changesAfter } = setup();
  watch.set(true);
  expect(changesAfter(5_000)).toBe(0);
  stamps.set("/b", "2");
  expect(changesAfter(1_000)).toBe(0);
  stamps.set("/b", "3");
  expect(changesAfter(1_000)).toBe(0);
  expect(changesAfter(1_000)).toBe(1);
  expect(changesAfter(10_000)).toBe(1);
});

test("ConfigWatch tells of a file that never stays the same every ten seconds", () => {
  const { stamps, watch, changesAfter } = setup();
  watch.set(true);
  const changes = Array.from({ length: 30 }, (_, second) => {
    stamps.set("/b", `version ${second}`);
    return changesAfter(1_000);
  });
  expect([8, 9, 18, 19, 29].map((second) => changes[second])).toEqual([0, 1, 1, 2, 3]);
});

test("ConfigWatch says nothing of a file that is soon as it was", () => {
  const { stamps, watch, changesAfter } = setup();
  watch.set(true);
  stamps.delete("/a");
  changesAfter(1_000);
  stamps.set("/a", "1");
  expect(changesAfter(10_000)).toBe(0);
});

test("ConfigWatch looks only while it is on, and then sees what has changed before", () => {
  const { clock, stamps, watch, changesAfter } = setup();
  stamps.set("/a", "2");
  expect(changesAfter(10_000)).toBe(0);
  watch.set(true);
  watch.set(true);
  expect(changesAfter(2_000)).toBe(1);
  watch.set(false);
  expect(clock.pending).toBe(0);
});

test("fileStamp() tells a file from one that was written, renamed or linked over it", () => {
  const folder = mkdtempSync(join(tmpdir(), "linkerd-tcp-stamp-"));
  try {
    const at = (name: string) => join(folder, name);
    for (const version of ["v1", "v2"]) {
      mkdirSync(at(version));
      writeFileSync(at(`${version}/config.yml`), "same size");
    }
    symlinkSync("v1", at("data"));
    const path = at("data/config.yml");
    const stamps = [fileStamp(path).stamp];
    symlinkSync("v2", at("next"));
    renameSync(at("next"), at("data"));
    stamps.push(fileStamp(path).stamp);
    writeFileSync(path, "other size!");
    stamps.push(fileStamp(path).stamp);
    rmSync(path);
    stamps.push(fileStamp(path).stamp);
    expect(new Set(stamps).size).toBe(4);
    expect(stamps[3]).toBe("");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
