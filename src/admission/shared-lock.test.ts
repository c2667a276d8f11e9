// Real threads: what they do to shared memory at the same time cannot be acted out on one.
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { perSource, serverLimits } from "../../test/support/limits.ts";
import { SharedLimits } from "./shared-limits.ts";
import { SharedLock } from "./shared-lock.ts";

setDefaultTimeout(30_000);

const THREAD = new URL("../../test/support/threads/crowd-of-one-source.ts", import.meta.url).href;

describe("SharedLock", () => {
  test("is not had while another thread holds it, until that is known to be dead", () => {
    const cells = new Int32Array(new SharedArrayBuffer(4));
    const first = new SharedLock(cells, 1);
    const second = new SharedLock(cells, 2, 20);
    expect([first.take(), second.take()]).toEqual([true, false]);
    second.releaseOf(3);
    expect(second.take()).toBe(false);
    second.releaseOf(1);
    expect(second.take()).toBe(true);
    second.give();
    expect(first.take()).toBe(true);
  });

  test("keeps four threads on two processors from letting in one too many", async () => {
    const workers = 4;
    const limits = serverLimits(
      {
        perSource: perSource(5),
        networks: [{ cidr: "10.0.0.0/8", maxConnections: 7, rate: undefined }],
      },
      workers,
    );
    const seen = new SharedArrayBuffer(20);
    const reports = await Promise.all(
      Array.from({ length: workers }, (_, worker) => run({ limits, worker, seen })),
    );
    // One that waits for a processor while others hold all places may get in seldom, or never.
    expect(reports.reduce((sum, { entered }) => sum + entered, 0)).toBeGreaterThan(1_000);
    const [, mostOfSource, , mostOfNetwork] = new Int32Array(seen);
    expect([mostOfSource, mostOfNetwork]).toEqual([5, 7]);
    const control = new SharedLimits(limits, workers);
    expect(control.sources.busiest(1)).toEqual([]);
    expect(control.sources.size).toBe(0);
  });
});

interface Report {
  readonly entered: number;
}

function run(message: unknown): Promise<Report> {
  const { promise, resolve, reject } = Promise.withResolvers<Report>();
  const thread = new Worker(THREAD, { smol: true });
  thread.onmessage = ({ data }: MessageEvent<Report>) => {
    resolve(data);
    thread.terminate();
  };
  thread.onerror = (event) => reject(new Error(event.message));
  thread.postMessage(message);
  return promise;
}
