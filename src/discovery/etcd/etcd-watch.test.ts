import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { EtcdScene } from "../../../test/support/etcd-scene.ts";
import {
  type EtcdReply,
  type EtcdRequest,
  etcdAnswer,
  etcdKv,
  etcdLine,
  FakeEtcd,
} from "../../../test/support/fake-etcd.ts";
import { until } from "../../../test/support/until.ts";

const RANGE: EtcdReply = { kind: "answer", body: etcdAnswer(7, { kvs: [etcdKv("/a/x", "1", 3)] }) };
const CREATED = etcdLine(7, { created: true });
const put = (key: string, value: string, revision: number): object =>
  etcdLine(revision, { events: [{ kv: etcdKv(key, value, revision) }] });
const stream = (...lines: readonly unknown[]): EtcdReply => ({ kind: "stream", lines });

describe("EtcdWatch", () => {
  let scene: EtcdScene;
  let etcd: FakeEtcd;

  beforeEach(() => {
    scene = new EtcdScene();
    etcd = new FakeEtcd(byPath(RANGE, stream(CREATED)));
  });

  afterEach(async () => {
    expect(scene.stop()).toBe(0);
    await until("no connection", () => etcd.openConnections === 0);
    etcd[Symbol.dispose]();
  });

  function byPath(range: EtcdReply, watch: EtcdReply) {
    return ({ path }: EtcdRequest): EtcdReply => (path === "/v3/kv/range" ? range : watch);
  }

  function watches(count: number): Promise<void> {
    return until(`${count} watches`, () => etcd.to("/v3/watch").length === count);
  }

  function startRevision(index: number): unknown {
    const request = etcd.to("/v3/watch").at(index)?.body["create_request"];
    return typeof request === "object" && request !== null && "start_revision" in request
      ? request.start_revision
      : undefined;
  }

  async function followed(): Promise<void> {
    scene.follow([etcd.baseUrl]);
    await scene.told("/a/x=1 @7");
    await watches(1);
  }

  test("reads the range, and watches from the next revision on", async () => {
    await followed();
    expect(etcd.requests).toEqual([
      { path: "/v3/kv/range", body: { key: btoa("/a/"), range_end: btoa("/a0") } },
      {
        path: "/v3/watch",
        body: {
          create_request: {
            key: btoa("/a/"),
            range_end: btoa("/a0"),
            start_revision: "8",
            progress_notify: true,
            fragment: true,
          },
        },
      },
    ]);
    etcd.push(put("/a/y", "2", 9));
    await scene.told("/a/x=1 /a/y=2 @9");
    const gone = { type: "DELETE", kv: { key: btoa("/a/x"), mod_revision: "11" } };
    etcd.push(etcdLine(11, { events: [{ kv: etcdKv("/a/y", "3", 10) }, gone] }));
    await scene.told("/a/y=3 @11");
    etcd.push(etcdLine(20));
    await scene.told("/a/y=3 @20");
    expect(scene.failures).toEqual([]);
  });

  test("does not mind where the bytes of lines are cut", async () => {
    const lines = [CREATED, put("/a/y", "2", 9), put("/a/z", "3", 10)];
    for (const split of [1, 2, 7, 64]) {
      etcd.reply = byPath(RANGE, { kind: "stream", lines, split });
      const one = new EtcdScene();
      one.follow([etcd.baseUrl]);
      await one.told("/a/x=1 /a/y=2 /a/z=3 @10");
      expect(one.failures).toEqual([]);
      expect(one.stop()).toBe(0);
    }
  });

  test("tells the state again when it is back and nothing has changed", async () => {
    await followed();
    for (let n = 1; n <= 3; n++) {
      etcd.cut("reset");
      await scene.failed(n);
      expect(scene.states.length).toBe(n);
      await scene.passing("it to come back", () => scene.states.length === n + 1);
      await watches(n + 1);
    }
    expect(new Set(scene.states)).toEqual(new Set(["/a/x=1 @7"]));
    expect(etcd.to("/v3/kv/range").length).toBe(1);
  });

  test("goes on after the last revision it has seen when the watch breaks", async () => {
    await followed();
    etcd.push(put("/a/y", "2", 9));
    await scene.told("/a/x=1 /a/y=2 @9");
    etcd.push(etcdLine(15));
    await scene.told("/a/x=1 /a/y=2 @15");
    etcd.cut("reset");
    await scene.failed(1);
    etcd.reply = byPath(RANGE, stream(etcdLine(16, { created: true }), put("/a/y", "3", 16)));
    await scene.passing("it to come back", () => scene.keys === "/a/x=1 /a/y=3");
    expect(startRevision(1)).toBe("16");
    expect(etcd.to("/v3/kv/range").length).toBe(1);
    expect(scene.log.at(-1)).toStartWith("following etcd again");
  });

  test("tells a revision that comes in parts when it is whole, and asks for all of it again", async () => {
    await followed();
    const part = (key: string, fragment: boolean): object =>
      etcdLine(9, { fragment, events: [{ kv: etcdKv(key, "2", 9) }] });
    etcd.push(part("/a/y", true));
    etcd.cut("end");
    await scene.failed(1);
    expect(scene.states).toEqual(["/a/x=1 @7"]);
    etcd.reply = byPath(RANGE, stream(etcdLine(9, { created: true })));
    await scene.passing("it to come back", () => scene.states.length === 2);
    expect(startRevision(1)).toBe("8");
    etcd.push(part("/a/y", true));
    etcd.push(part("/a/z", false));
    await scene.told("/a/x=1 /a/y=2 /a/z=2 @9");
    expect(scene.states.length).toBe(3);
  });

  test("reads anew what etcd no longer has", async () => {
    const compacted = etcdLine(9, { canceled: true, compact_revision: "9" });
    etcd.reply = byPath(RANGE, stream(CREATED, compacted));
    await followed();
    await until("the line", () => scene.log.some((line) => line.includes("oldest=9")));
    const range = { kvs: [etcdKv("/a/y", "2", 12)] };
    etcd.reply = byPath({ kind: "answer", body: etcdAnswer(12, range) }, stream(CREATED));
    await scene.passing("the new range", () => scene.states.at(-1) === "/a/y=2 @12");
    await watches(2);
    expect(startRevision(1)).toBe("13");
    expect(scene.failures).toEqual([]);
  });

  test.each([
    ["went back", etcdLine(6, { created: true })],
    ["is another one", etcdLine(99, { created: true }, "8")],
  ])("reads anew when etcd %s while it was away", async (_, created) => {
    await followed();
    etcd.cut("end");
    await scene.failed(1);
    const range = { kvs: [etcdKv("/a/y", "2", 5)] };
    etcd.reply = ({ path }) =>
      path === "/v3/kv/range"
        ? { kind: "answer", body: etcdAnswer(6, range, "8") }
        : stream(etcd.to(path).length === 2 ? created : etcdLine(6, { created: true }, "8"));
    await scene.passing("the new range", () => scene.states.at(-1) === "/a/y=2 @6");
    await watches(3);
    expect(startRevision(2)).toBe("7");
  });

  test("does not read anew for a member that has only not heard yet of what was read", async () => {
    etcd.reply = byPath(RANGE, stream(etcdLine(5, { created: true })));
    await followed();
    etcd.push(put("/a/y", "2", 8));
    await scene.told("/a/x=1 /a/y=2 @8");
    expect(etcd.requests.length).toBe(2);
  });

  test("reads anew from time to time, over a connection of its own", async () => {
    await followed();
    etcd.push(etcdLine(8));
    await scene.told("/a/x=1 @8");
    const range = { kvs: [etcdKv("/a/x", "2", 9)] };
    etcd.reply = byPath({ kind: "answer", body: etcdAnswer(9, range) }, stream(CREATED));
    const resyncMs = Math.max(...scene.clock.delaysMs);
    expect(resyncMs).toBeWithin(270_000, 330_000);
    scene.clock.advance(resyncMs);
    await scene.told("/a/x=2 @9");
    await watches(2);
    await until("one stream", () => etcd.openConnections === 1);
    expect(scene.failures).toEqual([]);
  });

  test("keeps what it knows, and waits longer after each failure in a row", async () => {
    await followed();
    etcd.reply = () => ({ kind: "status", status: 503 });
    etcd.cut("reset");
    const waits: number[] = [];
    for (let n = 1; n <= 8; n++) {
      await scene.failed(n);
      const { length } = etcd.requests;
      let waitMs = 0;
      await until("the next attempt", () => {
        if (scene.clock.pending === 2) scene.clock.advance(25);
        waitMs += 25;
        return etcd.requests.length > length || scene.failures.length > n;
      });
      waits.push(waitMs);
    }
    expect(waits[0]).toBeWithin(100, 300);
    expect(waits[7]).toBeWithin(5_000, 11_000);
    expect(scene.states).toEqual(["/a/x=1 @7"]);
    expect(scene.failures.at(-1)).toContain("HTTP status 503");
    expect(scene.log.filter((line) => line.startsWith("cannot follow etcd")).length).toBe(1);
  });

  test("waits longer each time when watches break soon, and little after a good one", async () => {
    await followed();
    const breakAndReturn = async (n: number): Promise<number> => {
      etcd.push(etcdLine(10 + n));
      await scene.told(`/a/x=1 @${10 + n}`);
      // That it goes on at 10 + n must not look like an etcd that went back.
      etcd.reply = byPath(RANGE, stream(etcdLine(10 + n, { created: true })));
      etcd.cut("reset");
      await scene.failed(n);
      const waitMs = scene.clock.delaysMs.at(-1) ?? 0;
      scene.clock.advance(waitMs);
      await watches(n + 1);
      return waitMs;
    };
    for (let n = 1; n <= 4; n++) {
      const ceilingMs = 250 * 2 ** (n - 1);
      expect(await breakAndReturn(n)).toBeWithin(ceilingMs / 2, ceilingMs + 1);
    }
    // The head of the watch has come, so that its deadline does not end it.
    etcd.push(etcdLine(15));
    await scene.told("/a/x=1 @15");
    scene.clock.advance(10_000);
    expect(await breakAndReturn(5)).toBeWithin(125, 251);
  });

  test.each<readonly [string, EtcdReply]>([
    ["garbage", stream("<html>\n")],
    ["an error", stream({ error: { message: "no leader" } })],
    ["a canceled watch", stream(etcdLine(7, { canceled: true, cancel_reason: "denied" }))],
    ["events without keys", stream(CREATED, etcdLine(8, { events: [{}] }))],
    ["a status", { kind: "status", status: 503 }],
    ["a reset", { kind: "reset" }],
  ])("comes back after %s", async (_, reply) => {
    etcd.reply = byPath(RANGE, reply);
    await followed();
    await scene.failed(1);
    etcd.reply = byPath(RANGE, stream(etcdLine(9, { created: true }), put("/a/y", "2", 9)));
    await scene.passing("it to come back", () => scene.keys === "/a/x=1 /a/y=2");
  });

  test("does not wait for ever for a watch that does not begin", async () => {
    etcd.reply = byPath(RANGE, { kind: "hang" });
    await followed();
    scene.clock.advance(10_000);
    await scene.failed(1);
    expect(scene.failures[0]).toContain("did not answer within");
  });

  test("watches the next member when one ends the watch", async () => {
    using other = new FakeEtcd(byPath(RANGE, stream(CREATED, put("/a/y", "2", 8))));
    scene.follow([etcd.baseUrl, other.baseUrl]);
    await scene.told("/a/x=1 @7");
    await watches(1);
    etcd.cut("reset");
    await scene.passing("the other member", () => scene.keys === "/a/x=1 /a/y=2");
    expect(other.to("/v3/watch").length).toBe(1);
    scene.stop();
    await until("no connection", () => other.openConnections === 0);
  });

  test("leaves nothing behind when it is stopped, at whatever moment", async () => {
    for (let turns = 0; turns < 12; turns++) {
      const one = new EtcdScene();
      one.follow([etcd.baseUrl]);
      for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
      expect(one.stop()).toBe(0);
      const { length } = one.states;
      etcd.push(put("/a/y", "2", 9));
      await until("no connection", () => etcd.openConnections === 0);
      expect(one.states.length).toBe(length);
    }
  });
});
