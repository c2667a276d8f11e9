// One request to the Kubernetes API: reads its credentials, which are rotated while we run, and then asks.
import type { Cancel, Clock } from "../../lib/clock.ts";
import { type ExchangeListener, type HttpTls, HttpExchange } from "../http-exchange.ts";

/** How the API server is reached; fields as in K8sNamerConfig. */
export interface K8sServer {
  readonly baseUrl: string;
  readonly tokenPath: string | undefined;
  readonly caPath: string | undefined;
}

/**
 * To read the credentials, and again to the end of an answer or the head of a watch; from the beginning of an event to
 * its end. The server itself may wait for some seconds, for its cache to come up to a version.
 */
export const REQUEST_TIMEOUT_MS = 15_000;

/** Longest file that is read. A token has some 1,000 bytes, the authorities of a cluster a few thousand. */
const MAX_FILE_BYTES = 2 ** 20;

type Credentials =
  | { readonly ok: true; readonly token: string | undefined; readonly ca: string | undefined }
  | { readonly ok: false; readonly cause: string };

/** A request under way. As an exchange, it tells its listener nothing before the constructor has returned. */
export class K8sRequest {
  readonly #server: K8sServer;
  readonly #clock: Clock;
  readonly #listener: ExchangeListener;
  #exchange: HttpExchange | undefined;
  #cancelDeadline: Cancel | undefined;
  #over = false;

  /** Begins. `target`: path and query. `list`: the answer is one document; `watch`: it is a stream of lines. */
  constructor(
    server: K8sServer,
    target: string,
    what: "list" | "watch",
    clock: Clock,
    listener: ExchangeListener,
  ) {
    this.#server = server;
    this.#clock = clock;
    this.#listener = listener;
    this.#cancelDeadline = clock.after(REQUEST_TIMEOUT_MS, () =>
      this.#fail("cannot read the files with the credentials for Kubernetes in time"),
    );
    void this.#run(target, what);
  }

  /** Ends it at once, without a word. */
  close(): void {
    this.#over = true;
    this.#cancelDeadline?.();
    this.#exchange?.close();
  }

  async #run(target: string, what: "list" | "watch"): Promise<void> {
    const credentials = await readCredentials(this.#server);
    if (this.#over) return;
    if (!credentials.ok) return this.#fail(credentials.cause);
    this.#cancelDeadline?.();
    const { token, ca } = credentials;
    const tls: HttpTls | undefined = ca === undefined ? undefined : { ca };
    this.#exchange = new HttpExchange(
      {
        url: `${this.#server.baseUrl}${target}`,
        peer: "Kubernetes",
        ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }),
        ...(tls !== undefined && { tls }),
        framing: what === "list" ? "body" : "lines",
        whole: what === "list",
        timeoutMs: REQUEST_TIMEOUT_MS,
        clock: this.#clock,
      },
      this.#listener,
    );
  }

  #fail(cause: string): void {
    this.close();
    this.#listener.end({ how: "failed", cause });
  }
}

/** Never rejects. Causes hold nothing of the files. */
async function readCredentials(server: K8sServer): Promise<Credentials> {
  const token = await readFile(server.tokenPath);
  if (!token.ok) return token;
  // What a header may carry without being misread.
  if (token.text !== undefined && !/^[!-~]+$/.test(token.text)) {
    return { ok: false, cause: `there is no token in ${server.tokenPath}` };
  }
  const ca = await readFile(server.baseUrl.startsWith("https:") ? server.caPath : undefined);
  if (!ca.ok) return ca;
  // Without one, Bun would trust the system's authorities instead.
  if (ca.text !== undefined && !ca.text.includes("-----BEGIN CERTIFICATE-----")) {
    return { ok: false, cause: `there is no certificate in ${server.caPath}` };
  }
  return { ok: true, token: token.text, ca: ca.text };
}

type FileText =
  | { readonly ok: true; readonly text: string | undefined }
  | { readonly ok: false; readonly cause: string };

async function readFile(path: string | undefined): Promise<FileText> {
  if (path === undefined) return { ok: true, text: undefined };
  try {
    const text = await Bun.file(path).slice(0, MAX_FILE_BYTES).text();
    return { ok: true, text: text.trim() };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    return { ok: false, cause: `cannot read ${path} (${code})` };
  }
}
