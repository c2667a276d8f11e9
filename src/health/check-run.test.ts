import { describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { fakePlan } from "../../test/support/fake-check-plan.ts";
import { FakeSocket } from "../../test/support/fake-sockets.ts";
import { connectTarget } from "../transport/connector.ts";
import type { CheckPlan } from "./check-plan.ts";
import { CheckRun } from "./check-run.ts";
import type { Dialogue, Turn } from "./dialogue.ts";
import type { CheckResult, FailureCause } from "./health-state.ts";

/** Says hello, and takes the turn that a test wants when it is answered. */
class Hello implements Dialogue {
  heardBytes = 0;
  readonly #answer: Turn;

  constructor(answer: Turn) {
    this.#answer = answer;
  }

  start(): Turn {
    return { next: "wait", send: Buffer.from("hello") };
  }

  onData(bytes: Uint8Array): Turn {
    this.heardBytes += bytes.length;
    return this.#answer;
  }

  soFar(): string {
    return "it said nothing";
  }
}

function setup(answer: Turn, changes: Partial<CheckPlan> = {}) {
  const clock = new FakeClock();
  const { plan, connector } = fakePlan(clock, { newDialogue: () => new Hello(answer), ...changes });
  const results: CheckResult[] = [];
  const run = new CheckRun(plan, connectTarget("10.0.0.1", 80), (result) => results.push(result));
  return { clock, run, connector, results };
}

const failure = (cause: FailureCause, reason: string): CheckResult => ({
  passed: false,
  cause,
  reason,
});

describe("CheckRun", () => {
  test("sends the PROXY header first, and ends in good order with a farewell", () => {
    const farewell = Buffer.from("bye");
    const preamble = Buffer.from("PROXY ");
    const { connector, results, clock } = setup({ next: "passed", farewell }, { preamble });
    const socket = connector.last.succeed();
    expect(connector.last.preamble).toBe(preamble);
    socket.receive("hi");
    expect([socket.written, socket.finished, socket.state]).toEqual([
      "PROXY hellobye",
      true,
      "closed",
    ]);
    expect(results).toEqual([{ passed: true }]);
    clock.advance(10_000);
    expect(results).toHaveLength(1);
  });

  test("tells one result, whatever comes after it", () => {
    const { connector, results } = setup({ next: "failed", cause: "unexpected", reason: "no" });
    const socket = connector.last.succeed();
    socket.receive("hi");
    socket.receive("more");
    socket.data.onEnd();
    socket.receiveReset();
    expect(results).toEqual([failure("unexpected", "no")]);
  });

  test("gives up after its time, with a reset", () => {
    const { clock, connector, results } = setup({ next: "wait" });
    const socket = connector.last.succeed();
    clock.advance(300);
    expect([socket.state, results]).toEqual([
      "reset",
      [failure("timeout", "timeout: it said nothing")],
    ]);
  });

  test("does not listen for ever", () => {
    const { connector, results } = setup({ next: "wait" });
    const socket = connector.last.succeed();
    socket.receive("x".repeat(65_536));
    expect(results).toEqual([]);
    socket.receive("x");
    expect(results).toMatchObject([{ cause: "unexpected" }]);
    expect(socket.state).toBe("closed");
  });

  test("takes an answer at the beginning of more than it listens to", () => {
    const dialogue = new Hello({ next: "passed" });
    const { connector, results } = setup({ next: "wait" }, { newDialogue: () => dialogue });
    const socket = connector.last.succeed();
    socket.receive("x".repeat(200_000));
    expect(results).toEqual([{ passed: true }]);
    expect([dialogue.heardBytes, socket.state]).toEqual([65_536, "closed"]);
  });

  test("tells of a peer that leaves, resets, or takes nothing", () => {
    const left = setup({ next: "wait" });
    left.connector.last.succeed().receiveEnd();
    expect(left.results).toMatchObject([
      failure("closed", "it closed the connection; it said nothing"),
    ]);
    const reset = setup({ next: "wait" });
    reset.connector.last.succeed().receiveReset();
    expect(reset.results).toMatchObject([
      failure("closed", "it reset the connection; it said nothing"),
    ]);
    const full = setup({ next: "wait" });
    const socket = full.connector.last;
    socket.succeed(Object.assign(new FakeSocket(), { room: 3 }));
    expect(full.results).toMatchObject([failure("closed", "it takes no bytes")]);
  });

  test("does not blame the endpoint for a lack of descriptors", () => {
    const { connector, results } = setup({ next: "wait" });
    connector.last.fail("descriptors");
    expect(results).toMatchObject([{ cause: "skipped" }]);
  });

  test("says nothing once it is aborted", () => {
    const { run, clock, connector, results } = setup({ next: "passed" });
    const socket = connector.last.succeed();
    run.abort();
    socket.receive("hi");
    clock.advance(1_000);
    expect([socket.state, results]).toEqual(["reset", []]);
  });
});
