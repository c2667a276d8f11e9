import { afterEach, describe, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fdSink, type LogTarget, openLogTarget } from "./log-sink.ts";

const LINE = `${"x".repeat(4095)}\n`;
const cleanUps: (() => void)[] = [];

afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp();
});

function open(path: string, flags: string): number {
  const fd = openSync(path, flags);
  cleanUps.push(() => closeSync(fd));
  return fd;
}

function temporaryPath(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), "log-"));
  cleanUps.push(() => rmSync(folder, { recursive: true }));
  return join(folder, name);
}

/** A pipe with a name; both ends are open, so that neither waits for the other. */
function pipe(): { readonly path: string; readonly fd: number } {
  const path = temporaryPath("pipe");
  Bun.spawnSync(["mkfifo", path]);
  return { path, fd: open(path, "r+") };
}

function targetOf(fd: number): LogTarget {
  const target = openLogTarget(fd);
  if (target.fd !== fd) cleanUps.push(() => closeSync(target.fd));
  return target;
}

describe("fdSink()", () => {
  test("appends whole lines to a file", () => {
    const path = temporaryPath("log");
    const sink = fdSink(targetOf(open(path, "a")));
    expect([sink("one\n"), sink("zwei ü\n")]).toEqual([true, true]);
    expect(readFileSync(path, "utf8")).toBe("one\nzwei ü\n");
  });

  test("loses lines instead of waiting when nobody reads the pipe, and takes more once there is room", () => {
    const { fd } = pipe();
    const sink = fdSink(targetOf(fd));
    let taken = 0;
    while (sink(LINE)) taken++;
    expect(taken).toBeGreaterThan(0);
    expect(sink(LINE)).toBe(false);
    const buffer = Buffer.alloc(LINE.length);
    for (let at = 0; at < taken; at++) {
      expect(readSync(fd, buffer, 0, LINE.length, null)).toBe(LINE.length);
      expect(buffer.toString()).toBe(LINE);
    }
    expect(sink("after\n")).toBe(true);
  });

  test("leaves the pipe itself as blocking as it was", () => {
    const { fd } = pipe();
    const flags = (): string =>
      /flags:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1] ?? "";
    const before = flags();
    expect(targetOf(fd).fd).not.toBe(fd);
    expect(flags()).toBe(before);
  });

  test("loses lines when the reader has gone or the descriptor is no more, without an error", () => {
    const path = temporaryPath("pipe");
    Bun.spawnSync(["mkfifo", path]);
    const reader = openSync(path, "r+");
    const writer = open(path, "w");
    closeSync(reader);
    expect(fdSink(openLogTarget(writer))("line\n")).toBe(false);
    const none = openLogTarget(99_999);
    expect([none.fd, fdSink(none)("line\n")]).toEqual([99_999, false]);
  });

  test("begins a new line after one that went out in half", () => {
    // A pipe takes what is longer than PIPE_BUF in parts: here one page of two.
    const { fd } = pipe();
    const sink = fdSink(targetOf(fd));
    let taken = 0;
    while (sink(LINE)) taken++;
    const buffer = Buffer.alloc(LINE.length);
    readSync(fd, buffer, 0, LINE.length, null);
    expect(sink(`${"y".repeat(LINE.length * 2)}\n`)).toBe(false);
    readSync(fd, buffer, 0, LINE.length, null);
    expect(sink("whole\n")).toBe(true);
    let rest = "";
    for (let at = 0; at < taken - 2; at++) readSync(fd, buffer, 0, LINE.length, null);
    for (; !rest.endsWith("whole\n");) {
      const length = readSync(fd, buffer, 0, LINE.length, null);
      rest += buffer.toString("latin1", 0, length);
    }
    expect(rest).toBe(`${"y".repeat(LINE.length)}\nwhole\n`);
  });

  test("writes the lines of several threads whole into one pipe", async () => {
    const script = `
      import { openLogTarget, fdSink } from ${JSON.stringify(join(import.meta.dir, "log-sink.ts"))};
      import { isMainThread, Worker, workerData } from "node:worker_threads";
      if (isMainThread) {
        const target = openLogTarget(2);
        for (const letter of "abc") new Worker(process.argv[1], { workerData: { target, letter } });
      } else {
        const sink = fdSink(workerData.target);
        const line = workerData.letter.repeat(3000) + "\\n";
        for (let count = 0; count < 300; ) if (sink(line)) count++;
      }`;
    const path = temporaryPath("threads.ts");
    await Bun.write(path, script);
    const child = Bun.spawn([process.execPath, path], { stderr: "pipe" });
    const lines = (await child.stderr.text()).trimEnd().split("\n");
    expect(lines).toHaveLength(900);
    expect(lines.filter((line) => !/^(a+|b+|c+)$/.test(line) || line.length !== 3000)).toEqual([]);
  });
});
