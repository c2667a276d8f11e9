// The process that holds both ends of the connections: Python's sockets and ssl module, see peer.py.
import { join } from "node:path";
import type { Outcome } from "./judge.ts";
import { type Case, TLS_MODES, type TlsMode } from "./script.ts";

const SCRIPT = join(import.meta.dir, "peer.py");

/** A certificate for endpoints that speak TLS. */
export interface EndpointIdentity {
  readonly certPem: string;
  readonly keyPem: string;
}

/** How a client speaks TLS. */
export interface ClientTrust {
  /** PEM of the authority that is trusted. */
  readonly ca: string;
  readonly serverName: string;
}

/** A connection to be made through a proxy. */
export interface Route {
  /** The proxy's port. */
  readonly proxy: number;
  /** The endpoint's, as `listen` answered it. */
  readonly endpoint: number;
  readonly mode: TlsMode;
}

/** The Python process. Everything of it ends with the `await using` block that holds it. */
export class Peers implements AsyncDisposable {
  readonly #trust: ClientTrust;
  readonly #process: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly #asked = new Map<number, PromiseWithResolvers<unknown>>();
  #nextId = 1;

  constructor(trust: ClientTrust) {
    this.#trust = trust;
    this.#process = Bun.spawn(["python3", "-W", "ignore", SCRIPT], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
    void this.#follow();
  }

  /** Opens an endpoint and answers its port. */
  async listen(tls: EndpointIdentity | undefined): Promise<number> {
    const { port } = (await this.#ask("listen", { tls })) as { port: number };
    return port;
  }

  /** Makes a connection and lets both ends do their steps. Rejects when there was no connection. */
  async run({ parts }: Case, { proxy, endpoint, mode }: Route): Promise<Outcome> {
    const tls = TLS_MODES[mode].client ? this.#trust : undefined;
    const steps = { client: parts.client.steps, endpointSteps: parts.endpoint.steps };
    return (await this.#ask("run", { proxy, endpoint, tls, ...steps })) as Outcome;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
  }

  #ask(op: string, fields: Readonly<Record<string, unknown>>): Promise<unknown> {
    const id = this.#nextId;
    this.#nextId += 1;
    const asked = Promise.withResolvers<unknown>();
    this.#asked.set(id, asked);
    void this.#process.stdin.write(`${JSON.stringify({ id, op, ...fields })}\n`);
    void this.#process.stdin.flush();
    return asked.promise;
  }

  async #follow(): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const bytes of this.#process.stdout) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#onAnswer(line);
    }
    for (const { reject } of this.#asked.values()) reject(new Error("the peers have ended"));
  }

  #onAnswer(line: string): void {
    const answer = JSON.parse(line) as { id: number; value?: unknown; error?: string };
    const asked = this.#asked.get(answer.id);
    this.#asked.delete(answer.id);
    if (answer.error === undefined) asked?.resolve(answer.value);
    else asked?.reject(new Error(answer.error));
  }
}
