// A Python program of this folder that reports in lines of JSON.
import { join } from "node:path";
import { followJson } from "./json-lines.ts";
import { until } from "../until.ts";

export type Report = Readonly<Record<string, unknown>>;

/** Runs as long as the block that holds it. */
export class PythonScript implements AsyncDisposable {
  /** What was reported so far. */
  readonly reports: Report[] = [];
  readonly #process: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly #read: Promise<void>;

  constructor(name: string, ...args: readonly string[]) {
    this.#process = Bun.spawn(["python3", "-u", join(import.meta.dir, name), ...args], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
    this.#read = followJson(this.#process.stdout, (value) => this.reports.push(value as Report));
  }

  /** Waits for a report, which may have come already. */
  async report(
    what: string,
    matches: (report: Report) => boolean,
    withinMs = 30_000,
  ): Promise<Report> {
    await until(what, () => this.reports.some(matches), withinMs);
    return this.reports.find(matches) ?? {};
  }

  /** Ends its input, and waits until it has said all that it has to say. */
  async finish(): Promise<readonly Report[]> {
    await this.#process.stdin.end();
    await this.#read;
    return this.reports;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
  }
}
