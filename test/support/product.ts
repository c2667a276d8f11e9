// The product as a user runs it: a child process with a configuration file, its log, its admin port.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { until } from "./until.ts";

const MAIN = resolve(import.meta.dir, "../../src/main.ts");
/** For one that hangs; many start at once on a machine that others use too. */
const READY_WITHIN_MS = 30_000;

/** One line of the log. */
export type LogLine = Readonly<Record<string, unknown>> & {
  readonly msg: string;
  readonly level: string;
};

export interface ProductOptions {
  /** Environment beside that of the test. */
  readonly env?: Readonly<Record<string, string>>;
  /** Runs the product below `sh -c '<before>; exec ...'`: for limits such as `ulimit -n 64`. */
  readonly before?: string;
  /** What stands before the path on the command line, such as a command. */
  readonly words?: readonly string[];
  /** Files that are written beside the configuration. */
  readonly files?: Readonly<Record<string, string>>;
  /** Whether `start` waits until connections are accepted; default true. */
  readonly waitUntilServing?: boolean;
}

/** A running proxy. Ends with the `await using` block that holds it. */
export class Product implements AsyncDisposable {
  readonly folder: string;
  readonly process: Bun.Subprocess<"pipe", "pipe", "pipe">;
  readonly log: LogLine[] = [];
  readonly #waiters = new Set<() => void>();
  #stderr = "";

  private constructor(folder: string, process: Bun.Subprocess<"pipe", "pipe", "pipe">) {
    this.folder = folder;
    this.process = process;
    void this.#follow();
  }

  /** Starts the proxy with `config` (an object, or the text of a file). */
  static async start(config: unknown, options: ProductOptions = {}): Promise<Product> {
    const folder = mkdtempSync(join(tmpdir(), "linkerd-tcp-"));
    for (const [name, text] of Object.entries(options.files ?? {}))
      writeFileSync(join(folder, name), text);
    const path = join(folder, "config.yml");
    writeFileSync(path, typeof config === "string" ? config : JSON.stringify(config));
    const command = [process.execPath, "--no-env-file", MAIN, ...(options.words ?? []), path];
    const shell = ["sh", "-c", `${options.before ?? ":"}; exec "$@"`, "sh", ...command];
    const child = Bun.spawn(options.before === undefined ? command : shell, {
      cwd: folder,
      env: { ...process.env, ...options.env },
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    });
    const product = new Product(folder, child);
    if (options.waitUntilServing !== false) await product.line((line) => line.msg === "ready");
    return product;
  }

  /** What was written to standard error so far. */
  get stderr(): string {
    return this.#stderr;
  }

  /** Waits for a line of the log, which may have been written already. */
  async line(matches: (line: LogLine) => boolean, withinMs = READY_WITHIN_MS): Promise<LogLine> {
    const deadline = performance.now() + withinMs;
    for (;;) {
      const found = this.log.find(matches);
      if (found !== undefined) return found;
      const leftMs = deadline - performance.now();
      if (leftMs <= 0 || this.process.exitCode !== null) {
        throw new Error(`no such line in the log:\n${this.#stderr}`);
      }
      await this.#nextLine(Math.min(leftMs, 100));
    }
  }

  /** The port of the server for `dst`, or of the only server. */
  port(dst?: string): number {
    const serving = this.log.find(
      (line) => line.msg === "serving" && (dst === undefined || line["dst"] === dst),
    );
    return portOf(serving?.["address"]);
  }

  get adminPort(): number {
    return portOf(this.log.find((line) => line.msg === "ready")?.["admin"]);
  }

  /** A request to the admin port. */
  admin(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.adminPort}${path}`, init);
  }

  /** The value of a series on the metrics page; labels may be given in part. Undefined when there is none. */
  async metric(
    name: string,
    labels: Readonly<Record<string, string>> = {},
  ): Promise<number | undefined> {
    const page = await (await this.admin("/metrics")).text();
    let sum: number | undefined;
    for (const line of page.split("\n")) {
      const match = /^([a-zA-Z0-9_:]+)(?:\{(.*)\})? (\S+)$/.exec(line);
      if (match === null || match[1] !== name) continue;
      const fits = Object.entries(labels).every(([key, value]) =>
        match[2]?.includes(`${key}="${value}"`),
      );
      if (fits) sum = (sum ?? 0) + Number(match[3]);
    }
    return sum;
  }

  /** Open file descriptors of the process. */
  openFiles(): number {
    return Array.from(
      new Bun.Glob("*").scanSync({ cwd: `/proc/${this.process.pid}/fd`, onlyFiles: false }),
    ).length;
  }

  /** Has the process do nothing until SIGCONT. Its threads go on for a while after the signal: this waits until all stand. */
  async halt(): Promise<void> {
    this.process.kill("SIGSTOP");
    await until("all threads stand", () => everyThreadStands(this.process.pid));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill("SIGKILL");
    await this.process.exited;
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #follow(): Promise<void> {
    let rest = "";
    for await (const bytes of this.process.stderr) {
      const text = new TextDecoder().decode(bytes);
      this.#stderr += text;
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#read(line);
    }
    this.#wake();
  }

  #read(line: string): void {
    try {
      this.log.push(JSON.parse(line) as LogLine);
    } catch {
      // Not a line of the log: kept in `stderr`.
    }
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiters) wake();
    this.#waiters.clear();
  }

  #nextLine(withinMs: number): Promise<void> {
    const { promise, resolve: wake } = Promise.withResolvers<void>();
    this.#waiters.add(wake);
    setTimeout(wake, withinMs);
    return promise;
  }
}

function everyThreadStands(pid: number): boolean {
  const tasks = `/proc/${pid}/task`;
  try {
    return readdirSync(tasks).every((task) =>
      /\) T /.test(readFileSync(`${tasks}/${task}/stat`, "utf8")),
    );
  } catch {
    // One has ended meanwhile.
    return false;
  }
}

function portOf(address: unknown): number {
  const port = /:(\d+)$/.exec(String(address))?.[1];
  if (port === undefined) throw new Error("the log names no such address");
  return Number(port);
}
