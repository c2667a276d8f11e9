// A Python server for health checks, whose behaviour a test changes: see checked_server.py.
import { join } from "node:path";

const SCRIPT = join(import.meta.dir, "checked_server.py");

/** What it does with each connection from now on. Replies are Latin-1. */
export type Behaviour =
  | { readonly kind: "close" | "silent" | "flood" }
  /** After the first line. */
  | { readonly kind: "reset" }
  /** Speaks first, and holds the connection. */
  | { readonly kind: "greet"; readonly reply: string }
  /** Answers the first line and closes. */
  | { readonly kind: "answer"; readonly reply: string }
  | { readonly kind: "answer"; readonly parts: readonly string[] };

export interface CheckedStats {
  readonly accepted: number;
  /** What the last connections began with. */
  readonly heads: readonly string[];
}

export class CheckedServer implements AsyncDisposable {
  readonly #process: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly #lines: AsyncIterator<unknown>;
  port = 0;

  private constructor(port: number) {
    this.#process = Bun.spawn(["python3", "-u", SCRIPT, `${port}`], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
    this.#lines = linesOf(this.#process.stdout);
  }

  /** Listens on `port`, or a free one. */
  static async start(behaviour: Behaviour, port = 0): Promise<CheckedServer> {
    const server = new CheckedServer(port);
    const made = (await server.#next()) as { readonly port: number };
    server.port = made.port;
    await server.behave(behaviour);
    return server;
  }

  async behave(behaviour: Behaviour): Promise<void> {
    await this.#tell({ op: "behave", behaviour });
  }

  async stats(): Promise<CheckedStats> {
    return (await this.#tell({ op: "stats" })) as CheckedStats;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
  }

  async #tell(order: unknown): Promise<unknown> {
    void this.#process.stdin.write(`${JSON.stringify(order)}\n`);
    void this.#process.stdin.flush();
    return await this.#next();
  }

  async #next(): Promise<unknown> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error("the Python server has ended");
    return value;
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<unknown> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of stream) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield JSON.parse(line);
  }
}
