import { afterEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Aggregate } from "./aggregate.ts";
import { ProcessMetrics } from "./process-metrics.ts";
import { Registry } from "./registry.ts";

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A folder with these files, that is removed after the test. */
function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), "proc-"));
  folders.push(folder);
  mkdirSync(join(folder, "self"));
  for (const [path, text] of Object.entries(files)) writeFileSync(join(folder, path), text);
  return folder;
}

function setUp(proc?: string) {
  const aggregate = new Aggregate();
  const registry = new Registry(aggregate.source("control"));
  const metrics = new ProcessMetrics(registry, { version: "1.2.3", bun: "9.9.9" }, proc);
  const shown = (): Record<string, number | undefined> =>
    Object.fromEntries(
      aggregate
        .collect()
        .flatMap(({ definition: { name }, series }) =>
          series.map(({ labels, numbers }) => [[name, ...labels].join(" "), numbers[0]]),
        ),
    );
  return { metrics, shown };
}

/** /proc/self/stat with user and system time, and the start, in ticks. */
function stat(user: number, system: number, start: number): string {
  return `42 (a ) b) S 1 1 1 0 -1 0 0 0 0 0 ${user} ${system} 0 0 20 0 3 0 ${start} 0 0\n`;
}

describe("ProcessMetrics", () => {
  test("reads what the kernel tells", () => {
    const proc = folderOf({
      stat: "cpu 1 2\nbtime 1700000000\n",
      "self/stat": stat(150, 25, 4250),
      "self/status": "Name:\tx\nVmRSS:\t    2048 kB\nRssAnon:\t     512 kB\n",
      "self/limits":
        "Limit   Soft Limit  Hard Limit  Units\nMax open files   1024   4096   files\n",
    });
    const { metrics, shown } = setUp(proc);
    metrics.refresh();
    const { process_open_fds: _, ...others } = shown();
    expect(others).toEqual({
      "l5d_build_info 9.9.9 1.2.3": 1,
      process_cpu_seconds_total: 1.75,
      process_resident_memory_bytes: 2048 * 1024,
      l5d_process_private_memory_bytes: 512 * 1024,
      process_max_fds: 1024,
      process_start_time_seconds: 1_700_000_042.5,
    });
  });

  test("counts CPU time on from one look to the next, and never back", () => {
    const proc = folderOf({ "self/stat": stat(100, 0, 0) });
    const { metrics, shown } = setUp(proc);
    const look = (user: number): number | undefined => {
      writeFileSync(join(proc, "self/stat"), stat(user, 50, 0));
      metrics.refresh();
      return shown()["process_cpu_seconds_total"];
    };
    expect([look(100), look(300), look(250), look(400)]).toEqual([1.5, 3.5, 3.5, 4.5]);
  });

  test("shows no limit as infinite", () => {
    const { metrics, shown } = setUp(
      folderOf({ "self/limits": "Max open files            unlimited   unlimited   files\n" }),
    );
    metrics.refresh();
    expect(shown()["process_max_fds"]).toBe(Number.POSITIVE_INFINITY);
  });

  test("shows only the build where there is no proc file system, or one that makes no sense", () => {
    for (const proc of ["/nowhere", folderOf({ stat: "?", "self/stat": "?", "self/status": "" })]) {
      const { metrics, shown } = setUp(proc);
      metrics.refresh();
      const { process_open_fds: _, ...others } = shown();
      expect(others).toEqual({ "l5d_build_info 9.9.9 1.2.3": 1 });
    }
  });

  test.skipIf(process.platform !== "linux")("sees this very process as it is", () => {
    const { metrics, shown } = setUp();
    metrics.refresh();
    const now = shown();
    expect(now["process_start_time_seconds"]).toBeGreaterThan(Date.now() / 1000 - 86_400);
    expect(now["process_start_time_seconds"]).toBeLessThan(Date.now() / 1000 + 2);
    expect(now["process_resident_memory_bytes"]).toBeGreaterThan(1e6);
    expect(now["l5d_process_private_memory_bytes"]).toBeGreaterThan(1e5);
    expect(now["process_open_fds"]).toBeGreaterThan(2);
    expect(now["process_max_fds"]).toBeGreaterThan(now["process_open_fds"] ?? Infinity);
    expect(now["process_cpu_seconds_total"]).toBeGreaterThan(0);
  });
});
