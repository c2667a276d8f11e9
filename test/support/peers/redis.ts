// Real Redis servers (Debian's redis-server), with redis-cli as their client.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../until.ts";
import { freePort } from "./free-port.ts";

/** A Redis that keeps nothing on disk. Ends with the `await using` block that holds it. */
export class Redis implements AsyncDisposable {
  readonly port: number;
  readonly #folder: string;
  readonly #process: Bun.Subprocess;

  private constructor(args: readonly string[]) {
    this.port = freePort();
    this.#folder = mkdtempSync(join(tmpdir(), "l5d-redis-"));
    const all = [
      ["--port", `${this.port}`, "--bind", "127.0.0.1", "--save", "", "--dir", this.#folder],
      // A replica is in step at once.
      ["--repl-diskless-sync-delay", "0"],
      args,
    ].flat();
    this.#process = Bun.spawn(["redis-server", ...all], { stdout: "ignore", stderr: "ignore" });
  }

  /** Starts a master; `args` are further ones of redis-server. */
  static async start(...args: readonly string[]): Promise<Redis> {
    const redis = new Redis(args);
    await until("Redis answers", async () => /PONG|NOAUTH/.test(await redis.cli("PING")), 20_000);
    return redis;
  }

  /** Starts a replica of `master`. */
  static replicaOf(master: Redis): Promise<Redis> {
    return Redis.start("--replicaof", `127.0.0.1 ${master.port}`);
  }

  /** What a command of this server itself answers. */
  cli(...words: readonly string[]): Promise<string> {
    return redisCli(this.port, ...words);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** What whoever listens on `port` answers to a command; its errors too. */
export async function redisCli(port: number, ...words: readonly string[]): Promise<string> {
  const child = Bun.spawn(["redis-cli", "-h", "127.0.0.1", "-p", `${port}`, ...words], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  await child.exited;
  return `${out}${err}`.trim();
}
