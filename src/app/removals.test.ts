import { describe, expect, test } from "bun:test";
import { configFrom } from "../../test/support/config-text.ts";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { Sessions } from "../control/sessions.ts";
import { silentLogger } from "../telemetry/log.ts";
import type { ToWorker } from "../wire/messages.ts";
import { linesOf, viewOf } from "./reload/describe.ts";
import { planOf, serversOf } from "./reload/plan.ts";
import { Removals } from "./removals.ts";
import type { BoundServer } from "./servers.ts";

/** Two destinations, each with a server; of the router `label`. */
function fileOf(
  options: { drain?: object; servers?: readonly object[]; label?: string; top?: object } = {},
) {
  const { drain, label = "r", top = {} } = options;
  const { servers = [WEB, API] } = options;
  const client = { kind: "io.l5d.global", ...(drain && { drain }) };
  const routers = [{ label, dtab: "/svc => /$/inet", servers, client }];
  return configFrom(
    JSON.stringify({ admin: { port: 0, graceSecs: 20, drainWindowSecs: 4 }, routers, ...top }),
  );
}

const WEB = { port: 80, dstName: "/svc/web" };
const API = { port: 81, dstName: "/svc/api" };

/** One worker, which answers each order with `total` sessions. */
function setup(total = 5) {
  const sent: ToWorker[] = [];
  const broadcast = (message: ToWorker): readonly number[] => {
    sent.push(message);
    return [0];
  };
  const sessions = new Sessions({
    workers: 1,
    broadcast,
    clock: new FakeClock(),
    log: silentLogger,
  });
  const removals = new Removals(sessions);
  const bound = new Map<string, BoundServer>();
  const ids = new Map<string, number>();
  let nextId = 0;
  const add = (server: Omit<BoundServer, "id" | "socket">): BoundServer => {
    const { ip, port } = server.config;
    const made = { ...server, id: nextId++, socket: { fd: 1, ip, port, close() {} } };
    bound.set(server.key, made);
    return made;
  };
  /** Carries out what lies between two files, as far as this is about it. */
  const change = (
    before: ReturnType<typeof fileOf>,
    after: ReturnType<typeof fileOf>,
  ): readonly ToWorker[] => {
    const plan = planOf(before, after);
    const leaving = removals.leaving(plan, {
      server: (key) => bound.get(key),
      destination: (router, path) => ids.get(`${router} ${path}`),
      destinations: () => [...ids.values()],
    });
    const added = plan.servers.flatMap((one) => (one.change === "added" ? [add(one.after)] : []));
    const back = plan.destinations.flatMap((one) => {
      if (one.change !== "added") return [];
      return ids.get(`${one.after.router} ${one.after.path}`) ?? [];
    });
    sent.length = 0;
    removals.begin(leaving, added, back);
    const told = [...sent];
    for (const message of told) {
      if (message.type !== "end-sessions") continue;
      const { order } = message;
      sessions.apply(0, { type: "ending", order, total, left: total, isOver: false });
    }
    return told;
  };
  const begin = (config: ReturnType<typeof fileOf>): void => {
    for (const server of serversOf(config).values()) add(server);
    ids.set("r /svc/web", 10).set("r /svc/api", 11);
  };
  const over = (order: number): void =>
    sessions.apply(0, { type: "ending", order, total, left: 0, isOver: true });
  return { change, begin, over, sessions };
}

/** Those of the plan that are about what goes. */
function saidOf(before: ReturnType<typeof fileOf>, after: ReturnType<typeof fileOf>) {
  const live = { server: () => ({ address: "ADDRESS", active: 0 }), destination: () => 0 };
  return linesOf(viewOf(planOf(before, after), live)).filter((line) => line.includes("removed:"));
}

describe("Connections of a server that is removed", () => {
  test("end as in a shutdown, where nothing else is said", () => {
    const { change, begin } = setup();
    const before = fileOf();
    const after = fileOf({ servers: [WEB] });
    begin(before);
    expect(change(before, after)).toMatchObject([
      {
        type: "end-sessions",
        selector: { servers: [1] },
        how: { kind: "drain", delayMs: 16_000, windowMs: 3_200, deadlineMs: 20_000 },
        reason: "drained",
      },
    ]);
    expect(saidOf(before, after)).toEqual([
      "server r ADDRESS removed: accepts no more; connections end one by one over 3.2 s after 16 s; what is left 20 s from now is reset",
      "destination r /svc/api removed: is followed no more; connections go on, unless their server is removed",
    ]);
  });

  test("end by the settings that the same reload brings", () => {
    const { change, begin } = setup();
    const before = fileOf();
    begin(before);
    const top = { admin: { port: 0, graceSecs: 60, drainWindowSecs: 0 } };
    expect(change(before, fileOf({ servers: [WEB], top }))).toMatchObject([
      { how: { delayMs: 60_000, windowMs: 0, deadlineMs: 60_000 } },
    ]);
  });

  test.each([
    ["keep", [], "connections go on until they end"],
    ["cut", [{ how: { kind: "cut" }, reason: "endpoint_removed" }], "connections are reset"],
    [
      "drain",
      [{ how: { kind: "drain", windowMs: 7_000, deadlineMs: 9_000 }, reason: "drained" }],
      "connections end one by one over 7 s; what is left 9 s from now is reset",
    ],
  ] as const)("do as the destination's onRemoval: %s says", (onRemoval, orders, said) => {
    const { change, begin } = setup();
    const drain = { onRemoval, windowSecs: 7, deadlineSecs: 9 };
    const before = fileOf({ drain });
    const after = fileOf({ drain, servers: [WEB] });
    begin(before);
    // By the destination, and of the server what went elsewhere before: nobody is ended twice.
    const both = [
      ...orders.map((order) => ({ ...order, selector: { servers: [1], destinations: [10] } })),
      ...orders.map((order) => ({ ...order, selector: { destinations: [11] } })),
    ];
    expect(change(before, after)).toMatchObject(both);
    expect(saidOf(before, after)).toEqual([
      `server r ADDRESS removed: accepts no more; ${said}`,
      `destination r /svc/api removed: is followed no more; ${said}`,
    ]);
  });

  test("stay where another server takes the address, and go with that one", () => {
    const { change, begin } = setup();
    const first = fileOf({ servers: [WEB] });
    const renamed = fileOf({ servers: [WEB], label: "other" });
    begin(first);
    expect(change(first, renamed)).toEqual([]);
    expect(saidOf(first, renamed)[0]).toBe(
      "server r ADDRESS removed: another server takes the address; connections go on until they end",
    );
    expect(change(renamed, fileOf({ servers: [API] }))).toMatchObject([
      { selector: { servers: [0, 1] } },
    ]);
  });

  test("are left alone as far as possible when the address is back, and not forgotten", async () => {
    const { change, begin, over, sessions } = setup();
    const both = fileOf();
    const one = fileOf({ servers: [WEB] });
    begin(both);
    change(both, one);
    const [ending] = sessions.endings;
    expect(change(one, both)).toMatchObject([{ type: "stop-ending", order: ending?.order }]);
    over(ending?.order ?? 0);
    await ending?.done;
    expect(change(both, one)).toMatchObject([{ selector: { servers: [1, 2] } }]);
    over(sessions.endings[0]?.order ?? 0);
    await Promise.resolve();
    await Promise.resolve();
    change(one, both);
    expect(change(both, one)).toMatchObject([{ selector: { servers: [3] } }]);
  });
});

test("What the same reload says of a path counts, also where no server leads to it any more", () => {
  const { change, begin } = setup();
  const before = fileOf();
  begin(before);
  const after = fileOf({ servers: [WEB], drain: { onRemoval: "keep" } });
  expect(change(before, after)).toEqual([]);
});

describe("Connections of a destination that is removed while its server stays", () => {
  const elsewhere = [WEB, { ...API, dstName: "/svc/web" }];

  test("stay, unless onRemoval says otherwise", () => {
    const { change, begin } = setup();
    begin(fileOf());
    expect(change(fileOf(), fileOf({ servers: elsewhere }))).toEqual([]);
    const drain = { onRemoval: "cut" };
    expect(change(fileOf({ drain }), fileOf({ drain, servers: elsewhere }))).toMatchObject([
      { selector: { destinations: [11] }, how: { kind: "cut" } },
    ]);
  });

  test("are left alone when it is back", () => {
    const { change, begin } = setup();
    const drain = { onRemoval: "drain" };
    const [before, after] = [fileOf({ drain }), fileOf({ drain, servers: elsewhere })];
    begin(before);
    expect(change(before, after)).toMatchObject([{ order: 1 }]);
    expect(change(after, before)).toMatchObject([{ type: "stop-ending", order: 1 }]);
    expect(change(after, before)).toEqual([]);
  });
});
