// The admin server: HTTP for operators and for Prometheus, on the control thread. Traffic does not depend on it.
import { type Address, formatAddress } from "../lib/address.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../telemetry/log.ts";
import type { AdminPort } from "./admin-port.ts";
import { refusalOf } from "./guard.ts";
import { ADMIN_ROUTES, type AdminRoute, type Answer } from "./routes.ts";

/** A route whose answer needs nothing more. */
export interface ServedRoute extends Pick<AdminRoute, "method" | "path"> {
  readonly handle: () => Answer | Promise<Answer>;
}

/** What is served: the proxy's routes for an application, or others. */
export type AdminServerOptions = {
  readonly ip: string;
  /** 0 asks the system for a free port. */
  readonly port: number;
  readonly log: Logger;
  readonly clock: Clock;
} & ({ readonly app: AdminPort } | { readonly routes: readonly ServedRoute[] });

/** Time without a byte after which a connection is closed. Bun gives whole requests some 10 s on its own. */
const IDLE_SECONDS = 10;

/** The same while an answer is being made that takes its time, on a machine that is busy. */
const LONG_WORK_SECONDS = 120;

/** No route reads a body. Heads are limited to 16 KiB by Bun itself. */
const MOST_BODY_BYTES = 1024;

/** For all answers: they are of the moment, are what they say they are, and are for no other site. */
const COMMON_HEADERS = {
  "Cache-Control": "no-store",
  "Cross-Origin-Resource-Policy": "same-origin",
  "X-Content-Type-Options": "nosniff",
} as const;

/** Answers as soon as it is made. */
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
      reusePort: false,
      fetch: (request) => this.#respond(request),
      error: (error) => this.#fail(error),
    });
    this.address = { ip, port: this.#server.port ?? port };
    log.debug("listening", () => ({ address: formatAddress(this.address) }));
  }

  /** Listens no more and closes all connections; answers are given at once, so that none is cut off. Idempotent. */
  async stop(): Promise<void> {
    await this.#server.stop(true);
  }

  #respond(request: Request): Response | Promise<Response> {
    try {
      const refusal = refusalOf(request, this.address);
      if (refusal !== undefined) return this.#refuse(request, refusal);
      return this.#route(request);
    } catch (error) {
      return this.#fail(error);
    }
  }

  #route(request: Request): Response | Promise<Response> {
    const { method } = request;
    const path = pathOf(request.url);
    const routes = this.#routes.filter((route) => route.path === path);
    if (routes.length === 0) return plain(404, "Not found. The page / says what there is.\n");
    // The answer to HEAD is made like that to GET; Bun sends its head alone.
    const wanted = method === "HEAD" ? "GET" : method;
    const route = routes.find((one) => one.method === wanted);
    const answer = route?.handle();
    if (answer instanceof Promise) {
      this.#server.timeout(request, LONG_WORK_SECONDS);
      return answer.then(
        (later) => this.#send(later),
        (error: unknown) => this.#fail(error),
      );
    }
    if (answer !== undefined) return this.#send(answer);
    const allowed = routes.map((one) => (one.method === "GET" ? "GET, HEAD" : one.method));
    return plain(405, `Not for ${path}.\n`, { Allow: allowed.join(", ") });
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
    this.#log.debug("request refused", () => ({ method, path: pathOf(url), why: message.trim() }));
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
    handle: () => handle(app),
  }));
}

function pathOf(url: string): string {
  // Bun gives a bare path where there is no usable Host.
  return URL.parse(url, "http://localhost")?.pathname ?? "";
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
