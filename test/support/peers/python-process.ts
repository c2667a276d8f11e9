// A Python script that does what it is asked, a line of JSON for each request and each answer.

import { followJson } from "./json-lines.ts";

/** What the script answers. */
interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** A running script. Ends with the `await using` block that holds it. */
export class PythonProcess implements AsyncDisposable {
  readonly #name: string;
  readonly #process: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly #asked = new Map<number, PromiseWithResolvers<unknown>>();
  #nextId = 1;

  /** `name` is what errors call it; `env` stands beside the environment of the test. */
  constructor(
    name: string,
    command: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ) {
    this.#name = name;
    this.#process = Bun.spawn([...command], {
      env: { ...process.env, ...env },
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
    void this.#follow();
  }

  /** Sends a request; rejects with the error that the script answers. */
  ask(op: string, fields: Readonly<Record<string, unknown>>): Promise<unknown> {
    const id = this.#nextId;
    this.#nextId += 1;
    const asked = Promise.withResolvers<unknown>();
    this.#asked.set(id, asked);
    void this.#process.stdin.write(`${JSON.stringify({ id, op, ...fields })}\n`);
    void this.#process.stdin.flush();
    return asked.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
  }

  async #follow(): Promise<void> {
    await followJson(this.#process.stdout, (value) => this.#onAnswer(value as Answer));
    for (const { reject } of this.#asked.values()) reject(new Error(`${this.#name} has ended`));
  }

  #onAnswer({ id, value, error }: Answer): void {
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    if (error === undefined) asked?.resolve(value);
    else asked?.reject(new Error(`${this.#name}: ${error}`));
  }
}
