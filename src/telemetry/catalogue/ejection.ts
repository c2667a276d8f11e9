// Metrics of endpoints that fail, and of those that begin.
import { counter, gauge } from "../define-metric.ts";

const DST = ["dst", "rt"];
const REASON = ["dst", "reason", "rt"];

/** Metrics of ejection and slow start. */
export const EJECTION_METRICS = {
  ejections: counter(
    "l5d_endpoint_ejections_total",
    REASON,
    "Ejections, by the last failure before them; each worker ejects for itself.",
  ),
  dryRuns: counter(
    "l5d_endpoint_ejections_dry_run_total",
    REASON,
    "Ejections that a dry run has only reported.",
  ),
  readmissions: counter(
    "l5d_endpoint_readmissions_total",
    DST,
    "Ejected endpoints taken in again.",
  ),
  withheld: counter(
    "l5d_endpoint_ejections_withheld_total",
    ["dst", "limit", "rt"],
    "Failures of endpoints that failed too often, and were not ejected: enough are out (share), or no other is left (last).",
  ),
  earlyResets: counter(
    "l5d_balancer_early_resets_total",
    DST,
    "Connections that stood, and that an endpoint reset before it had sent a byte.",
  ),
  ejectedRatio: gauge(
    "l5d_balancer_ejected_ratio",
    DST,
    "Part of the endpoints that at least one worker has ejected, from 0 to 1.",
  ),
  wouldBeEjected: gauge(
    "l5d_balancer_endpoint_would_be_ejected",
    DST,
    "Endpoints that would be ejected, if it were not for the dry run.",
  ),
  endpointsWithheld: gauge(
    "l5d_balancer_endpoint_withheld",
    DST,
    "Endpoints that fail too often and are not ejected, as enough are out or none would be left.",
  ),
  warming: gauge(
    "l5d_balancer_endpoint_warming",
    DST,
    "Endpoints in slow start, summed over the workers.",
  ),
} as const;
