// What a user sees where the system allows too few threads.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { proxyTo } from "../support/peers/proxy-config.ts";
import { has } from "../support/peers/tools.ts";

setDefaultTimeout(30_000);

const MAIN = resolve(import.meta.dir, "../../src/main.ts");
/** An id that no process has: the limit counts all that a user runs. */
const USER = "64999";
let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "threads-"));
  chmodSync(folder, 0o755);
});
afterAll(() => {
  if (process.getuid?.() === 0) endLeftovers();
  rmSync(folder, { recursive: true });
});

// The limit does not hold for root, who alone can be somebody else.
const asRoot = test.skipIf(
  process.getuid?.() !== 0 || !has("prlimit") || !has("setpriv") || !has("timeout"),
);

const AS_USER = ["setpriv", `--reuid=${USER}`, `--regid=${USER}`, "--clear-groups"];

/** A program that could not have its threads may wait for ever, and counts for the next one. */
function endLeftovers(): void {
  Bun.spawnSync([...AS_USER, "sh", "-c", "kill -KILL -1"]);
}

/** Starts the proxy, which wants 30 workers, as a user who may have so many threads. */
function start(threads: number): { exitCode: number; lines: readonly string[] } {
  const path = join(folder, "config.json");
  writeFileSync(path, JSON.stringify(proxyTo({ to: [1], top: { workers: 30 } })));
  endLeftovers();
  const limits = ["prlimit", `--nproc=${threads}`, "timeout", "20"];
  const command = [...AS_USER, ...limits, process.execPath, "--no-env-file", MAIN, path];
  const { exitCode, stderr } = Bun.spawnSync(command, { cwd: "/" });
  return { exitCode, lines: stderr.toString().trimEnd().split("\n") };
}

/** Bun makes threads of its own at any time, and ends by a crash where it may not: that is before all that is ours. */
function isBunsOwn(lines: readonly string[]): boolean {
  return lines.some((line) => line.includes("Bun has crashed"));
}

asRoot("too few threads for the start give one line and an exit code", () => {
  // How many threads Bun needs for itself, without which it ends before our first line, depends on the machine.
  let threads = 4;
  while (isBunsOwn(start(threads).lines)) {
    threads += 1;
    expect(threads).toBeLessThan(200);
  }
  let crashes = 0;
  const messages = new Set<string>();
  for (; !messages.has("30 workers need"); threads += 2) {
    const { exitCode, lines } = start(threads);
    if (isBunsOwn(lines)) {
      crashes += 1;
      expect(crashes).toBeLessThan(5);
      continue;
    }
    // Once all its workers fit it serves until it is stopped, and that is another code.
    expect([exitCode, lines.length]).toEqual([75, 1]);
    expect(lines[0]).toMatch(
      /^linkerd-tcp: .* \(ulimit -u, pids\.max of the control group\), or set/,
    );
    messages.add(/^linkerd-tcp: (\S+ \S+ \S+)/.exec(lines[0] ?? "")?.[1] ?? "");
  }
  expect([...messages]).toEqual(["there are no", "30 workers need"]);
});
