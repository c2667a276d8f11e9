// Every metric of the program, in one table: names, labels, meaning, and the names of linkerd-tcp 0.1.
// docs/reference/metrics.md is generated from it.
import { BYTES, counter, gauge, histogram, MICROS, MILLIS, SHORT_MICROS } from "./define-metric.ts";
import type { MetricDefinition } from "./metrics.ts";

const RESOLVER = ["namespace", "rt"];
const NAMER = ["namer"];
const ROUTER = ["rt"];
const SERVER = ["rt", "srv_addr"];
const DST = ["dst", "rt"];
const ENDPOINT = ["dst", "endpoint", "rt"];
const CAUSE_SERVER = ["cause", ...SERVER];
const CAUSE_DST = ["cause", ...DST];

/** Metrics of name resolution. */
export const RESOLVER_METRICS = {
  successes: counter(
    "l5d_resolver_success_total",
    RESOLVER,
    "Answers of the name source that were `bound`.",
    {
      was: "l5d:resolver:success_count",
    },
  ),
  failures: counter(
    "l5d_resolver_failure_total",
    RESOLVER,
    "Any other outcome of asking the name source.",
    {
      was: "l5d:resolver:failure_count",
    },
  ),
  latency: histogram(
    "l5d_resolver_request_latency_ms",
    RESOLVER,
    "Time from a request to the name source to its answer (for a stream: to its first value), good or bad, in milliseconds.",
    MILLIS,
    { was: "l5d:resolver:request_latency_ms" },
  ),
  age: gauge(
    "l5d_resolver_resolution_age_seconds",
    DST,
    "Time since the name source last confirmed the endpoints of a destination; -1 before the first answer.",
  ),
  endpoints: gauge("l5d_resolver_endpoints", DST, "Endpoints of a destination as last resolved."),
  kept: counter(
    "l5d_resolver_kept_total",
    [...DST, "reason"],
    "Answers that were not obeyed because the last good endpoints were kept: neg, failed or empty.",
  ),
  skipped: counter(
    "l5d_resolver_skipped_addresses_total",
    RESOLVER,
    "Addresses in answers that were not usable.",
  ),
} as const;

/** Metrics of namers. */
export const NAMER_METRICS = {
  latency: histogram(
    "l5d_namer_request_latency_ms",
    NAMER,
    "Time from a request to the source of names to its answer, good or bad, in milliseconds.",
    MILLIS,
  ),
  skipped: counter(
    "l5d_namer_skipped_addresses_total",
    NAMER,
    "Addresses and lines of the source that were not usable.",
  ),
  kept: counter(
    "l5d_namer_kept_total",
    NAMER,
    "Failures of the source that were not obeyed because the last good answer of a name was kept.",
  ),
  emptied: counter(
    "l5d_namer_emptied_total",
    NAMER,
    "Times that a name with endpoints lost all of them: gone from the source, or empty there.",
  ),
  names: gauge("l5d_namer_names", NAMER, "Names that are followed now."),
  silent: gauge(
    "l5d_namer_silent_names",
    NAMER,
    "Names of which the source has said nothing for longer than it should.",
  ),
  age: gauge(
    "l5d_namer_oldest_confirmation_age_seconds",
    NAMER,
    "Time since the source confirmed the followed name that it confirmed longest ago; -1 before the first answer.",
  ),
} as const;

/** Metrics of routers. */
export const ROUTER_METRICS = {
  creates: counter("l5d_route_create_total", ROUTER, "Balancers made.", {
    was: "l5d:route_create",
  }),
  found: counter("l5d_route_found_total", ROUTER, "Connections that found their balancer.", {
    was: "l5d:route_found",
  }),
  errors: counter(
    "l5d_route_error_total",
    ROUTER,
    "Connections for which no balancer could be had.",
    {
      was: "l5d:route_error",
    },
  ),
  time: histogram(
    "l5d_route_time_us",
    ROUTER,
    "Time to find the balancer, in microseconds.",
    SHORT_MICROS,
    {
      was: "l5d:route_time_us",
    },
  ),
} as const;

/** Metrics of servers. */
export const SERVER_METRICS = {
  accepts: counter(
    "l5d_srv_accepts_total",
    SERVER,
    "Connections accepted, before any TLS handshake.",
    {
      was: "l5d:srv:accepts",
    },
  ),
  closes: counter("l5d_srv_closes_total", SERVER, "Connections that ended in good order.", {
    was: "l5d:srv:closes",
  }),
  failures: counter(
    "l5d_srv_failures_total",
    SERVER,
    "Connections that failed, before or after an endpoint was in hand. accepts = closes + failures + active.",
    { was: "l5d:srv:failures" },
  ),
  active: gauge("l5d_srv_active", SERVER, "Connections open now.", { was: "l5d:srv:active" }),
  waiters: gauge("l5d_srv_waiters", SERVER, "Connections that have no endpoint yet.", {
    was: "l5d:srv:waiters",
  }),
  connectFailures: counter(
    "l5d_srv_connect_failure_total",
    CAUSE_SERVER,
    "Connections that ended without an endpoint, by cause.",
    { was: "l5d:srv:connect:failure" },
  ),
  connectLatency: histogram(
    "l5d_srv_connect_latency_us",
    SERVER,
    "Time from accept to an endpoint in hand or to giving up, in microseconds.",
    MICROS,
    { was: "l5d:srv:connect:latency_us" },
  ),
  streamFailures: counter(
    "l5d_srv_stream_failure_total",
    CAUSE_SERVER,
    "Connections that failed while bytes were copied, by cause.",
    { was: "l5d:srv:stream:failure" },
  ),
  rxBytes: counter("l5d_srv_stream_rx_bytes_total", SERVER, "Bytes read from clients.", {
    was: "l5d:srv:stream:rx_bytes",
  }),
  txBytes: counter("l5d_srv_stream_tx_bytes_total", SERVER, "Bytes written to clients.", {
    was: "l5d:srv:stream:tx_bytes",
  }),
  connectionRxBytes: histogram(
    "l5d_srv_stream_connection_rx_bytes",
    SERVER,
    "Bytes read from a client, once a closed connection.",
    BYTES,
    { was: "l5d:srv:stream:connection_rx_bytes" },
  ),
  connectionTxBytes: histogram(
    "l5d_srv_stream_connection_tx_bytes",
    SERVER,
    "Bytes written to a client, once a closed connection.",
    BYTES,
    { was: "l5d:srv:stream:connection_tx_bytes" },
  ),
  duration: histogram(
    "l5d_srv_stream_duration_ms",
    SERVER,
    "Time that bytes were copied, once a closed connection, in milliseconds.",
    MILLIS,
    { was: "l5d:srv:stream:duration_ms" },
  ),
  handshake: histogram(
    "l5d_srv_tls_handshake_us",
    SERVER,
    "Time of TLS handshakes with clients, good or bad, in microseconds. Servers with TLS only.",
    MICROS,
    { was: "l5d:srv:tls:handshake_us" },
  ),
  handshakeFailures: counter(
    "l5d_srv_tls_handshake_failure_total",
    SERVER,
    "TLS handshakes with clients that failed or took too long.",
  ),
  proxyHeaders: counter(
    "l5d_srv_proxy_header_total",
    ["command", ...SERVER],
    "Connections that came with a PROXY header, by its command: proxy, or local for those of the sender's own. Servers with proxyProtocol only.",
  ),
  closeReasons: counter(
    "l5d_srv_close_reason_total",
    ["reason", ...SERVER],
    "Connections ended, by reason.",
  ),
  paused: gauge(
    "l5d_srv_accept_paused",
    SERVER,
    "Workers that accept nothing now: a limit is reached.",
  ),
} as const;

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
    "Workers in which every endpoint is ejected, so that all of them are tried.",
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

/** Metrics of the process and its threads. */
export const PROCESS_METRICS = {
  buildInfo: gauge("l5d_build_info", ["bun", "version"], "Always 1; the labels say what runs."),
  workers: gauge("l5d_workers", [], "Data-plane threads that run now."),
  workerRestarts: counter(
    "l5d_worker_restarts_total",
    [],
    "Data-plane threads replaced after they died.",
  ),
  loopLag: gauge(
    "l5d_worker_loop_lag_ms",
    ["worker"],
    "How late a worker's last timer was, in milliseconds.",
  ),
  cpu: counter("process_cpu_seconds_total", [], "User and system CPU time, in seconds."),
  resident: gauge("process_resident_memory_bytes", [], "Resident memory, in bytes."),
  privateMemory: gauge(
    "l5d_process_private_memory_bytes",
    [],
    "Private memory (RssAnon), in bytes.",
  ),
  openFds: gauge("process_open_fds", [], "Open file descriptors."),
  maxFds: gauge("process_max_fds", [], "Most file descriptors that may be open."),
  startTime: gauge(
    "process_start_time_seconds",
    [],
    "When the process started, in seconds since 1970.",
  ),
} as const;

/** Metrics of the embedded namerd. */
export const NAMERD_METRICS = {
  requests: counter(
    "l5d_namerd_requests_total",
    ["endpoint", "status"],
    "Answers of namerd's HTTP API, watches included, by endpoint and HTTP status.",
  ),
  watchers: gauge("l5d_namerd_watchers", ["endpoint"], "Watches that clients have open."),
  connections: gauge("l5d_namerd_connections", [], "Connections to namerd's HTTP API."),
  refusedConnections: counter(
    "l5d_namerd_refused_connections_total",
    [],
    "Connections that were turned away because too many were open.",
  ),
  namespaces: gauge("l5d_namerd_namespaces", [], "Namespaces in the store."),
  writes: counter(
    "l5d_namerd_store_writes_total",
    ["result"],
    "Writes to the store by result: done, exists, missing, version-mismatch, invalid-namespace, failed.",
  ),
} as const;

/** All definitions, in the order of the metrics page. */
export const CATALOGUE: readonly MetricDefinition[] = [
  RESOLVER_METRICS,
  NAMER_METRICS,
  ROUTER_METRICS,
  SERVER_METRICS,
  BALANCER_METRICS,
  ENDPOINT_METRICS,
  NAMERD_METRICS,
  PROCESS_METRICS,
].flatMap((group): MetricDefinition[] => Object.values(group));
