// Metrics of active health checks.
import { counter, gauge, histogram, MICROS } from "../define-metric.ts";

const DST = ["dst", "rt"];

/** A check that several destinations share counts for each of them. */
export const HEALTH_METRICS = {
  checks: counter(
    "l5d_health_checks_total",
    ["dst", "result", "rt"],
    "Health checks made, by result.",
  ),
  changes: counter(
    "l5d_health_changes_total",
    ["dst", "rt", "to"],
    "Endpoints that turned healthy or unhealthy.",
  ),
  unhealthy: gauge(
    "l5d_health_unhealthy_endpoints",
    DST,
    "Endpoints that get no connections because of health checks, those not yet checked included.",
  ),
  checked: gauge("l5d_health_checked_endpoints", DST, "Endpoints that are checked."),
  latency: histogram(
    "l5d_health_check_latency_us",
    DST,
    "Time of a health check, good or bad, in microseconds.",
    MICROS,
  ),
  underWay: gauge("l5d_health_checks_under_way", [], "Health checks that are being made."),
  waiting: gauge(
    "l5d_health_checks_waiting",
    [],
    "Health checks that are due and wait because too many are under way.",
  ),
} as const;
