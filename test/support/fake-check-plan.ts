// A plan of checks whose connections a test decides, with a clock that it moves.
import type { CheckPlan } from "../../src/health/check-plan.ts";
import { DeadlineQueue } from "../../src/lib/deadlines.ts";
import type { FakeClock } from "./fake-clock.ts";
import { FakeConnector } from "./fake-sockets.ts";

export interface FakePlan {
  readonly key: string;
  readonly plan: CheckPlan;
  readonly connector: FakeConnector;
}

/** Checks that are good as soon as they connect; `changes` replaces parts. */
export function fakePlan(clock: FakeClock, changes: Partial<CheckPlan> = {}): FakePlan {
  const connector = new FakeConnector();
  const plan: CheckPlan = {
    name: "tcp",
    port: undefined,
    intervalMs: 1_000,
    rise: 2,
    fall: 2,
    connector,
    preamble: undefined,
    newDialogue: undefined,
    startTls: undefined,
    deadlines: new DeadlineQueue(clock, 300),
    ...changes,
  };
  return { key: "a key", plan, connector };
}
