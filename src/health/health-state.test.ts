import { describe, expect, test } from "bun:test";
import { type CheckResult, type FailureCause, HealthState } from "./health-state.ts";

const passed: CheckResult = { passed: true };
const failed = (cause: FailureCause = "refused"): CheckResult => ({
  passed: false,
  cause,
  reason: `because of ${cause}`,
});

/** The verdicts after each result. */
function verdicts(limits: { rise: number; fall: number }, results: readonly CheckResult[]) {
  const state = new HealthState(limits, 0);
  return results.map((result, index) => {
    state.take(result, index);
    return state.verdict;
  });
}

describe("HealthState", () => {
  test("is unknown until a check has passed once or failed `fall` times", () => {
    const limits = { rise: 5, fall: 3 };
    expect(verdicts(limits, [passed])).toEqual(["healthy"]);
    expect(verdicts(limits, [failed(), failed(), passed])).toEqual([
      "unknown",
      "unknown",
      "healthy",
    ]);
    expect(verdicts(limits, [failed(), failed(), failed()]).at(-1)).toBe("unhealthy");
  });

  test("needs `fall` failures and `rise` passes in a row", () => {
    const results = [passed, failed(), failed(), passed, failed(), failed(), failed()];
    expect(verdicts({ rise: 2, fall: 3 }, results)).toEqual([
      ...Array(6).fill("healthy"),
      "unhealthy",
    ]);
    const back = [failed(), passed, failed(), passed, passed];
    expect(verdicts({ rise: 2, fall: 1 }, back)).toEqual([
      ...Array(4).fill("unhealthy"),
      "healthy",
    ]);
  });

  test("believes at once an endpoint that says it has another role", () => {
    expect(verdicts({ rise: 2, fall: 3 }, [passed, failed("role")])).toEqual([
      "healthy",
      "unhealthy",
    ]);
  });

  test("does not mind what says nothing of the endpoint", () => {
    const results = [passed, failed(), failed("skipped"), failed("skipped"), failed()];
    expect(verdicts({ rise: 1, fall: 2 }, results)).toEqual([
      ...Array(4).fill("healthy"),
      "unhealthy",
    ]);
  });

  test("leaves an endpoint as it was that has no place for the check, and says why", () => {
    const state = new HealthState({ rise: 1, fall: 2 }, 0);
    const results = [passed, failed(), failed("busy"), failed("busy"), failed("busy")];
    for (const result of results) state.take(result, 0);
    expect([state.verdict, state.reason]).toEqual(["healthy", "because of busy"]);
  });

  test("tells changes, since when, and why", () => {
    const state = new HealthState({ rise: 1, fall: 2 }, 5);
    expect([state.sinceMs, state.take(passed, 10), state.sinceMs]).toEqual([5, true, 10]);
    expect([state.take(passed, 20), state.take(failed(), 30), state.sinceMs]).toEqual([
      false,
      false,
      10,
    ]);
    expect(state.reason).toBe("because of refused");
    expect([state.take(failed("timeout"), 40), state.sinceMs]).toEqual([true, 40]);
    expect(state.reason).toBe("because of timeout");
    state.take(passed, 50);
    expect(state.reason).toBeUndefined();
  });
});
