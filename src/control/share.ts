// Limits of the whole process, divided among workers so that their sum is exact.

/** The share of worker `index` (from 0) of `workers` in `total`; Infinity stays whole. */
export function shareOf(total: number, index: number, workers: number): number {
  if (!Number.isFinite(total)) return total;
  return Math.floor(total / workers) + (index < total % workers ? 1 : 0);
}
