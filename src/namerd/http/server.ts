// Carries the HTTP API: listens, reads whole requests within limits, sends answers to the byte.
// By node:http, as Bun.serve adds a Content-Type where namerd has none, normalises paths, and holds back the head of a
// watch that has nothing to say yet (tried with Bun 1.4.5).
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Address } from "../../lib/address.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../telemetry/log.ts";
import type { NamerdMetrics } from "../metrics.ts";
import type { Api, Route } from "./api.ts";
import { readBody } from "./body.ts";
import { type ApiAnswer, type ApiRequest, SourceFailure, whole } from "./exchange.ts";
import { ClientGone } from "./first.ts";
import { LineStream } from "./line-stream.ts";
import { readParams, readTarget } from "./params.ts";

export interface ControllerOptions {
  readonly ip: string;
  /** 0 asks the system for a free port. */
  readonly port: number;
  readonly api: Api;
  readonly metrics: NamerdMetrics;
  readonly log: Logger;
  readonly clock: Clock;
  /** How many connections may be open; more are told to come later. */
  readonly maxConnections: number;
}

/** A dtab in a query is long; namerd's own limit was 4 KiB for the request line. */
const MOST_HEAD_BYTES = 16 * 1024;
/** Requests of one connection that wait for the one before them. */
const MOST_PIPELINED = 16;
/** Clients that died without a word are noticed by the system. */
const KEEP_ALIVE_MS = 30_000;

export class ControllerServer {
  /** Where it listens, with its real port. */
  readonly address: Address;
  readonly #options: ControllerOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Answers that are not complete, by connection. */
  readonly #open = new WeakMap<Socket, number>();

  private constructor(server: Server, options: ControllerOptions) {
    const bound = server.address();
    const port = typeof bound === "object" && bound !== null ? bound.port : options.port;
    this.address = { ip: options.ip, port };
    this.#server = server;
    this.#options = options;
    server.on("connection", (socket: Socket) => this.#accept(socket));
    server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) =>
      refuse(socket, error.code),
    );
    server.on("request", (request, response) => void this.#serve(request, response));
  }

  /** Rejects with the system's error (`code` EADDRINUSE, EACCES, EADDRNOTAVAIL) when it cannot listen. */
  static async listen(options: ControllerOptions): Promise<ControllerServer> {
    const server = createServer({ maxHeaderSize: MOST_HEAD_BYTES });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", reject);
    server.listen(options.port, options.ip, resolve);
    await promise;
    server.removeListener("error", reject);
    return new ControllerServer(server, options);
  }

  /** Listens no more and closes all connections, watches among them. */
  stop(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  // Called with the first byte of a connection: one that stays silent Bun ends by itself, after some 13 s.
  #accept(socket: Socket): void {
    const { metrics, maxConnections } = this.#options;
    if (this.#sockets.size >= maxConnections) {
      metrics.refusedConnections.add(1);
      socket.write(plainHead("503 Service Unavailable", "Too many connections.\n"));
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    metrics.connections.add(1);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.once("close", () => {
      if (this.#sockets.delete(socket)) metrics.connections.add(-1);
    });
  }

  async #serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    // What is written to a client that leaves is lost, and no fault of ours.
    response.on("error", () => gone.abort());
    message.on("error", () => gone.abort());
    if (!this.#enter(message.socket, response)) return;
    const target = readTarget(message.url ?? "");
    const route = this.#options.api.route(target?.path ?? "");
    const answer =
      target === undefined ? whole(400) : await this.#answer(message, target, route, gone.signal);
    if (answer === undefined || gone.signal.aborted) return;
    try {
      this.#send(message, response, route, answer, gone.signal);
    } catch (error) {
      this.#failed(error, message.url ?? "");
      response.destroy();
    }
  }

  /** Whether a request is answered: not one of a client that sends on and on behind an answer that does not end. */
  #enter(socket: Socket, response: ServerResponse): boolean {
    const open = (this.#open.get(socket) ?? 0) + 1;
    this.#open.set(socket, open);
    response.once("close", () => this.#open.set(socket, (this.#open.get(socket) ?? 1) - 1));
    if (open <= MOST_PIPELINED) return true;
    socket.destroy();
    return false;
  }

  async #answer(
    message: IncomingMessage,
    target: { readonly path: string; readonly query: string },
    route: Route,
    signal: AbortSignal,
  ): Promise<ApiAnswer | undefined> {
    try {
      if (isFromForeignPage(message)) return whole(403, FOREIGN_PAGE);
      const body = await readBody(message, this.#options.clock, signal);
      if (!(body instanceof Uint8Array)) return body;
      const request = requestOf(message, target, body, signal);
      return request === undefined ? whole(400) : await route.answer(request);
    } catch (error) {
      if (error instanceof ClientGone) return undefined;
      return this.#failed(error, target.path);
    }
  }

  #failed(error: unknown, path: string): ApiAnswer {
    const { log } = this.#options;
    if (error instanceof SourceFailure) {
      log.warn("request failed", () => ({ path, cause: error.message }));
    } else {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      log.error("request failed", () => ({ path, error: text }));
    }
    return whole(500);
  }

  #send(
    message: IncomingMessage,
    response: ServerResponse,
    { endpoint }: Route,
    answer: ApiAnswer,
    signal: AbortSignal,
  ): void {
    const { metrics } = this.#options;
    const status = answer.kind === "whole" ? answer.status : 200;
    metrics.countRequest(endpoint, status);
    response.statusCode = status;
    response.sendDate = false;
    for (const [name, value] of Object.entries(answer.headers)) response.setHeader(name, value);
    if (answer.kind === "whole") return sendWhole(message, response, answer);
    // Bun says `keep-alive` of itself otherwise, which namerd leaves unsaid.
    response.removeHeader("Connection");
    response.flushHeaders();
    if (message.method === "HEAD") {
      response.end();
      return;
    }
    const watchers = metrics.watchers(endpoint);
    watchers.add(1);
    signal.addEventListener("abort", () => watchers.add(-1), { once: true });
    answer.follow(new LineStream(response));
  }
}

const FOREIGN_PAGE =
  "Refused: this request comes from a web page. Send it from a program such as curl.\n";

/** Whether a browser sends this for a page: those headers are set by browsers alone, and namerd's API has no pages. */
function isFromForeignPage({ method, headers }: IncomingMessage): boolean {
  if (method === "GET" || method === "HEAD") return false;
  const site = headers["sec-fetch-site"];
  return headers.origin !== undefined || (site !== undefined && site !== "none");
}

function requestOf(
  message: IncomingMessage,
  { path, query }: { readonly path: string; readonly query: string },
  body: Uint8Array,
  signal: AbortSignal,
): ApiRequest | undefined {
  const header = (name: string): string | undefined => {
    const value = message.headers[name];
    return typeof value === "string" ? value : value?.[0];
  };
  const isForm = /^application\/x-www-form-urlencoded\b/i.test(header("content-type") ?? "");
  const params = readParams(query, ...(isForm ? [new TextDecoder().decode(body)] : []));
  if (params === undefined) return undefined;
  return { method: message.method ?? "", path, params, header, body, signal };
}

function sendWhole(
  message: IncomingMessage,
  response: ServerResponse,
  { status, headers, body }: Extract<ApiAnswer, { kind: "whole" }>,
): void {
  const isOver = headers["Connection"] === "close" || message.headers.connection === "close";
  if (isOver) response.setHeader("Connection", "close");
  else response.removeHeader("Connection");
  // namerd says no length of what has no body by its nature (RFC 9110 §8.6).
  if (status === 204 || message.method === "HEAD") {
    response.end();
    return;
  }
  response.setHeader("Content-Length", Buffer.byteLength(body));
  response.end(body);
}

/** The answer to what is no request of HTTP, or one that is too long. */
function refuse(socket: Socket, code: string | undefined): void {
  if (!socket.writable) return void socket.destroy();
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      socket.end(plainHead("431 Request Header Fields Too Large", ""));
      return;
    case "ERR_HTTP_REQUEST_TIMEOUT":
      socket.end(plainHead("408 Request Timeout", ""));
      return;
    default:
      socket.end(plainHead("400 Bad Request", ""));
  }
}

function plainHead(status: string, body: string): string {
  return `HTTP/1.1 ${status}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`;
}
