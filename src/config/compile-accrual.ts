// From `failFast`, `failureAccrual` and `slowStart` to what runs, and what does not go together in them.
import { isRoleCheck } from "./health-check.ts";
import type {
  AccrualConfig,
  AccrualRule,
  BackoffConfig,
  FailFastRule,
  SlowStartConfig,
} from "./accrual-types.ts";
import { DEFAULTS, seconds } from "./defaults.ts";
import type { ConfigPath, ProblemList } from "./problems.ts";
import type { FileConnector } from "./schema.ts";
import type { FileFailFast, FileFailureAccrual } from "./schema-accrual.ts";
import type { ClientRule, RouterConfig } from "./types.ts";

type Keys = Pick<ClientRule, "failFast" | "accrual" | "slowStart" | "panicThresholdPercent">;

/** The keys about failing endpoints that stand in a rule of the file at `path`, and no others. */
export function accrualKeys(
  { failFast, failureAccrual, slowStart, panicThresholdPercent }: FileConnector,
  path: ConfigPath,
  problems: ProblemList,
): Keys {
  if (failFast !== undefined && failureAccrual !== undefined) {
    const message =
      "failFast and failureAccrual say the same thing in two ways; " +
      "keep failureAccrual, which can say more, or failFast";
    problems.error([...path, "failFast"], message);
  }
  const fast = failFast && failFastRule(failFast);
  return {
    ...(fast !== undefined && Object.keys(fast).length > 0 && { failFast: fast }),
    ...(failureAccrual && {
      accrual: accrualConfig(failureAccrual, [...path, "failureAccrual"], problems),
    }),
    ...(slowStart && { slowStart: slowStartConfig(slowStart) }),
    ...(panicThresholdPercent !== undefined && { panicThresholdPercent }),
  };
}

function failFastRule({ maxConsecutiveFailures, failurePenaltySecs }: FileFailFast): FailFastRule {
  return {
    ...(maxConsecutiveFailures !== undefined && { maxConsecutiveFailures }),
    ...(failurePenaltySecs !== undefined && { failurePenaltyMs: seconds(failurePenaltySecs) }),
  };
}

function accrualConfig(
  accrual: FileFailureAccrual,
  path: ConfigPath,
  problems: ProblemList,
): AccrualConfig {
  const { maxEjectedPercent, dryRun, minMs, maxMs } = DEFAULTS.failureAccrual;
  const usual: BackoffConfig = { kind: "equalJittered", minMs, maxMs };
  if (accrual.kind === "none") {
    return { rule: { kind: "none" }, backoff: usual, maxEjectedPercent, dryRun };
  }
  const { backoff = usual } = accrual;
  if (backoff.kind === "jittered" && backoff.minMs > backoff.maxMs) {
    const message = `expected maxMs, which is ${backoff.maxMs}, or less, found ${backoff.minMs}`;
    problems.error([...path, "backoff", "minMs"], message);
  }
  return {
    // Without a penalty there would be one probe after the other, as fast as they fail.
    rule: backoff.kind === "constant" && backoff.ms === 0 ? { kind: "none" } : ruleOf(accrual),
    backoff,
    maxEjectedPercent: accrual.maxEjectedPercent,
    dryRun: accrual.dryRun,
  };
}

function ruleOf(accrual: Exclude<FileFailureAccrual, { readonly kind: "none" }>): AccrualRule {
  switch (accrual.kind) {
    case "io.l5d.consecutiveFailures":
      return { kind: "consecutiveFailures", failures: accrual.failures };
    case "io.l5d.successRate": {
      const { successRate, requests } = accrual;
      return { kind: "successRate", successRate, requests };
    }
    case "io.l5d.successRateWindowed": {
      const { successRate, window } = accrual;
      return { kind: "successRateWindowed", successRate, windowMs: seconds(window) };
    }
    default:
      return accrual satisfies never;
  }
}

function slowStartConfig({
  windowSecs,
  minPercent,
}: NonNullable<FileConnector["slowStart"]>): SlowStartConfig {
  return { windowMs: seconds(windowSecs), minShare: minPercent / 100 };
}

/** A replica that panic picks would get writes: where checks tell roles there is no panic. */
export function checkPanic(router: RouterConfig, path: ConfigPath, problems: ProblemList): void {
  router.client.forEach(({ panicThresholdPercent = 0, healthCheck }) => {
    if (panicThresholdPercent === 0 || !isRoleCheck(healthCheck)) return;
    const message =
      "panicThresholdPercent has no effect beside a check of roles: an endpoint of another role is never picked";
    problems.warning([...path, "client"], message);
  });
}
