// Metrics of what accepts connections: servers and routers.
import {
  BYTES,
  counter,
  gauge,
  histogram,
  MICROS,
  MILLIS,
  SHORT_MICROS,
} from "../define-metric.ts";

const ROUTER = ["rt"];
const SERVER = ["rt", "srv_addr"];
const CAUSE_SERVER = ["cause", ...SERVER];

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

/** Metrics of the names that connections bring up. */
export const NAME_METRICS = {
  live: gauge(
    "l5d_rt_names",
    ["rt", "state"],
    "Names that connections have brought up and that are followed now, by state: bound, or unbound where nothing stands behind them (yet). Routers with {sni} or {alpn} in a path only, also the others of l5d_rt_names.",
  ),
  created: counter(
    "l5d_rt_names_created_total",
    ROUTER,
    "Names that connections have brought up and that were followed.",
  ),
  evicted: counter(
    "l5d_rt_names_evicted_total",
    ["reason", "rt"],
    "Such names that are followed no more, by reason: idle (not used for idleTtlSecs), unbound (led nowhere for 10 s), limit (there was no room for another). Reloads do not count.",
  ),
  refused: counter(
    "l5d_rt_names_refused_total",
    ["reason", "rt"],
    "Questions for new names that were refused, by reason: limit (all in use), rate (too many new ones).",
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
  active: gauge("l5d_srv_active", SERVER, "Connections open now.", {
    was: "l5d:srv:active",
    // Those of a worker that dies end with it.
    diesAs: [
      { counter: "l5d_srv_failures_total" },
      { counter: "l5d_srv_close_reason_total", labels: { reason: "internal" } },
    ],
  }),
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
  otherwise: counter(
    "l5d_srv_otherwise_total",
    ["case", ...SERVER],
    "Connections for which a server had no route, by case: not_tls, malformed_hello, no_server_name, no_route, silent. What becomes of them its otherwise says. Servers with routes or passthrough only.",
  ),
  closeReasons: counter(
    "l5d_srv_close_reason_total",
    ["reason", ...SERVER],
    "Connections ended, by reason.",
  ),
  limited: counter(
    "l5d_srv_limited_total",
    ["action", "rule", ...SERVER],
    "Connections that a limit refused (action refused) or, with dryRun, would have refused (action dry_run), by rule. Those refused are part of accepts and of failures.",
  ),
  queue: gauge(
    "l5d_srv_accept_queue",
    SERVER,
    "Connections in the kernel's queue that nobody has accepted yet.",
  ),
  queueLimit: gauge(
    "l5d_srv_accept_queue_limit",
    SERVER,
    "Connections that the kernel's queue takes.",
  ),
  paused: gauge(
    "l5d_srv_accept_paused",
    SERVER,
    "Workers that accept nothing now: a limit is reached.",
  ),
} as const;

/** Metrics of drains. */
export const DRAIN_METRICS = {
  left: gauge(
    "l5d_drain_sessions_left",
    [],
    "Connections that drains, and other orders to end connections, have yet to end.",
  ),
} as const;
