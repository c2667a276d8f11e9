// Metrics of the process, its threads, and the embedded namerd.
import { counter, gauge } from "../define-metric.ts";

/** Metrics of the process and its threads. */
export const PROCESS_METRICS = {
  buildInfo: gauge("l5d_build_info", ["bun", "version"], "Always 1; the labels say what runs."),
  workers: gauge("l5d_workers", [], "Data-plane threads that run now."),
  workerRestarts: counter(
    "l5d_worker_restarts_total",
    [],
    "Data-plane threads replaced after they died.",
  ),
  upgrades: counter(
    "l5d_upgrades_total",
    ["result"],
    "Upgrades by result: done, failed, refused; and taken-over, 1 in a process that was started by one.",
  ),
  overrides: gauge(
    "l5d_overrides",
    [],
    "Words of operators that are in force: weights, and endpoints that are disabled.",
  ),
  loopLag: gauge(
    "l5d_worker_loop_lag_ms",
    ["worker"],
    "How late a worker's last timer was, in milliseconds.",
  ),
  overloaded: gauge(
    "l5d_overloaded",
    ["cause"],
    "Workers that take no new connections because their event loop lags (cause loop_lag), or 1 while the process has too much memory (cause memory). With overload only.",
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
