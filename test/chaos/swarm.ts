// Crowds of clients and endpoints that misbehave: a Python process on epoll, see swarm.py.
import { join } from "node:path";
import { PythonProcess } from "../support/peers/python-process.ts";

const SCRIPT = join(import.meta.dir, "swarm.py");

/** What became of each member, by kind: "ok", "end", "open", "stuck", or the system's error. */
export type Outcomes = Readonly<Record<string, number>>;

/** What an endpoint does: see `Endpoint` in swarm.py. */
export type EndpointMode = "echo" | "hold" | "reset" | "garble" | "flood";

export interface ChurnOptions {
  readonly count: number;
  /** Connections at a time. */
  readonly together: number;
  /** Bytes each way; default 100. */
  readonly size?: number;
  /** Addresses of this host that clients have; each has all ports. */
  readonly sources?: readonly string[];
  /** When those left count as stuck; default 60. */
  readonly secs?: number;
  /** Where the proxy is; default 127.0.0.1. */
  readonly host?: string;
}

export interface ServeOptions extends SegmentSize {
  readonly port?: number;
  readonly host?: string;
  /** After how many bytes it resets, for `reset`. */
  readonly size?: number;
}

export interface CrowdOptions extends SegmentSize {
  /** Addresses of this host that clients have. */
  readonly sources?: readonly string[];
}

export interface SegmentSize {
  /** Largest segment, in bytes: those of loopback are 64 KiB, and the kernel has more memory for such connections. */
  readonly mss?: number;
}

/** The Python process. Everything of it ends with the `await using` block that holds it. */
export class Swarm implements AsyncDisposable {
  readonly #process: PythonProcess;

  /** `before`: words of a command that runs the process elsewhere, such as `ip netns exec`. */
  constructor(before: readonly string[] = []) {
    this.#process = new PythonProcess("the swarm", [...before, "python3", SCRIPT]);
  }

  /** Opens an endpoint. */
  async serve(mode: EndpointMode, options: ServeOptions = {}): Promise<SwarmEndpoint> {
    const made = await this.#ask("serve", { mode, ...options });
    const { handle, port } = made as { handle: number; port: number };
    return new SwarmEndpoint((op, args) => this.#ask(op, { handle, ...args }), port);
  }

  /** Short connections; answers what became of them, and how long it all took. */
  async churn(
    port: number,
    options: ChurnOptions,
  ): Promise<{ readonly outcomes: Outcomes; readonly secs: number }> {
    const churned = await this.#ask("churn", { port, ...options });
    return churned as { outcomes: Outcomes; secs: number };
  }

  /** Connections that stay. */
  async crowd(port: number, count: number, options: CrowdOptions = {}): Promise<Crowd> {
    const made = await this.#ask("crowd", { port, count, ...options });
    const { handle, connected } = made as { handle: number; connected: number };
    return new Crowd((op, args) => this.#ask(op, { handle, ...args }), connected);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]();
  }

  #ask(op: string, args: Readonly<Record<string, unknown>>): Promise<unknown> {
    return this.#process.ask(op, { args });
  }
}

type Ask = (op: string, args?: Readonly<Record<string, unknown>>) => Promise<unknown>;

export class SwarmEndpoint {
  readonly port: number;
  readonly #ask: Ask;

  constructor(ask: Ask, port: number) {
    this.#ask = ask;
    this.port = port;
  }

  /** Connections accepted so far, and open now. */
  async stats(): Promise<{ readonly accepted: number; readonly active: number }> {
    return (await this.#ask("stats")) as { accepted: number; active: number };
  }

  /** Listens no more, and ends all connections. */
  async stop(): Promise<void> {
    await this.#ask("stop");
  }
}

/** Connections of clients that stay until they are told to leave. */
export class Crowd {
  /** How many stand. */
  readonly connected: number;
  readonly #ask: Ask;

  constructor(ask: Ask, connected: number) {
    this.#ask = ask;
    this.connected = connected;
  }

  /** Each sends a byte and waits for its echo. */
  async ping(secs = 30): Promise<Outcomes> {
    return ((await this.#ask("ping", { secs })) as { outcomes: Outcomes }).outcomes;
  }

  /** Waits until each has ended, and reads meanwhile. */
  async ends(secs: number): Promise<Outcomes> {
    return ((await this.#ask("ends", { secs })) as { outcomes: Outcomes }).outcomes;
  }

  async leave(how: "fin" | "reset" = "fin"): Promise<void> {
    await this.#ask("leave", { how });
  }
}
