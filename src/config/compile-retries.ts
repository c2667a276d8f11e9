// From the key `retries` of a client to settings, and what must be said of them.
import { DEFAULTS, seconds } from "./defaults.ts";
import type { ConfigPath, ProblemList } from "./problems.ts";
import type { ClientRule, RetryBudgetConfig } from "./types.ts";

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

/** Notes budgets with which nobody can ever retry. */
export function checkRetries(
  { client }: { readonly client: readonly ClientRule[] },
  path: ConfigPath,
  problems: ProblemList,
): void {
  const none = client.some(
    ({ retryBudget }) => retryBudget?.minRetriesPerSec === 0 && retryBudget.percentCanRetry === 0,
  );
  if (!none) return;
  const message =
    "retries.budget allows no retries: a client whose first endpoint fails waits until connectTimeoutMs is over; " +
    "set minRetriesPerSec or percentCanRetry above 0";
  problems.warning([...path, "client"], message);
}
