import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../../../test/support/until.ts";
import { FolderWatches } from "./folder-watches.ts";

let root: string;
let folder: string;
let watches: FolderWatches;
let changes: number;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "folder-watches-"));
  folder = join(root, "disco");
  mkdirSync(folder);
  watches = new FolderWatches();
  changes = 0;
});

afterEach(() => {
  expect(watches.size).toBe(0);
  rmSync(root, { recursive: true, force: true });
});

const count = (): void => {
  changes++;
};

/** Does something and waits until it is told. */
async function told(change: () => void): Promise<void> {
  const before = changes;
  change();
  await until("a change to be told", () => changes > before);
}

describe("FolderWatches", () => {
  test("tells writes, renames into the folder and deletions", async () => {
    // A file for each: Bun tells two changes of the same kind to one file within a millisecond only once.
    writeFileSync(join(root, "renamed"), "b");
    writeFileSync(join(folder, "deleted"), "c");
    const stop = watches.add(folder, count);
    await told(() => writeFileSync(join(folder, "written"), "a"));
    await told(() => renameSync(join(root, "renamed"), join(folder, "renamed")));
    await told(() => rmSync(join(folder, "deleted")));
    stop();
  });

  test("tells those who wait for a name of that name only, and of what replaces it", async () => {
    let own = 0;
    const stops = [watches.add(folder, count), watches.add(folder, () => own++, "web")];
    await told(() => writeFileSync(join(folder, "other"), "a"));
    expect(own).toBe(0);
    await told(() => writeFileSync(join(folder, ".web.tmp"), "a"));
    expect(own).toBe(0);
    renameSync(join(folder, ".web.tmp"), join(folder, "web"));
    await until("the rename over the name", () => own > 0);
    for (const stop of stops) stop();
  });

  test("tells all when something happens to the folder itself, behind a link too", async () => {
    const link = join(root, "current");
    symlinkSync("disco", link);
    const stops = [folder, link].map((path) => watches.add(path, count, "web"));
    renameSync(folder, join(root, "away"));
    await until("both", () => changes >= 2);
    for (const stop of stops) stop();
  });

  test("has one watch for all who ask, and keeps it until the last one goes", async () => {
    const [stop, stopOther] = [watches.add(folder, count), watches.add(folder, count)];
    expect(watches.size).toBe(1);
    stop();
    stop();
    expect(watches.size).toBe(1);
    await told(() => writeFileSync(join(folder, "web"), "a"));
    stopOther();
  });

  test("finds a folder that was replaced when it is asked to look again", async () => {
    const stops = [watches.add(folder, count), watches.add(folder, count)];
    rmSync(folder, { recursive: true });
    watches.refresh(folder);
    mkdirSync(folder);
    watches.refresh(folder);
    await told(() => writeFileSync(join(folder, "web"), "a"));
    for (const stop of stops) stop();
  });

  test("follows a symbolic link that leads elsewhere by now", async () => {
    for (const version of ["v1", "v2"]) mkdirSync(join(root, version));
    const link = join(root, "current");
    symlinkSync("v1", link);
    const stop = watches.add(link, count);
    symlinkSync("v2", `${link}.new`);
    renameSync(`${link}.new`, link);
    watches.refresh(link);
    await told(() => writeFileSync(join(root, "v2", "web"), "a"));
    stop();
  });

  test("bears a folder that does not exist, and finds it when it does", async () => {
    const later = join(root, "later");
    const stop = watches.add(later, count);
    watches.refresh(later);
    mkdirSync(later);
    watches.refresh(later);
    await told(() => writeFileSync(join(later, "web"), "a"));
    stop();
  });

  test("knows nothing of folders that nobody asked for", () => {
    expect(() => watches.refresh(folder)).not.toThrow();
  });
});
