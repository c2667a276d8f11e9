// Metrics of names: their resolution, and the namers.
import { counter, gauge, histogram, MILLIS } from "../define-metric.ts";

const RESOLVER = ["namespace", "rt"];
const NAMER = ["namer"];
const DST = ["dst", "rt"];

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
