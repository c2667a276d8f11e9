// Metrics of what connections go to: balancers and endpoints.
import { counter, gauge, histogram, MICROS, MILLIS, SHORT_MICROS } from "../define-metric.ts";

const DST = ["dst", "rt"];
const ENDPOINT = ["dst", "endpoint", "rt"];
const DST_QUEUE = ["dst", "queue", "rt"];
const CAUSE_DST = ["cause", ...DST];

/** Metrics of balancers. */
export const BALANCER_METRICS = {
  available: gauge("l5d_balancer_endpoint_available", DST, "Endpoints that may be picked.", {
    was: "l5d:balancer:endpoint:available",
  }),
  failed: gauge(
    "l5d_balancer_endpoint_failed",
    DST,
    "Endpoints ejected after failures, a probe pending.",
    {
      was: "l5d:balancer:endpoint:failed",
    },
  ),
  retired: gauge(
    "l5d_balancer_endpoint_retired",
    DST,
    "Endpoints no longer resolved whose connections run on.",
    {
      was: "l5d:balancer:endpoint:retired",
    },
  ),
  pending: gauge("l5d_balancer_connection_pending", DST, "Connections to endpoints being made.", {
    was: "l5d:balancer:connection:pending",
  }),
  open: gauge(
    "l5d_balancer_connection_open",
    DST,
    "Connections to endpoints, warm ones included.",
    {
      was: "l5d:balancer:connection:open",
    },
  ),
  warm: gauge(
    "l5d_balancer_connection_warm",
    DST,
    "Connections to endpoints that wait for a client.",
  ),
  waiters: gauge("l5d_balancer_waiters", DST, "Sessions that wait for an endpoint.", {
    was: "l5d:balancer:waiters",
  }),
  queued: counter(
    "l5d_balancer_queued_total",
    DST_QUEUE,
    "Times a session had to queue: `limit`, as all endpoints were full; `retry`, as the retry budget was spent.",
  ),
  queueTime: histogram(
    "l5d_balancer_queue_time_ms",
    DST_QUEUE,
    "Time in such a queue, in milliseconds, whether it ended well or not.",
    MILLIS,
  ),
  retries: counter(
    "l5d_balancer_retries_total",
    DST,
    "Attempts to connect that were not the first of their session.",
  ),
  retryBudget: gauge("l5d_balancer_retry_budget", DST, "Retries that may begin at once."),
  unavailable: counter(
    "l5d_balancer_unavailable_total",
    DST,
    "Sessions refused at once: no endpoint is known, or too many wait.",
    { was: "l5d:balancer:unavailable" },
  ),
  attempts: counter(
    "l5d_balancer_connection_attempts_total",
    DST,
    "Connections to endpoints begun.",
    {
      was: "l5d:balancer:connection:attempts",
    },
  ),
  connects: counter(
    "l5d_balancer_connection_connects_total",
    DST,
    "Connections to endpoints made, TLS included.",
    {
      was: "l5d:balancer:connection:connects",
    },
  ),
  failures: counter(
    "l5d_balancer_connection_failure_total",
    CAUSE_DST,
    "Connections to endpoints that could not be made, by cause.",
    { was: "l5d:balancer:connection:failure" },
  ),
  latency: histogram(
    "l5d_balancer_connection_latency_us",
    DST,
    "Time of an attempt to connect to an endpoint, good or bad, in microseconds.",
    MICROS,
    { was: "l5d:balancer:connection:latency_us" },
  ),
  duration: histogram(
    "l5d_balancer_connection_duration_ms",
    DST,
    "Life of a connection to an endpoint, warm time included, in milliseconds.",
    MILLIS,
    { was: "l5d:balancer:connection:duration_ms" },
  ),
  updateTime: histogram(
    "l5d_balancer_poll_time_us",
    DST,
    "Time to apply a change of the endpoints, in microseconds.",
    SHORT_MICROS,
    { was: "l5d:balancer:poll_time_us" },
  ),
  panic: gauge(
    "l5d_balancer_panic",
    DST,
    "Workers in which too few endpoints may be picked, so that those known to fail are tried as well.",
  ),
} as const;

/** Metrics of single endpoints, rendered from the shared endpoint table. */
export const ENDPOINT_METRICS = {
  connections: gauge(
    "l5d_endpoint_connections",
    ENDPOINT,
    "Connections open and pending, by endpoint.",
  ),
  weight: gauge("l5d_endpoint_weight", ENDPOINT, "Share asked for, by endpoint."),
  ejected: gauge(
    "l5d_endpoint_ejected",
    ENDPOINT,
    "Workers that have ejected the endpoint after failures.",
  ),
  connects: counter("l5d_endpoint_connects_total", ENDPOINT, "Connections made, by endpoint."),
  failures: counter(
    "l5d_endpoint_connect_failures_total",
    ENDPOINT,
    "Connections that could not be made, by endpoint.",
  ),
} as const;
