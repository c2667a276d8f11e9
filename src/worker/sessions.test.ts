import { describe, expect, test } from "bun:test";
import type { FakeSocket } from "../../test/support/fake-sockets.ts";
import { fakeWorld } from "../../test/support/fake-world.ts";
import { seededRng } from "../lib/rng.ts";
import { Registry } from "../telemetry/registry.ts";
import type { ToControl } from "../wire/messages.ts";
import type { SessionRow, SessionSelector, SessionSort } from "../wire/session-messages.ts";
import { Sessions } from "./sessions.ts";

const SERVER = 3;
const DESTINATION = 9;

/** Worker 2 with one server and one endpoint, whose id is 1. */
function setup() {
  const world = fakeWorld({ destination: DESTINATION });
  const sent: ToControl[] = [];
  const all = new Map([[SERVER, { server: world.server }]]);
  const sessions = new Sessions(
    {
      start: { worker: 2 },
      clock: world.clock,
      rng: seededRng(1),
      registry: new Registry(() => {}),
      send: (message) => sent.push(message),
    },
    { all },
  );
  /** A client with an endpoint that has sent `bytes`. */
  const connect = (ip: string, bytes = 0): FakeSocket => {
    const client = world.accept(ip);
    world.connector.last.succeed();
    if (bytes > 0) client.receive("x".repeat(bytes));
    return client;
  };
  const list = (selector: SessionSelector, sort: SessionSort = "age", limit = 100) => {
    sessions.list({ type: "list-sessions", query: 1, selector, limit, sort });
    const answer = sent.at(-1);
    if (answer?.type !== "sessions") throw new Error("that is no list");
    return answer;
  };
  const clientsOf = (rows: readonly SessionRow[]) => rows.map(({ client }) => client);
  return { world, sent, sessions, connect, list, clientsOf };
}

describe("Sessions, listing them", () => {
  test("tells what there is to tell of a session", () => {
    const { world, connect, list } = setup();
    connect("10.0.0.1", 7);
    world.clock.advance(2_000);
    const { total, rows } = list({});
    expect(total).toBe(1);
    expect(rows).toEqual([
      {
        id: "2.1",
        server: SERVER,
        destination: 0,
        client: "10.0.0.1:1234",
        via: undefined,
        endpoint: "127.0.0.1:1001",
        state: "streaming",
        ageMs: 2_000,
        idleMs: 0,
        rxBytes: 7,
        txBytes: 0,
        tls: undefined,
        endpointTls: undefined,
      },
    ]);
    world.clock.advance(5_000);
    expect(list({}).rows).toMatchObject([{ id: "2.1", ageMs: 7_000, idleMs: 5_000 }]);
  });

  test("tells of a session without an endpoint by the destination of its server", () => {
    const { world, list } = setup();
    world.accept("10.0.0.1");
    expect(list({ destinations: [DESTINATION] }).rows).toMatchObject([
      { destination: DESTINATION, endpoint: undefined, state: "connecting" },
    ]);
  });

  test("finds by everything that is given", () => {
    const { world, connect, list, clientsOf } = setup();
    connect("10.0.0.1", 100);
    world.clock.advance(10_000);
    const second = connect("10.1.0.2", 10);
    list({});
    world.clock.advance(5_000);
    second.receive("x");
    const found = (selector: SessionSelector) => clientsOf(list(selector).rows);
    const [first, both, none] = [["10.0.0.1:1234"], ["10.0.0.1:1234", "10.1.0.2:1234"], []];
    expect(found({})).toEqual(both);
    expect(found({ source: "10.0.0.0/16" })).toEqual(first);
    expect(found({ source: "10.0.0.0/8" })).toEqual(both);
    expect(found({ source: "nonsense" })).toEqual(none);
    expect(found({ minBytes: 12 })).toEqual(first);
    expect(found({ maxBytes: 20 })).toEqual(["10.1.0.2:1234"]);
    expect(found({ minAgeMs: 6_000 })).toEqual(first);
    expect(found({ minIdleMs: 5_000 })).toEqual(first);
    expect(found({ servers: [SERVER] })).toEqual(both);
    expect(found({ servers: [4] })).toEqual(none);
    expect(found({ endpoints: [1] })).toEqual(both);
    expect(found({ endpoints: [2], source: "10.0.0.0/8" })).toEqual(none);
    expect(found({ destinations: [DESTINATION] })).toEqual(none);
    expect(found({ sessions: ["2.1", "1.2", "2.x"] })).toEqual(first);
    expect(found({ servers: [] })).toEqual(none);
  });

  test("puts those first that were asked for first, and no more than were asked for", () => {
    const { world, connect, list, clientsOf } = setup();
    connect("10.0.0.1", 5);
    world.clock.advance(1_000);
    connect("10.0.0.2", 500);
    world.clock.advance(1_000);
    connect("10.0.0.3", 50);
    const two = (sort: SessionSort) => clientsOf(list({}, sort, 2).rows);
    expect(two("age")).toEqual(["10.0.0.1:1234", "10.0.0.2:1234"]);
    expect(two("bytes")).toEqual(["10.0.0.2:1234", "10.0.0.3:1234"]);
    expect(list({}, "age", 2).total).toBe(3);
  });
});

describe("Sessions, ending them", () => {
  test("ends those that fit, tells how far it is, and leaves those alone that come later", () => {
    const { world, sent, sessions, connect } = setup();
    const [first, other] = [connect("10.0.0.1"), connect("10.1.0.1")];
    sessions.end({
      type: "end-sessions",
      order: 5,
      selector: { source: "10.0.0.0/16" },
      how: { kind: "drain", windowMs: 3_000, maxPerSecond: 100, deadlineMs: 60_000 },
      reason: "drained",
    });
    expect(sent).toEqual([{ type: "ending", order: 5, total: 1, left: 1, isOver: false }]);
    const later = connect("10.0.0.2");
    world.clock.advance(4_000);
    expect([first.finished, other.finished, later.finished]).toEqual([true, false, false]);
    world.clock.advance(60_000);
    expect(sent.at(-1)).toEqual({ type: "ending", order: 5, total: 1, left: 0, isOver: true });
    expect([first.state, other.state, later.state]).toEqual(["reset", "open", "open"]);
  });

  test("cuts at once, with the reason that was given", () => {
    const { world, sent, sessions, connect } = setup();
    const clients = [connect("10.0.0.1"), connect("10.0.0.2")];
    const ids = ["2.2"];
    sessions.list({ type: "list-sessions", query: 1, selector: {}, limit: 9, sort: "age" });
    const selector = { sessions: ids };
    const how = { kind: "cut" } as const;
    sessions.end({ type: "end-sessions", order: 1, selector, how, reason: "killed" });
    expect(clients.map(({ state }) => state)).toEqual(["open", "reset"]);
    expect(sent.at(-1)).toEqual({ type: "ending", order: 1, total: 1, left: 0, isOver: true });
    expect(world.metric("l5d_srv_close_reason_total", "killed")).toBe(1);
  });

  test.each(["2.", "2.0", "2. ", "2.-0", "2.0x0", "2.1e0", "2.01", "2.NaN"])(
    "takes the id %p for nobody's, least of all for that of all who have none yet",
    (id) => {
      const { sent, sessions, connect, list } = setup();
      connect("10.0.0.1");
      expect(list({ sessions: [id] }).total).toBe(0);
      connect("10.0.0.2");
      list({ source: "10.0.0.1" });
      const how = { kind: "cut" } as const;
      const selector = { sessions: [id] };
      sessions.end({ type: "end-sessions", order: 1, selector, how, reason: "killed" });
      expect(sent.at(-1)).toMatchObject({ order: 1, total: 0, isOver: true });
    },
  );

  test("stops for the endpoints that are named, or for all", () => {
    const { world, sent, sessions, connect } = setup();
    const client = connect("10.0.0.1");
    client.receive("busy");
    const how = { kind: "drain", windowMs: 3_000, maxPerSecond: 100, deadlineMs: 60_000 } as const;
    sessions.end({ type: "end-sessions", order: 1, selector: {}, how, reason: "drained" });
    sessions.stopEnding({ type: "stop-ending", order: 1, endpoints: [2] });
    world.clock.advance(1_000);
    expect(sent.at(-1)).toMatchObject({ left: 1 });
    sessions.stopEnding({ type: "stop-ending", order: 1, endpoints: [1] });
    world.clock.advance(10_000);
    expect([client.finished, sent.at(-1)]).toMatchObject([false, { left: 0, isOver: true }]);
  });

  test("says at once that there was nothing to end", () => {
    const { sent, sessions } = setup();
    const how = { kind: "cut" } as const;
    sessions.end({ type: "end-sessions", order: 8, selector: {}, how, reason: "killed" });
    expect(sent).toEqual([{ type: "ending", order: 8, total: 0, left: 0, isOver: true }]);
  });
});
