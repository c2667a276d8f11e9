// The process that holds both ends of the connections: Python's sockets and ssl module, see peer.py.
import { join } from "node:path";
import { PythonProcess } from "../support/peers/python-process.ts";
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
  readonly #process: PythonProcess;

  constructor(trust: ClientTrust) {
    this.#trust = trust;
    this.#process = new PythonProcess("the peers", ["python3", "-W", "ignore", SCRIPT]);
  }

  /** Opens an endpoint and answers its port. */
  async listen(tls: EndpointIdentity | undefined): Promise<number> {
    const { port } = (await this.#process.ask("listen", { tls })) as { port: number };
    return port;
  }

  /** Makes a connection and lets both ends do their steps. Rejects when there was no connection. */
  async run({ parts }: Case, { proxy, endpoint, mode }: Route): Promise<Outcome> {
    const tls = TLS_MODES[mode].client ? this.#trust : undefined;
    const steps = { client: parts.client.steps, endpointSteps: parts.endpoint.steps };
    return (await this.#process.ask("run", { proxy, endpoint, tls, ...steps })) as Outcome;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]();
  }
}
