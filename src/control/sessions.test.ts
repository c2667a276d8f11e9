import { describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { silentLogger } from "../telemetry/log.ts";
import type { ToWorker } from "../wire/messages.ts";
import type { SessionRow } from "../wire/session-messages.ts";
import { Sessions } from "./sessions.ts";

const CUT = { kind: "cut" } as const;

function setup(running: readonly number[] = [0, 1]) {
  const clock = new FakeClock();
  const sent: ToWorker[] = [];
  const logged: string[] = [];
  const sessions = new Sessions({
    workers: 2,
    broadcast: (message) => {
      sent.push(message);
      return running;
    },
    clock,
    log: { ...silentLogger, info: (message) => logged.push(message) },
  });
  const tell = (worker: number, order: number, total: number, left: number): void =>
    sessions.apply(worker, { type: "ending", order, total, left, isOver: left === 0 });
  return { clock, sent, logged, sessions, tell };
}

function row(id: string, rxBytes: number): SessionRow {
  return {
    id,
    server: 0,
    destination: 0,
    client: "127.0.0.1:1",
    via: undefined,
    endpoint: undefined,
    state: "streaming",
    ageMs: 10,
    idleMs: 10,
    rxBytes,
    txBytes: 0,
    tls: undefined,
    endpointTls: undefined,
  };
}

describe("Sessions, ending some", () => {
  test("adds up what workers tell, and is over when the last one is", async () => {
    const { sessions, tell, logged } = setup();
    const ending = sessions.end({ endpoints: [7] }, CUT, "killed", "endpoint 7");
    tell(0, ending.order, 3, 2);
    expect([ending.total, ending.left, logged]).toEqual([3, 2, []]);
    tell(1, ending.order, 4, 4);
    expect([ending.total, ending.left, logged]).toEqual([7, 6, ["ending connections"]]);
    tell(1, ending.order, 4, 0);
    expect([ending.left, ending.isOver, sessions.endings.length]).toEqual([2, false, 1]);
    tell(0, ending.order, 3, 0);
    await ending.done;
    expect([ending.total, ending.left, ending.isOver]).toEqual([7, 0, true]);
    expect(sessions.endings).toEqual([]);
    expect(logged).toEqual(["ending connections", "connections are ended"]);
  });

  test("gives each worker its share of the rate", () => {
    const { sessions, sent } = setup();
    const how = { kind: "drain", windowMs: 1_000, maxPerSecond: 5, deadlineMs: 9_000 } as const;
    sessions.end({}, how, "drained", "all");
    expect(sent).toMatchObject([{ how: { maxPerSecond: 2.5 }, selector: {}, reason: "drained" }]);
  });

  test("takes a worker that dies for one whose sessions have ended", async () => {
    const { sessions, tell } = setup();
    const ending = sessions.end({}, CUT, "killed", "all");
    tell(0, ending.order, 5, 0);
    sessions.workerDied(1);
    await ending.done;
    expect(ending.total).toBe(5);
  });

  test("is over at once when no worker runs", async () => {
    const { sessions } = setup([]);
    const ending = sessions.end({}, CUT, "killed", "all");
    await ending.done;
    expect([ending.isOver, sessions.endings.length]).toEqual([true, 0]);
  });

  test("says nothing in the log of an order that found nothing, and repeats itself every ten seconds", () => {
    const { sessions, tell, logged, clock } = setup([0]);
    const empty = sessions.end({}, CUT, "killed", "none");
    tell(0, empty.order, 0, 0);
    expect(logged).toEqual([]);
    const slow = sessions.end({}, CUT, "killed", "some");
    for (let second = 0; second < 21; second += 1) {
      tell(0, slow.order, 2, 1);
      clock.advance(1_000);
    }
    expect(logged).toEqual(["ending connections", ...Array(2).fill("still ending connections")]);
  });
});

describe("Sessions, listing them", () => {
  test("joins the rows of all workers in the order that was asked for", async () => {
    const { sessions, clock } = setup();
    const listing = sessions.list({}, 2, "bytes");
    sessions.apply(0, {
      type: "sessions",
      query: 1,
      total: 8,
      rows: [row("0.1", 5), row("0.2", 1)],
    });
    sessions.apply(1, { type: "sessions", query: 1, total: 1, rows: [row("1.1", 3)] });
    const { total, rows, missing } = await listing;
    expect([total, rows.map(({ id }) => id), missing]).toEqual([9, ["0.1", "1.1"], 0]);
    expect(clock.pending).toBe(0);
  });

  test("does not wait for a worker that dies, nor for ever for one that is silent", async () => {
    const { sessions, clock } = setup();
    const first = sessions.list({}, 2, "age");
    sessions.apply(0, { type: "sessions", query: 1, total: 1, rows: [row("0.1", 5)] });
    sessions.workerDied(1);
    expect(await first).toMatchObject({ total: 1, missing: 0 });
    const second = sessions.list({}, 2, "age");
    clock.advance(5_000);
    expect(await second).toEqual({ total: 0, rows: [], missing: 2 });
  });
});
