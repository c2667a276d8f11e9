// The admin server: HTTP for operators and for Prometheus, on the control thread. Traffic does not depend on it.
import { type Address, formatAddress } from "../lib/address.ts";
import type { Clock } from "../lib/clock.ts";
import { parseJson } from "../lib/json.ts";
import type { Logger } from "../telemetry/log.ts";
import type { AdminPort } from "./admin-port.ts";
import { refusalOf } from "./guard.ts";
import type { AdminRequest, AdminRoute, Answer } from "./answer.ts";
import { ADMIN_ROUTES } from "./routes.ts";

/** A route whose answer needs nothing more. */
export interface ServedRoute extends Pick<AdminRoute, "method" | "path"> {
  readonly handle: (request: AdminRequest) => Answer | Promise<Answer>;
}

/** What is served: the proxy's routes for an application, or others. */
export type AdminServerOptions = {
  readonly ip: string;
  /** 0 asks the system for a free port. */
  readonly port: number;
  readonly log: Logger;
  readonly clock: Clock;
  /** Whether to listen beside another process that lets this one: see app/admin-place.ts. */
  readonly shared?: boolean;
} & ({ readonly app: AdminPort } | { readonly routes: readonly ServedRoute[] });

/** Time without a byte after which a connection is closed. Bun gives whole requests some 10 s on its own. */
const IDLE_SECONDS = 10;

/** The same for a request whose answer is being made: more than any takes. Bun knows no more than 255. */
const ANSWER_SECONDS = 120;

/** Bodies are small JSON objects. Heads are limited to 16 KiB by Bun itself. */
const MOST_BODY_BYTES = 16_384;

/** For all answers: they are of the moment, are what they say they are, and are for no other site. */
const COMMON_HEADERS = {
  "Cache-Control": "no-store",
  "Cross-Origin-Resource-Policy": "same-origin",
  "X-Content-Type-Options": "nosniff",
} as const;

export class AdminServer {
  /** Where it listens, with its real port. */
  readonly address: Address;
  readonly #server: Bun.Server<undefined>;
  readonly #routes: readonly ServedRoute[];
  readonly #log: Logger;
  readonly #clock: Clock;

  /** Throws the system's error (`code` EADDRINUSE, EACCES, EADDRNOTAVAIL) when it cannot listen. */
  constructor(options: AdminServerOptions) {
    const { ip, port, log, clock } = options;
    this.#routes = "routes" in options ? options.routes : routesOf(options.app);
    this.#log = log;
    this.#clock = clock;
    this.#server = Bun.serve({
      hostname: ip,
      port,
      idleTimeout: IDLE_SECONDS,
      maxRequestBodySize: MOST_BODY_BYTES,
      development: false,
      // Outside development Bun shares ports unless told not to: a second process would take half of the requests.
      reusePort: options.shared ?? false,
      fetch: (request, server) => this.#respond(request, server),
      error: (error) => this.#fail(error),
    });
    this.address = { ip, port: this.#server.port ?? port };
    log.debug("listening", () => ({ address: formatAddress(this.address) }));
  }

  /** Listens no more and closes all connections; answers are given at once, so that none is cut off. Idempotent. */
  async stop(): Promise<void> {
    await this.#server.stop(true);
  }

  #respond(request: Request, server: Bun.Server<undefined>): Response | Promise<Response> {
    try {
      const refusal = refusalOf(request, this.address);
      if (refusal !== undefined) return this.#refuse(request, refusal);
      const response = this.#route(request);
      if (response instanceof Promise) server.timeout(request, ANSWER_SECONDS);
      return response;
    } catch (error) {
      return this.#fail(error);
    }
  }

  #route(request: Request): Response | Promise<Response> {
    const { method } = request;
    const { pathname: path, searchParams: query } = urlOf(request.url);
    const routes = this.#routes.filter((route) => route.path === path);
    if (routes.length === 0) return plain(404, "Not found. The page / says what there is.\n");
    // The answer to HEAD is made like that to GET; Bun sends its head alone.
    const wanted = method === "HEAD" ? "GET" : method;
    const route = routes.find((one) => one.method === wanted);
    if (route !== undefined) return this.#handle(route, request, query);
    const allowed = routes.map((one) => (one.method === "GET" ? "GET, HEAD" : one.method));
    return plain(405, `Not for ${path}.\n`, { Allow: allowed.join(", ") });
  }

  /** Answers at once where that can be done, so that a shutdown that follows cuts nothing off. */
  #handle(
    route: ServedRoute,
    request: Request,
    query: URLSearchParams,
  ): Response | Promise<Response> {
    if (request.method === "GET" || request.method === "HEAD" || request.body === null) {
      const answer = route.handle({ query, body: undefined });
      return answer instanceof Promise ? this.#sendLater(answer) : this.#send(answer);
    }
    return this.#handleBody(route, request, query);
  }

  async #handleBody(
    route: ServedRoute,
    request: Request,
    query: URLSearchParams,
  ): Promise<Response> {
    const text = await request.text();
    const body = text.trim() === "" ? undefined : parseJson(text);
    if (body === undefined && text.trim() !== "") {
      return plain(400, "The body must be a JSON object, or empty.\n");
    }
    return await this.#sendLater(Promise.resolve(route.handle({ query, body })));
  }

  async #sendLater(answer: Promise<Answer>): Promise<Response> {
    try {
      return this.#send(await answer);
    } catch (error) {
      return this.#fail(error);
    }
  }

  #send({ status = 200, type, body, policy, afterwards }: Answer): Response {
    // Bun writes an answer as soon as the handler has returned, so that a timer of 0 comes after it.
    if (afterwards !== undefined) this.#clock.after(0, () => this.#run(afterwards));
    const headers = { ...COMMON_HEADERS, "Content-Type": type };
    return new Response(body, {
      status,
      headers: policy === undefined ? headers : { ...headers, "Content-Security-Policy": policy },
    });
  }

  #run(afterwards: () => void): void {
    try {
      afterwards();
    } catch (error) {
      this.#log.error("request failed", () => ({ error: describe(error) }));
    }
  }

  #refuse(request: Request, message: string): Response {
    const { method, url } = request;
    this.#log.debug("request refused", () => ({
      method,
      path: urlOf(url).pathname,
      why: message.trim(),
    }));
    return plain(403, message);
  }

  #fail(error: unknown): Response {
    this.#log.error("request failed", () => ({ error: describe(error) }));
    return plain(500, "Something went wrong: the log says what.\n");
  }
}

function routesOf(app: AdminPort): readonly ServedRoute[] {
  return ADMIN_ROUTES.map(({ method, path, handle }) => ({
    method,
    path,
    handle: (request) => handle(app, request),
  }));
}

function urlOf(url: string): Pick<URL, "pathname" | "searchParams"> {
  // Bun gives a bare path where there is no usable Host.
  const parsed = URL.parse(url, "http://localhost");
  return parsed ?? { pathname: "", searchParams: new URLSearchParams() };
}

function plain(
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(body, {
    status,
    headers: { ...COMMON_HEADERS, "Content-Type": "text/plain; charset=utf-8", ...headers },
  });
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
