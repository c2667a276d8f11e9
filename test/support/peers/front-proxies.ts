// HAProxy and nginx as peers that speak the PROXY protocol: before the product, or behind it.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../until.ts";

/** The configuration for ports that are free, whose first must accept connections once the program is up. */
export type ConfigText = (ports: readonly number[], folder: string) => string;

export interface FrontProxyOptions {
  readonly config: ConfigText;
  /** Files beside the configuration. */
  readonly files?: Readonly<Record<string, string>>;
  /** How many ports the configuration needs; default 1. */
  readonly ports?: number;
  /** Whether `start` leaves the program to be started by `run`. */
  readonly later?: boolean;
}

/** A running HAProxy or nginx. Ends with the `await using` block that holds it. */
export class FrontProxy implements AsyncDisposable {
  readonly ports: readonly number[];
  readonly #folder = mkdtempSync(join(tmpdir(), "front-proxy-"));
  readonly #command: readonly string[];
  #process: Bun.Subprocess | undefined;

  private constructor(program: "haproxy" | "nginx", options: FrontProxyOptions) {
    this.ports = freePorts(options.ports ?? 1);
    for (const [name, text] of Object.entries(options.files ?? {}))
      writeFileSync(join(this.#folder, name), text);
    const file = join(this.#folder, "config");
    writeFileSync(file, `${options.config(this.ports, this.#folder)}\n`);
    const nginx = ["nginx", "-c", file, "-p", this.#folder, "-e", "stderr"];
    this.#command = program === "haproxy" ? ["haproxy", "-db", "-f", file] : nginx;
  }

  static async haproxy(options: FrontProxyOptions): Promise<FrontProxy> {
    return FrontProxy.#start("haproxy", options);
  }

  static async nginx(options: FrontProxyOptions): Promise<FrontProxy> {
    return FrontProxy.#start("nginx", options);
  }

  static async #start(
    program: "haproxy" | "nginx",
    options: FrontProxyOptions,
  ): Promise<FrontProxy> {
    const proxy = new FrontProxy(program, options);
    if (options.later !== true) await proxy.run();
    return proxy;
  }

  /** The first port, or another. */
  port(index = 0): number {
    return this.ports[index] ?? 0;
  }

  /** Starts the program and waits until it accepts. */
  async run(): Promise<void> {
    const started = Bun.spawn([...this.#command], { stdout: "pipe", stderr: "pipe" });
    this.#process = started;
    await until(`${this.#command[0]} accepts`, async () => {
      if (started.exitCode === null) return accepts(this.port());
      const said = await Promise.all([started.stdout.text(), started.stderr.text()]);
      throw new Error(`${this.#command.join(" ")}: ${said.join("\n")}`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Neither has children here, and HAProxy may miss a SIGTERM while it starts.
    this.#process?.kill("SIGKILL");
    await this.#process?.exited;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** The part of a configuration of HAProxy that every one has. */
export const HAPROXY_DEFAULTS = `
global
  maxconn 100
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  unique-id-format id-%cp
`;

/** A configuration of nginx with these servers of its http module. */
export function nginxHttp(servers: string): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  return `
daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;
events { worker_connections 64; }
http {
  access_log off;
  ${temporary.map((name) => `${name}_temp_path ${name};`).join(" ")}
  ${servers}
}`;
}

function accepts(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ host: "127.0.0.1", port });
  socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
  void promise.then(() => socket.destroy());
  return promise;
}

/**
 * Ports that nobody listens on, taken all at a time so that they differ. From below those that the system hands out by
 * itself, or a test beside this one could be given one before the program has it.
 */
function freePorts(count: number): readonly number[] {
  const listeners = Array.from({ length: count }, listenSomewhere);
  const ports = listeners.map(({ port }) => port);
  for (const listener of listeners) listener.stop(true);
  return ports;
}

function listenSomewhere(): Bun.TCPSocketListener {
  for (;;) {
    try {
      const port = 20_000 + Math.floor(Math.random() * 10_000);
      return Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } });
    } catch {
      // Taken: another one.
    }
  }
}
