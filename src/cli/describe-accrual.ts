// What `linkerd-tcp check` says of endpoints that fail, in words.
import type { AccrualConfig, BackoffConfig } from "../config/accrual-types.ts";
import type { DestinationConfig } from "../config/types.ts";
import { plural, time } from "./words.ts";

/** Clauses: when endpoints are out, and how they begin. */
export function describeAccrual({
  accrual,
  slowStart,
  panicThresholdPercent,
}: DestinationConfig): readonly string[] {
  return [
    `${accrual.dryRun ? "as a dry run " : ""}${describeRule(accrual)}`,
    ...(slowStart.windowMs === 0 ? [] : [`slow start over ${time(slowStart.windowMs)}`]),
    ...(panicThresholdPercent === 0 ? [] : [`panic below ${panicThresholdPercent} %`]),
  ];
}

function describeRule({ rule, backoff }: AccrualConfig): string {
  const out = `out for ${describeBackoff(backoff)}`;
  switch (rule.kind) {
    case "none":
      return "never out for failures";
    case "consecutiveFailures":
      return `${out} after ${plural(rule.failures, "failure")}`;
    case "successRate":
      return `${out} below ${percent(rule.successRate)} of ${plural(rule.requests, "connection")}`;
    case "successRateWindowed":
      return `${out} below ${percent(rule.successRate)} in ${time(rule.windowMs)}`;
    default:
      return rule satisfies never;
  }
}

function describeBackoff(backoff: BackoffConfig): string {
  if (backoff.kind === "constant") return time(backoff.ms);
  return `${time(backoff.minMs)} to ${time(backoff.maxMs)}`;
}

function percent(rate: number): string {
  return `${Math.round(rate * 1000) / 10} % success`;
}
