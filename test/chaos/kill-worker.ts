// Loaded into the product before its own code (`bun --preload`): SIGWINCH kills the worker thread that started last, by an
// error that nobody catches.
declare const self: Worker;

const CRASH = "crash";
let last: Worker | undefined;

if (Bun.isMainThread) {
  process.on("SIGWINCH", () => last?.postMessage({ type: CRASH }));
  globalThis.Worker = new Proxy(Worker, {
    construct(target, [url, options]: [string | URL, WorkerOptions | undefined]): Worker {
      last = new target(url, { ...options, preload: [import.meta.path] });
      return last;
    },
  });
} else {
  self.addEventListener("message", ({ data }: MessageEvent<{ readonly type: string }>) => {
    if (data.type !== CRASH) return;
    setTimeout(() => {
      throw new Error("crashed by the test");
    }, 0);
  });
}
