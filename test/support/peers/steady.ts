// Clients that never rest, in a Python process: see steady.py.
import { join } from "node:path";

const SCRIPT = join(import.meta.dir, "steady.py");

export interface SteadyTarget {
  readonly port: number;
  /** For TLS: the file of the authority that is trusted, and the name that is asked for. */
  readonly ca?: string;
  readonly name?: string;
}

/** What became of all of them. */
export interface SteadyReport {
  /** Connections that were made, used and closed. */
  readonly asked: number;
  /** Connections that stayed all the time. */
  readonly held: number;
  readonly failures: Readonly<Record<string, number>>;
}

/** Ends with the `await using` block that holds it. */
export class SteadyClients implements AsyncDisposable {
  readonly #process: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly #output: AsyncIterator<Uint8Array>;

  private constructor(process: Bun.Subprocess<"pipe", "pipe", "inherit">) {
    this.#process = process;
    this.#output = process.stdout[Symbol.asyncIterator]();
  }

  /** Begins; resolves once those that stay are connected. For each target so many visitors and residents. */
  static async start(
    targets: readonly SteadyTarget[],
    threads: number,
    held: number,
  ): Promise<SteadyClients> {
    const order = JSON.stringify({ targets, threads, held });
    const clients = new SteadyClients(
      Bun.spawn(["python3", SCRIPT, order], { stdin: "pipe", stdout: "pipe", stderr: "inherit" }),
    );
    await clients.#output.next();
    return clients;
  }

  /** Lets all of them come to their end. */
  async stop(): Promise<SteadyReport> {
    await this.#process.stdin.end();
    let text = "";
    for (;;) {
      const { value, done } = await this.#output.next();
      if (done) return JSON.parse(text) as SteadyReport;
      text += new TextDecoder().decode(value);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
  }
}
