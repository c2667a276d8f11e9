// The processes that a run starts, and their certain end.
import { createServer } from "node:net";
import { childrenOf } from "./measure.ts";

/** A started process. */
export interface Child {
  readonly pid: number;
  /** Ends it and waits until it is gone. */
  stop(): Promise<void>;
  /** How it ended and what it said last; undefined while it runs. */
  epitaph(): Promise<string | undefined>;
}

/** How to start a process. */
export interface Command {
  readonly argv: readonly string[];
  /** Where it may run, as taskset takes it. */
  readonly cores: string | undefined;
  readonly cwd?: string;
}

/** Time for a process to end by itself after SIGTERM. */
const GRACE_MS = 3_000;
/** Longest wait for a process to listen. */
const START_MS = 15_000;

/** Starts processes and kills those that are left when this one exits. */
export class Children {
  readonly #running = new Set<Bun.Subprocess>();

  constructor() {
    process.on("exit", () => this.killAll());
  }

  /** Starts `command` and waits until all of `ports` accept; standard error goes to `logPath`. */
  async start(command: Command, ports: readonly number[], logPath: string): Promise<Child> {
    const { cores, argv, cwd } = command;
    const log = Bun.file(logPath);
    // taskset executes the command in its own place, so the process id is the command's.
    const child = Bun.spawn(cores === undefined ? [...argv] : ["taskset", "-c", cores, ...argv], {
      // A pipe that nobody writes to: what reads it ends with this process, even when this one is killed.
      stdin: "pipe",
      stdout: log,
      stderr: log,
      ...(cwd === undefined ? {} : { cwd }),
    });
    this.#running.add(child);
    void child.exited.then(() => this.#running.delete(child));
    try {
      for (const port of ports) await accepting(port, child);
    } catch (cause) {
      const end = await epitaph(child, logPath);
      killTree(child.pid);
      throw new Error(`${argv.join(" ")}: ${end ?? String(cause)}`, { cause });
    }
    return { pid: child.pid, stop: () => stop(child), epitaph: () => epitaph(child, logPath) };
  }

  /** Ends all that still run and waits until they are gone. */
  async stopAll(): Promise<void> {
    await Promise.all([...this.#running].map(stop));
  }

  /** Kills what still runs, at once, and what it has started: a worker of nginx outlives its master. */
  killAll(): void {
    for (const { pid } of this.#running) killTree(pid);
  }
}

async function stop(child: Bun.Subprocess): Promise<void> {
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
  await child.exited;
  clearTimeout(timer);
}

/** Lines of a log that an epitaph quotes. */
const LAST_LINES = 5;

async function epitaph(child: Bun.Subprocess, logPath: string): Promise<string | undefined> {
  const how = child.signalCode ?? child.exitCode;
  if (how === null) return undefined;
  const lines = (await Bun.file(logPath).text()).trim().split("\n").slice(-LAST_LINES);
  return `ended with ${how}: ${lines.join("\n")}`;
}

function killTree(pid: number): void {
  try {
    for (const child of childrenOf(pid)) killTree(child);
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
}

async function accepting(port: number, child: Bun.Subprocess): Promise<void> {
  const endMs = performance.now() + START_MS;
  while (performance.now() < endMs) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error("ended at its start");
    try {
      const socket = await Bun.connect({
        hostname: "127.0.0.1",
        port,
        socket: { data() {}, error() {} },
      });
      socket.end();
      return;
    } catch {
      await Bun.sleep(20);
    }
  }
  throw new Error(`does not listen on port ${port} after ${START_MS / 1000} s`);
}

/** Below the range from which the system takes ports for outgoing connections. */
const PORTS = { from: 18_000, to: 32_000 };

/** Hands out ports that nobody listens on. */
export class Ports {
  #next = PORTS.from + Math.floor(Math.random() * 10_000);

  async take(): Promise<number> {
    while (this.#next < PORTS.to) {
      const port = this.#next++;
      if (await isFree(port)) return port;
    }
    throw new Error("no free port left");
  }
}

function isFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer();
  server.once("error", () => resolve(false));
  server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  return promise;
}
