// A real DNS server: dnsmasq, which answers from its command line and asks nobody.
import { until } from "../until.ts";

// Where Debian puts it is not on everybody's path.
const PROGRAM = Bun.which("dnsmasq", { PATH: `${process.env["PATH"] ?? ""}:/usr/sbin` });

/** Whether tests may count on it. Where CI is set they must. */
export const hasDnsmasq = PROGRAM !== null || (process.env["CI"] ?? "") !== "";

const ALONE = [
  ...["--no-daemon", "--conf-file=/dev/null", "--pid-file=", "--no-resolv", "--no-hosts"],
  ...["--listen-address=127.0.0.1", "--bind-interfaces", "--local=/test/"],
  ...["--log-queries", "--log-facility=-"],
];

/** Records of `test` below which there are no others, as options of dnsmasq: `--host-record=a.test,10.0.0.1,7`. */
export type DnsmasqOptions = readonly string[];

export class Dnsmasq implements AsyncDisposable {
  readonly port: number;
  /** As names of servers are written: `127.0.0.1:5353`. */
  readonly address: string;
  #process: Bun.Subprocess<"ignore", "ignore", "pipe"> | undefined;
  #log = "";

  private constructor(port: number) {
    this.port = port;
    this.address = `127.0.0.1:${port}`;
  }

  /** Starts one on a free port. */
  static async start(options: DnsmasqOptions): Promise<Dnsmasq> {
    for (let tries = 0; tries < 10; tries++) {
      const server = new Dnsmasq(freePort());
      // Somebody may have taken the port meanwhile.
      if (await server.run(options)) return server;
    }
    throw new Error("dnsmasq does not start");
  }

  /** Starts it again, with other records perhaps; false when its port is taken. */
  async run(options: DnsmasqOptions): Promise<boolean> {
    this.#log = "";
    const child = Bun.spawn([PROGRAM ?? "dnsmasq", ...ALONE, `--port=${this.port}`, ...options], {
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    });
    this.#process = child;
    void this.#read(child.stderr);
    await until("dnsmasq runs", () => child.exitCode !== null || this.#log.includes("started"));
    if (child.exitCode === null) return true;
    if (this.#log.includes("Address already in use")) return false;
    throw new Error(`dnsmasq: ${this.#log}`);
  }

  /** The questions asked since it started, as in `SRV _http._tcp.web.test`. */
  get queries(): readonly string[] {
    return [...this.#log.matchAll(/query\[(\w+)\] (\S+) from/g)].map(
      ([, type, name]) => `${type} ${name}`,
    );
  }

  async kill(): Promise<void> {
    this.#process?.kill("SIGKILL");
    await this.#process?.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of stream) this.#log += decoder.decode(bytes, { stream: true });
  }
}

function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = listener;
  listener.stop(true);
  return port;
}
