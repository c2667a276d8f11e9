// What the admin server answers, in one table: docs/reference/admin-api.md is generated from it.
import { PROMETHEUS_TYPE } from "../telemetry/prometheus.ts";
import { type AdminRoute, json, TEXT } from "./answer.ts";
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
