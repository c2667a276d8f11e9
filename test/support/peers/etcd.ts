// Real etcd servers for tests: one, or the members of a cluster, on free ports and in a temporary folder.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../until.ts";

export interface EtcdOptions {
  /** How many servers; default 1. */
  readonly members?: number;
  /** PEM texts: the servers' identity, and who may have issued it and that of clients, who must show one. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string };
}

interface Member {
  readonly name: string;
  readonly clientPort: number;
  readonly peerPort: number;
  process: Bun.Subprocess | undefined;
}

const HEALTHY_WITHIN_MS = 20_000;

/** A running etcd. Ends, with its data, with the `await using` block that holds it. */
export class Etcd implements AsyncDisposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "etcd-"));
  readonly #members: readonly Member[];
  readonly #options: EtcdOptions;

  private constructor(options: EtcdOptions) {
    const count = options.members ?? 1;
    const ports = freePorts(2 * count);
    this.#options = options;
    this.#members = Array.from({ length: count }, (_, index) => ({
      name: `m${index}`,
      clientPort: ports[2 * index] ?? 0,
      peerPort: ports[2 * index + 1] ?? 0,
      process: undefined,
    }));
    for (const [name, text] of Object.entries(options.tls ?? {})) {
      writeFileSync(join(this.#folder, `${name}.pem`), text);
    }
  }

  /** Starts it and waits until it has a leader. */
  static async start(options: EtcdOptions = {}): Promise<Etcd> {
    const etcd = new Etcd(options);
    for (const index of etcd.#members.keys()) etcd.#spawn(index);
    await etcd.healthy();
    return etcd;
  }

  /** For `baseUrls` in a configuration. */
  get baseUrls(): readonly string[] {
    return this.#members.map(({ clientPort }) => `${this.#scheme}://127.0.0.1:${clientPort}`);
  }

  /** Kills a member as `kill -9` does. */
  async kill(index = 0): Promise<void> {
    const member = this.#member(index);
    member.process?.kill("SIGKILL");
    await member.process?.exited;
    member.process = undefined;
  }

  /** Starts a member that was killed, on its ports and its data. */
  async restart(index = 0): Promise<void> {
    this.#spawn(index);
    await this.healthy();
  }

  /** Runs etcdctl and gives what it writes. */
  async ctl(...args: readonly string[]): Promise<string> {
    const running = this.#members.flatMap(({ process }, index) =>
      process === undefined ? [] : [this.baseUrls[index] ?? ""],
    );
    const tls = ["--cacert", "ca.pem", "--cert", "cert.pem", "--key", "key.pem"];
    const common = ["--endpoints", running.join(","), ...(this.#scheme === "https" ? tls : [])];
    const child = Bun.spawn(["etcdctl", ...common, ...args], {
      cwd: this.#folder,
      env: { ...process.env, ETCDCTL_API: "3" },
      stdout: "pipe",
      stderr: "pipe",
    });
    const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    if ((await child.exited) !== 0) throw new Error(`etcdctl ${args.join(" ")}: ${err}`);
    return out;
  }

  async put(key: string, value: string): Promise<void> {
    await this.ctl("put", "--", key, value);
  }

  async delete(key: string): Promise<void> {
    await this.ctl("del", key);
  }

  /** Writes a key that goes when `secs` have passed. */
  async putWithLease(key: string, value: string, secs: number): Promise<void> {
    const [, lease = ""] = (await this.ctl("lease", "grant", `${secs}`)).split(" ");
    await this.ctl("put", `--lease=${lease}`, "--", key, value);
  }

  /** Forgets everything before the present; gives its revision. */
  async compact(): Promise<number> {
    const status: unknown = JSON.parse(await this.ctl("get", "none", "-w", "json"));
    const header = (status as { readonly header: { readonly revision: number } }).header;
    await this.ctl("compact", `${header.revision}`);
    return header.revision;
  }

  /** Waits until it can write. */
  async healthy(): Promise<void> {
    await until(
      "a healthy etcd",
      () =>
        this.ctl("endpoint", "health", "--dial-timeout=1s", "--command-timeout=1s").then(
          () => true,
          () => false,
        ),
      HEALTHY_WITHIN_MS,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#members.keys().map((index) => this.kill(index)));
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #scheme(): string {
    return this.#options.tls === undefined ? "http" : "https";
  }

  #member(index: number): Member {
    const member = this.#members[index];
    if (member === undefined) throw new Error(`there is no member ${index}`);
    return member;
  }

  #spawn(index: number): void {
    const member = this.#member(index);
    const client = this.baseUrls[index] ?? "";
    const peer = peerUrl(member);
    const tls = [
      ["--cert-file", "cert.pem"],
      ["--key-file", "key.pem"],
      ["--trusted-ca-file", "ca.pem"],
      ["--client-cert-auth"],
    ].flat();
    const args = [
      ["--name", member.name],
      ["--data-dir", member.name],
      ["--listen-client-urls", client],
      ["--advertise-client-urls", client],
      ["--listen-peer-urls", peer],
      ["--initial-advertise-peer-urls", peer],
      ["--initial-cluster", this.#members.map((it) => `${it.name}=${peerUrl(it)}`).join(",")],
      // Leases as short as a second, and leaders soon.
      ["--heartbeat-interval", "50"],
      ["--election-timeout", "500"],
      ["--log-level", "error"],
    ].flat();
    member.process = Bun.spawn(["etcd", ...args, ...(this.#scheme === "https" ? tls : [])], {
      cwd: this.#folder,
      stdout: "ignore",
      stderr: "ignore",
    });
  }
}

function peerUrl({ peerPort }: Member): string {
  return `http://127.0.0.1:${peerPort}`;
}

/** Ports that nobody listens on, taken all at a time so that they differ. */
function freePorts(count: number): readonly number[] {
  const listeners = Array.from({ length: count }, () =>
    Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } }),
  );
  for (const listener of listeners) listener.stop(true);
  return listeners.map(({ port }) => port);
}
