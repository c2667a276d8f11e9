// What the admin server answers, in one table: docs/reference/admin-api.md is generated from it.
import { PROMETHEUS_TYPE } from "../telemetry/prometheus.ts";
import type { AdminPort, ReloadAnswer } from "./admin-port.ts";
import { STATUS_PAGE_POLICY, statusPage } from "./status-page.ts";

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
  readonly handle: (app: AdminPort) => Answer | Promise<Answer>;
}

const TEXT = "text/plain; charset=utf-8";

/** All routes, in the order of the documentation. */
export const ADMIN_ROUTES: readonly AdminRoute[] = [
  {
    method: "GET",
    path: "/",
    summary: "A status page for people: servers, destinations, endpoints. Without scripts.",
    handle: (app) => ({
      type: "text/html; charset=utf-8",
      body: statusPage(app.status()),
      policy: STATUS_PAGE_POLICY,
    }),
  },
  {
    method: "GET",
    path: "/status.json",
    summary:
      "The status page's data as JSON. `ageSeconds` is missing as long as the name source has not answered.",
    handle: (app) => json(app.status()),
  },
  {
    method: "GET",
    path: "/metrics",
    summary: "All metrics as they are now, in Prometheus text format 0.0.4.",
    handle: (app) => ({ type: PROMETHEUS_TYPE, body: app.metrics() }),
  },
  {
    method: "GET",
    path: "/config.json",
    summary: "The configuration as it was given, without secrets, as JSON.",
    handle: (app) => json(app.config()),
  },
  {
    method: "GET",
    path: "/ping",
    summary: "Answers `pong` as long as the control thread lives: for liveness probes.",
    handle: () => ({ type: TEXT, body: "pong\n" }),
  },
  {
    method: "POST",
    path: "/reload",
    summary:
      "Puts the configuration file into effect, without losing a connection, and answers once workers have it: JSON with " +
      "`result`, `message`, `plan`, and `summary`, the plan in lines. 422 where the file has errors (`problems`), 409 while " +
      "another reload or a shutdown is under way or where there is no file, 500 where it could not be put into effect: " +
      "nothing has changed then.",
    handle: async (app) => reloadAnswer(await app.reload()),
  },
  {
    method: "POST",
    path: "/plan",
    summary: "Checks the configuration file and answers what `/reload` would. Changes nothing.",
    handle: async (app) => reloadAnswer(await app.plan()),
  },
  {
    method: "POST",
    path: "/shutdown",
    summary:
      "Begins a graceful shutdown: no new connections, open ones may end within `admin.graceSecs`. " +
      "Answers before anything stops. A second call ends at once.",
    handle: (app) => ({
      type: TEXT,
      body: "Shutting down.\n",
      afterwards: () => app.shutdown(),
    }),
  },
  {
    method: "POST",
    path: "/abort",
    summary: "Ends at once, with exit code 1. The answer may be lost.",
    handle: (app) => ({ type: TEXT, body: "Aborting.\n", afterwards: () => app.abort() }),
  },
];

const STATUS_OF = {
  applied: 200,
  unchanged: 200,
  planned: 200,
  invalid: 422,
  failed: 500,
  refused: 409,
} as const satisfies Record<ReloadAnswer["result"], number>;

function reloadAnswer(answer: ReloadAnswer): Answer {
  return { ...json(answer), status: STATUS_OF[answer.result] };
}

function json(value: unknown): Answer {
  return {
    type: "application/json; charset=utf-8",
    body: `${JSON.stringify(value ?? null, null, 2)}\n`,
  };
}
