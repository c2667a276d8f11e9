// The entry of the thread that loads a configuration, answers once, and is ended. See load-in-worker.ts.
import { loadConfig } from "./load.ts";
import type { LoadRequest } from "./load-in-worker.ts";

declare const self: Worker;

self.onmessage = async (event: MessageEvent<LoadRequest>) => {
  const { path, stdin } = event.data;
  self.postMessage(await loadConfig(path, stdin));
};
