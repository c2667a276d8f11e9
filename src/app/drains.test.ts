import { describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import type { DrainConfig } from "../config/types.ts";
import type { Destination } from "../control/destination.ts";
import { Sessions } from "../control/sessions.ts";
import { silentLogger } from "../telemetry/log.ts";
import type { ToWorker } from "../wire/messages.ts";
import { Drains } from "./drains.ts";

const WEB = { id: 4, path: "/svc/web" } as Destination;
const DRAIN: DrainConfig = {
  onRemoval: "drain",
  windowMs: 1_000,
  maxPerSecond: 5,
  deadlineMs: 9_000,
};

/** One worker, whose answers a test gives. */
function setup() {
  const clock = new FakeClock();
  const sent: ToWorker[] = [];
  const broadcast = (message: ToWorker): readonly number[] => {
    sent.push(message);
    return [0];
  };
  const sessions = new Sessions({ workers: 1, broadcast, clock, log: silentLogger });
  const drains = new Drains({ sessions, broadcast, clock });
  const tell = (order: number, total: number, left: number): void =>
    sessions.apply(0, { type: "ending", order, total, left, isOver: left === 0 });
  return { clock, sent, sessions, drains, tell };
}

describe("Drains of endpoints that leave their name", () => {
  test("do nothing where connections are kept", () => {
    const { drains, sent, clock } = setup();
    drains.removed(WEB, [1, 2], { ...DRAIN, onRemoval: "keep" });
    clock.advance(60_000);
    expect(sent).toEqual([]);
  });

  test("end the sessions of those that left, as the configuration says", () => {
    const { drains, sent } = setup();
    drains.removed(WEB, [1, 2], DRAIN);
    drains.removed(WEB, [3], { ...DRAIN, onRemoval: "cut" });
    expect(sent).toMatchObject([
      {
        type: "end-sessions",
        selector: { endpoints: [1, 2] },
        how: { kind: "drain", windowMs: 1_000, maxPerSecond: 5, deadlineMs: 9_000 },
        reason: "drained",
      },
      { selector: { endpoints: [3] }, how: { kind: "cut" }, reason: "endpoint_removed" },
    ]);
  });

  test("find those that were connecting then a little later", () => {
    const { drains, sent, clock, tell } = setup();
    drains.removed(WEB, [1], DRAIN);
    tell(1, 0, 0);
    clock.advance(5_000);
    expect(sent).toHaveLength(2);
    expect(sent[1]).toMatchObject({ order: 2, selector: { endpoints: [1] } });
  });

  test("stop for an endpoint that is back, and for no other", async () => {
    const { drains, sent, clock, tell } = setup();
    drains.removed(WEB, [1, 2], DRAIN);
    tell(1, 9, 9);
    drains.returned([1]);
    expect(sent.at(-1)).toEqual({ type: "stop-ending", order: 1, endpoints: [1] });
    clock.advance(5_000);
    expect(sent.at(-1)).toMatchObject({ type: "end-sessions", selector: { endpoints: [2] } });
    drains.returned([1]);
    expect(sent).toHaveLength(3);
    drains.returned([2]);
    expect(sent.slice(3)).toMatchObject([
      { type: "stop-ending", order: 1, endpoints: [2] },
      { type: "stop-ending", order: 2, endpoints: [2] },
    ]);
  });

  test("are forgotten when they are over", async () => {
    const { drains, sent, clock, tell, sessions } = setup();
    drains.removed(WEB, [1], DRAIN);
    const [first] = sessions.endings;
    tell(1, 3, 0);
    clock.advance(5_000);
    const [second] = sessions.endings;
    tell(2, 0, 0);
    await Promise.all([first?.done, second?.done]);
    // What waits for both of them comes after this.
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
    drains.returned([1]);
    expect(sent.filter(({ type }) => type === "stop-ending")).toEqual([]);
  });
});

describe("Drains", () => {
  test("name the sessions of an address in all its branches", () => {
    const { drains, sent } = setup();
    const specs = [
      { id: 5, ip: "10.0.0.1", port: 80 },
      { id: 6, ip: "10.0.0.1", port: 81 },
      { id: 7, ip: "10.0.0.1", port: 80 },
    ];
    const destination = { ...WEB, endpoints: specs.map((spec) => ({ spec })) } as never;
    drains.endpoint(destination, { ip: "10.0.0.1", port: 80 }, { kind: "cut" });
    expect(sent).toMatchObject([{ selector: { endpoints: [5, 7] } }]);
  });

  test("close a server's socket once, on this thread and on workers, before its sessions end", () => {
    const { drains, sent } = setup();
    let closed = 0;
    const socket = { fd: 1, ip: "127.0.0.1", port: 80, close: () => (closed += 1) };
    const ending = drains.server({ id: 3, socket } as never, { kind: "cut" });
    expect([closed, drains.isClosed(3), drains.isClosed(4)]).toEqual([1, true, false]);
    expect(sent).toMatchObject([
      { type: "close-server", server: 3 },
      { type: "end-sessions", selector: { servers: [3] } },
    ]);
    expect(ending.what).toBe("server 127.0.0.1:80");
  });

  test("of the process leave its last sessions some time to take what is theirs", () => {
    const { drains, sent } = setup();
    const admin = { ip: "127.0.0.1", port: 0, graceMs: 10_000, drainWindowMs: 5_000 };
    drains.process(admin);
    drains.process({ ...admin, drainWindowMs: 1_000 });
    expect(sent).toMatchObject([{ how: { windowMs: 4_000 } }, { how: { windowMs: 800 } }]);
  });

  test("are told while they have something to end", () => {
    const { drains, clock, tell } = setup();
    drains.removed(WEB, [1], DRAIN);
    expect(drains.status()).toEqual([]);
    tell(1, 10, 8);
    clock.advance(2_000);
    expect(drains.status()).toEqual([
      {
        what: "1 removed endpoint of /svc/web",
        reason: "drained",
        ageSeconds: 2,
        total: 10,
        left: 8,
        deadlineSeconds: 7,
      },
    ]);
    tell(1, 10, 0);
    expect(drains.status()).toEqual([]);
  });
});

describe("Drains of unhealthy endpoints", () => {
  test("cut their sessions and whatever has no session yet, or drain as the destination says", () => {
    const { drains, sent } = setup();
    drains.demoted(WEB, [1, 2], "cut", DRAIN);
    expect(sent).toMatchObject([
      { type: "cut-connections", destination: 4, endpoints: [1, 2] },
      { type: "end-sessions", selector: { endpoints: [1, 2] }, reason: "endpoint_unhealthy" },
    ]);
    drains.demoted(WEB, [3], "drain", DRAIN);
    expect(sent.at(-2)).toMatchObject({ type: "cut-connections", endpoints: [3] });
    expect(sent.at(-1)).toMatchObject({
      selector: { endpoints: [3] },
      how: { kind: "drain", windowMs: 1_000 },
      reason: "drained",
    });
  });
});
