// When failing endpoints are ejected, and how gently endpoints begin: a part of types.ts. Plain data.

/** How long an endpoint stays out after each ejection: see balancer/penalty.ts. */
export type BackoffConfig =
  | { readonly kind: "constant"; readonly ms: number }
  /** Both: 0 < minMs <= maxMs. */
  | { readonly kind: "jittered" | "equalJittered"; readonly minMs: number; readonly maxMs: number };

/** What counts as too many failures: see balancer/accrual-policy.ts. */
export type AccrualRule =
  | { readonly kind: "none" }
  /** 1 or more. */
  | { readonly kind: "consecutiveFailures"; readonly failures: number }
  /** `successRate` from 0 to 1; `requests` 1 or more. */
  | { readonly kind: "successRate"; readonly successRate: number; readonly requests: number }
  | {
      readonly kind: "successRateWindowed";
      readonly successRate: number;
      readonly windowMs: number;
    };

/** When an endpoint is ejected, for how long, and how many may be out. */
export interface AccrualConfig {
  readonly rule: AccrualRule;
  readonly backoff: BackoffConfig;
  /** At most this part of a destination's endpoints, by number, is out at a time; from 0 to 100. */
  readonly maxEjectedPercent: number;
  /** Reports what would be ejected, and ejects nothing. */
  readonly dryRun: boolean;
}

/** `failFast`, as it stands in a rule: keys that are absent leave those of earlier rules. */
export interface FailFastRule {
  readonly maxConsecutiveFailures?: number;
  /** 0 ejects nothing. */
  readonly failurePenaltyMs?: number;
}

/** How endpoints that are new or back take up their share. */
export interface SlowStartConfig {
  /** 0: at once. */
  readonly windowMs: number;
  /** The part of its weight that an endpoint begins with, above 0 and up to 1. */
  readonly minShare: number;
}
