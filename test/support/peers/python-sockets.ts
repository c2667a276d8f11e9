// Sockets that are neither Bun's nor ours: a Python process whose sockets a test controls, see sockets.py.
import { join } from "node:path";
import { PythonProcess } from "./python-process.ts";

const SCRIPT = join(import.meta.dir, "sockets.py");

/** How a stream went: what moved, its SHA-256, and how it ended (all, eof, timeout, or the system's error). */
export interface Transfer {
  readonly bytes: number;
  readonly hash: string;
  readonly end: string;
}

/** What was received: its first 100 bytes as text, and how long it took. */
export interface Received extends Transfer {
  readonly text: string;
  readonly ms: number;
}

/** What a server has seen. */
export interface ServerStats {
  readonly accepted: number;
  readonly active: number;
  readonly mostActive: number;
  /** Connections that their peer ended in good order. */
  readonly eof: number;
  /** Connections that were reset. */
  readonly failed: number;
}

/** What the members of a crowd got: first lines by text, ends by kind, and how many got neither. */
export interface CrowdReport {
  readonly lines: Readonly<Record<string, number>>;
  readonly ends: Readonly<Record<string, number>>;
  readonly silent: number;
}

/** When the members of a crowd came to their end, in milliseconds, and how; how many are still open. */
export interface CrowdEnds {
  readonly times: readonly number[];
  readonly ends: Readonly<Record<string, number>>;
  readonly open: number;
}

/** What a server does with a connection: see `Server` in sockets.py. */
export type ServerMode = "echo" | "greet" | "hold" | "reset" | "reset_asked";

interface Made {
  readonly handle: number;
}
interface MadePort extends Made {
  readonly port: number;
}

/** The Python process. */
export class PythonSockets implements AsyncDisposable {
  readonly #process: PythonProcess;

  /** `before`: a command to run it with; `env` beside that of the test, see the beginning of sockets.py. */
  constructor(before: readonly string[] = [], env: Readonly<Record<string, string>> = {}) {
    this.#process = new PythonProcess("the Python peer", [...before, "python3", "-u", SCRIPT], env);
  }

  /** Runs an operation of sockets.py. */
  async call<Result = unknown>(
    op: string,
    args: Readonly<Record<string, unknown>>,
  ): Promise<Result> {
    return (await this.#process.ask(op, { args })) as Result;
  }

  /** A connection; `source` is an address of this host. */
  async connect(port: number, source?: string): Promise<PythonSocket> {
    const { handle } = await this.call<Made>("connect", { port, source });
    return new PythonSocket(this, handle);
  }

  /** A listener whose connections are accepted one by one. */
  async listen(): Promise<PythonListener> {
    const { handle, port } = await this.call<MadePort>("listen", {});
    return new PythonListener(this, handle, port);
  }

  /** A server that accepts by itself. */
  async serve(mode: ServerMode, name = "", port = 0): Promise<PythonServer> {
    const made = await this.call<MadePort>("serve", { mode, name, port });
    return new PythonServer(this, made.handle, made.port);
  }

  /** An address of 127.0.0.1 that answers nothing to those who connect, until it is opened. */
  async blackHole(): Promise<BlackHole> {
    const { handle, port } = await this.call<MadePort>("black_hole", {});
    return new BlackHole(this, handle, port);
  }

  /** A port that others than this process are to listen on. Nothing keeps it free until then. */
  async freePort(): Promise<number> {
    const server = await this.serve("hold");
    await server.stop();
    return server.port;
  }

  /** A port where nobody listens who does not ask for just this one. */
  async deadPort(): Promise<number> {
    const { port } = await this.call<{ readonly port: number }>("dead_port", {});
    return port;
  }

  /** Many connections at a time; `source` is an address of this host. */
  async crowd(port: number, count: number, source?: string): Promise<PythonCrowd> {
    const { handle } = await this.call<Made>("crowd", { port, count, source });
    return new PythonCrowd(this, handle);
  }

  /** Connects `count` times and asks each connection for its first line; each leaves when it has it. */
  async visit(port: number, count: number, secs = 15): Promise<CrowdReport> {
    const crowd = await this.crowd(port, count);
    const report = await crowd.lines(secs, { leave: true });
    await crowd.end("fin");
    return report;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]();
  }
}

/** One connection. */
export class PythonSocket {
  readonly #peers: PythonSockets;
  readonly #handle: number;

  constructor(peers: PythonSockets, handle: number) {
    this.#peers = peers;
    this.#handle = handle;
  }

  /** Sends random bytes; gives up when none is taken for `stallSecs`. */
  send(size: number, stallSecs = 30): Promise<Transfer> {
    return this.#call("send", { size, stallSecs });
  }

  /** Sends a text. */
  async write(text: string): Promise<void> {
    await this.#call("write", { text });
  }

  /** Receives `size` bytes, or everything up to the end of the stream. */
  receive(size?: number, secs = 30): Promise<Received> {
    return this.#call("receive", { size: size ?? null, secs });
  }

  /** Sends a byte every `everyMs` and waits for its echo; tells whether the connection is still open after `secs`. */
  chat(secs: number, everyMs: number): Promise<{ readonly end: string }> {
    return this.#call("chat", { secs, everyMs });
  }

  /** Sends `count` bytes, one every `everyMs`. */
  async drip(count: number, everyMs: number): Promise<void> {
    await this.#call("drip", { count, everyMs });
  }

  /** Ends the writing direction. */
  async shutdown(): Promise<void> {
    await this.#call("shutdown", {});
  }

  async close(): Promise<void> {
    await this.#call("close", { how: "fin" });
  }

  /** Closes with a reset. */
  async reset(): Promise<void> {
    await this.#call("close", { how: "reset" });
  }

  #call<Result>(op: string, args: Readonly<Record<string, unknown>>): Promise<Result> {
    return this.#peers.call(op, { handle: this.#handle, ...args });
  }
}

export class PythonListener {
  readonly port: number;
  readonly #peers: PythonSockets;
  readonly #handle: number;

  constructor(peers: PythonSockets, handle: number, port: number) {
    this.#peers = peers;
    this.#handle = handle;
    this.port = port;
  }

  async accept(): Promise<PythonSocket> {
    const { handle } = await this.#peers.call<Made>("accept", { handle: this.#handle });
    return new PythonSocket(this.#peers, handle);
  }
}

export class PythonServer {
  readonly port: number;
  readonly #peers: PythonSockets;
  readonly #handle: number;

  constructor(peers: PythonSockets, handle: number, port: number) {
    this.#peers = peers;
    this.#handle = handle;
    this.port = port;
  }

  stats(): Promise<ServerStats> {
    return this.#peers.call("stats", { handle: this.#handle });
  }

  /** Ends all connections that stand now, and goes on. */
  async hangUp(): Promise<void> {
    await this.#peers.call("hang_up", { handle: this.#handle });
  }

  /** Ends all connections and listens no more. */
  async stop(): Promise<void> {
    await this.#peers.call("stop", { handle: this.#handle });
  }
}

export class BlackHole {
  readonly port: number;
  readonly #peers: PythonSockets;
  readonly #handle: number;

  constructor(peers: PythonSockets, handle: number, port: number) {
    this.#peers = peers;
    this.#handle = handle;
    this.port = port;
  }

  /** Becomes a listener; those who wait get in when their system asks again, a second after it first did. */
  async openUp(): Promise<PythonListener> {
    await this.#peers.call("open_up", { handle: this.#handle });
    return new PythonListener(this.#peers, this.#handle, this.port);
  }
}

export class PythonCrowd {
  readonly #peers: PythonSockets;
  readonly #handle: number;

  constructor(peers: PythonSockets, handle: number) {
    this.#peers = peers;
    this.#handle = handle;
  }

  /** Waits until each that has no line yet has one or has come to its end. With `leave` those go who have theirs. */
  lines(secs: number, { leave = false } = {}): Promise<CrowdReport> {
    return this.#peers.call("crowd_lines", { handle: this.#handle, secs, leave });
  }

  /** Waits for the end of each: when they came, since the call, and how. */
  ends(secs: number): Promise<CrowdEnds> {
    return this.#peers.call("crowd_ends", { handle: this.#handle, secs });
  }

  async end(how: "fin" | "reset"): Promise<void> {
    await this.#peers.call("crowd_end", { handle: this.#handle, how });
  }
}
