// A client and endpoint that shares no code with the product: Python's sockets and ssl module, in a process of its own.
import { join } from "node:path";
import { PythonProcess } from "../peers/python-process.ts";

const SCRIPT = join(import.meta.dir, "peer.py");

export interface PeerTlsServer {
  readonly certPem: string;
  readonly keyPem: string;
  /** Names of Python's ssl.TLSVersion. Default: TLSv1_2 to TLSv1_3. */
  readonly min?: string;
  readonly max?: string;
  readonly ciphers?: string;
  readonly alpn?: readonly string[];
  /** PEM of the authority that must vouch for clients. */
  readonly clientCa?: string;
}

export interface PeerTlsClient
  extends
    Omit<PeerTlsServer, "certPem" | "keyPem" | "clientCa">,
    Partial<Pick<PeerTlsServer, "certPem" | "keyPem">> {
  /** PEM of the authority that is trusted. */
  readonly ca: string;
  /** Sent as SNI and verified; without it there is no SNI and no name is verified. */
  readonly serverName?: string;
}

/** What came until `end`, or until as much had come as was asked for. */
export interface Received {
  readonly size: number;
  readonly sha256: string;
  /** The first 4 KiB or more, in Latin-1. */
  readonly text: string;
  readonly end: "close_notify" | "fin" | "reset" | null;
}

interface StreamInfo {
  readonly stream: number;
  readonly local: number;
  readonly version?: string;
  readonly cipher?: string;
  readonly alpn?: string | null;
  readonly sni?: string | null;
  /** Common name of the other side's certificate, where one was verified. */
  readonly peer?: string | null;
}

type Ask = (op: string, fields: Readonly<Record<string, unknown>>) => Promise<unknown>;

/** A Python process that connects and listens. Everything of it ends with the `await using` block that holds it. */
export class Peer implements AsyncDisposable {
  readonly #process: PythonProcess;
  readonly #ask: Ask;

  constructor() {
    this.#process = new PythonProcess("the peer", ["python3", "-W", "ignore", SCRIPT]);
    this.#ask = (op, fields) => this.#process.ask(op, fields);
  }

  /** Connects, and shakes hands where `tls` is given. Rejects with what Python said when either fails. */
  async connect(
    port: number,
    options: { readonly tls?: PeerTlsClient; readonly host?: string } = {},
  ): Promise<PeerStream> {
    const { tls, host = "127.0.0.1" } = options;
    return new PeerStream(
      this.#ask,
      (await this.#ask("connect", { host, port, tls })) as StreamInfo,
    );
  }

  /** Listens. `hold`: handshakes wait for `release`. */
  async listen(
    options: {
      readonly tls?: PeerTlsServer;
      readonly hold?: boolean;
      readonly host?: string;
    } = {},
  ): Promise<PeerServer> {
    const { tls, hold = false, host = "127.0.0.1" } = options;
    const listening = await this.#ask("listen", { tls, hold, host });
    return new PeerServer(this.#ask, listening as { server: number; port: number });
  }

  /** A port that neither accepts nor refuses: SYNs to it get no answer. */
  async listenDeaf(): Promise<number> {
    const listening = await this.#ask("listen", { host: "127.0.0.1", backlog: 0 });
    return (listening as { port: number }).port;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]();
  }
}

/** A listening socket of the peer. */
export class PeerServer {
  readonly port: number;
  readonly #ask: Ask;
  readonly #server: number;

  constructor(ask: Ask, listening: { readonly server: number; readonly port: number }) {
    this.#ask = ask;
    this.#server = listening.server;
    this.port = listening.port;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** The next connection, its handshake done. */
  async accept(): Promise<PeerStream> {
    return new PeerStream(
      this.#ask,
      (await this.#ask("accept", { server: this.#server })) as StreamInfo,
    );
  }

  /** Connections accepted, why handshakes failed, and all that came before decryption, in Latin-1. */
  async stats(): Promise<{
    readonly accepted: number;
    readonly failures: readonly string[];
    readonly raw: string;
  }> {
    return (await this.#ask("stats", { server: this.#server })) as Awaited<
      ReturnType<PeerServer["stats"]>
    >;
  }

  /** Lets handshakes begin, where the server holds them. */
  async release(): Promise<void> {
    await this.#ask("release", { server: this.#server });
  }

  /** Makes handshakes that have not begun wait again. */
  async hold(): Promise<void> {
    await this.#ask("hold", { server: this.#server });
  }

  /** Sends back what comes, on all connections from now on. */
  async echoAll(): Promise<void> {
    await this.#ask("echoAll", { server: this.#server });
  }
}

/** One connection of the peer. */
export class PeerStream {
  readonly info: StreamInfo;
  readonly #ask: Ask;

  constructor(ask: Ask, info: StreamInfo) {
    this.#ask = ask;
    this.info = info;
  }

  /** Sends `size` bytes that `seed` chooses and answers their hash. Does not end the direction. */
  async send(size: number, seed = 1): Promise<string> {
    const sent = await this.#on("send", { size, seed });
    return (sent as { sha256: string }).sha256;
  }

  async sendText(text: string): Promise<void> {
    await this.#on("sendText", { text });
  }

  /** Reads to the end, or until `most` bytes have come. */
  async receive(most?: number): Promise<Received> {
    return (await this.#on("receive", { most })) as Received;
  }

  /** Ends the writing direction: FIN, for TLS close_notify alone. */
  async shutdown(): Promise<void> {
    await this.#on("shutdown");
  }

  /** Ends the writing direction with a bare FIN, for TLS without close_notify. */
  async fin(): Promise<void> {
    await this.#on("fin");
  }

  async close(): Promise<void> {
    await this.#on("close");
  }

  async reset(): Promise<void> {
    await this.#on("reset");
  }

  #on(op: string, fields: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    return this.#ask(op, { stream: this.info.stream, ...fields });
  }
}
