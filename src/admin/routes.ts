// What the admin server answers, in one table: docs/reference/admin-api.md is generated from it.
import { PROMETHEUS_TYPE } from "../telemetry/prometheus.ts";
import type { AdminPort, ReloadAnswer } from "./admin-port.ts";
import { type AdminRoute, type Answer, json, TEXT } from "./answer.ts";
import { CONTROL_ROUTES } from "./control-routes.ts";
import { STATUS_PAGE_POLICY, statusPage } from "./status-page.ts";

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
    path: "/offenders.json",
    summary:
      "For each server with `limits`, as JSON: refusals by rule since the start, the 20 sources that were refused most in " +
      "the last 10 to 20 minutes, and the 20 with the most connections (where there is `perSource`). Of `refusals` of a " +
      "source, `uncertain` may have been of others.",
    handle: (app) => json(app.status().refusals ?? []),
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
  ...CONTROL_ROUTES,
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
      "another reload, an upgrade or a shutdown is under way or where there is no file, 500 where it could not be put into effect: " +
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
    path: "/upgrade",
    summary:
      "Starts this program anew, hands the listening sockets over to it, and shuts down once it is ready " +
      "([upgrades](../guide/upgrade.md)). Answers then, which may take a minute: 200; 500 when the new process failed " +
      "and this one goes on; 409 when none was started. The text says why.",
    handle: upgrade,
  },
  {
    method: "POST",
    path: "/abort",
    summary: "Ends at once, with exit code 1. The answer may be lost.",
    handle: (app) => ({ type: TEXT, body: "Aborting.\n", afterwards: () => app.abort() }),
  },
];

async function upgrade(app: AdminPort): Promise<Answer> {
  const outcome = await app.upgrade();
  switch (outcome.result) {
    case "done":
      return {
        type: TEXT,
        body: `Process ${outcome.pid} has taken over; this one drains.\n`,
        afterwards: () => app.handOver(outcome.pid),
      };
    case "failed":
      return {
        status: 500,
        type: TEXT,
        body: `The upgrade failed, and this process goes on: ${outcome.message}\n`,
      };
    case "refused":
      return { status: 409, type: TEXT, body: `No upgrade: ${outcome.message}\n` };
    default:
      return outcome satisfies never;
  }
}

const STATUS_OF = {
  applied: 200,
  unchanged: 200,
  planned: 200,
  invalid: 422,
  failed: 500,
  refused: 409,
} as const satisfies Record<ReloadAnswer["result"], number>;

function reloadAnswer(answer: ReloadAnswer): Answer {
  return json(answer, STATUS_OF[answer.result]);
}
