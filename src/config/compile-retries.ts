// From the keys `retries` and `hostConnectionPool` of a client to settings.
import { DEFAULTS, seconds } from "./defaults.ts";
import type { RetryBudgetConfig } from "./types.ts";

/** `retries.budget` as it stands in a file. */
interface FileRetryBudget {
  readonly minRetriesPerSec?: number | undefined;
  readonly percentCanRetry?: number | undefined;
  readonly ttlSecs?: number | undefined;
}

/** The budget with the defaults of what `budget` leaves out. */
export function retryBudgetOf(budget: FileRetryBudget): RetryBudgetConfig {
  const defaults = DEFAULTS.client.retryBudget;
  const { minRetriesPerSec = defaults.minRetriesPerSec } = budget;
  const { percentCanRetry = defaults.percentCanRetry, ttlSecs = defaults.ttlSecs } = budget;
  return { minRetriesPerSec, percentCanRetry, ttlMs: seconds(ttlSecs) };
}
