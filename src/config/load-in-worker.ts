// Loads a configuration on a thread of its own, which takes the memory of the schema and YAML libraries with it.
import { type LoadResult, STDIN } from "./load-result.ts";

/** What the thread is asked. */
export interface LoadRequest {
  readonly path: string;
  /** All of standard input, when the path stands for it: the thread has none. */
  readonly stdin?: Uint8Array;
}

/** The loading thread ended without an answer: a fault of the program, not of the configuration. */
export class ConfigLoaderError extends Error {
  readonly code = "CONFIG_LOADER_FAILED";

  constructor(cause: unknown) {
    super("the thread that loads the configuration failed", { cause });
    this.name = "ConfigLoaderError";
  }
}

/**
 * Loads the file at `path`; `-` is standard input.
 * @throws {ConfigLoaderError} when the thread fails. A wrong or missing file is a result, not an error.
 */
export async function loadConfigInWorker(path: string): Promise<LoadResult> {
  const request: LoadRequest = path === STDIN ? { path, stdin: await Bun.stdin.bytes() } : { path };
  const worker = new Worker(new URL("./load-worker.ts", import.meta.url).href, { smol: true });
  try {
    return await new Promise<LoadResult>((resolve, reject) => {
      worker.onmessage = (event: MessageEvent<LoadResult>) => resolve(event.data);
      worker.onerror = (event) => reject(new ConfigLoaderError(event.message));
      worker.onmessageerror = () => reject(new ConfigLoaderError("the answer could not be copied"));
      worker.addEventListener("close", () => reject(new ConfigLoaderError("the thread ended")));
      worker.postMessage(request);
    });
  } finally {
    worker.terminate();
  }
}
