// What a route of the admin server is, and what it answers.
import type { AdminPort } from "./admin-port.ts";

/** What a route may know of a request. */
export interface AdminRequest {
  readonly query: URLSearchParams;
  /** The body as JSON; undefined when there is none. */
  readonly body: unknown;
}

/** An answer. */
export interface Answer {
  /** Default 200. */
  readonly status?: number;
  /** Media type. */
  readonly type: string;
  readonly body: string;
  /** Content-Security-Policy; what is no page has none. */
  readonly policy?: string;
  /** What is done once the answer is on its way. */
  readonly afterwards?: () => void;
}

/** What is answered to one method on one path. `HEAD` works where `GET` does. */
export interface AdminRoute {
  readonly method: "GET" | "POST";
  readonly path: string;
  /** For the documentation: Markdown, whole sentences. */
  readonly summary: string;
  readonly handle: (app: AdminPort, request: AdminRequest) => Answer | Promise<Answer>;
}

export const TEXT = "text/plain; charset=utf-8";

/** An answer in JSON. */
export function json(value: unknown, status = 200): Answer {
  return {
    status,
    type: "application/json; charset=utf-8",
    body: `${JSON.stringify(value ?? null, null, 2)}\n`,
  };
}
