import { afterEach, describe, expect, test } from "bun:test";
import { type EtcdReply, etcdAnswer, etcdKv, FakeEtcd } from "../../../test/support/fake-etcd.ts";
import { FakeClock } from "../../../test/support/fake-clock.ts";
import { until } from "../../../test/support/until.ts";
import { EtcdClient, type EtcdResult, ETCD_TIMEOUT_MS, keysBelow } from "./etcd-client.ts";
import { keyPrefix, printKey } from "./etcd-keys.ts";

const OK: EtcdReply = { kind: "answer", body: etcdAnswer(7, { kvs: [etcdKv("/a/x", "1", 3)] }) };
const DEAD = "http://127.0.0.1:1";
const never = new AbortController().signal;

describe("EtcdClient", () => {
  const fakes: FakeEtcd[] = [];

  afterEach(() => {
    for (const fake of fakes.splice(0)) fake[Symbol.dispose]();
  });

  function member(reply: EtcdReply): FakeEtcd {
    const fake = new FakeEtcd(() => reply);
    fakes.push(fake);
    return fake;
  }

  function clientOf(clock: FakeClock, ...members: readonly (FakeEtcd | string)[]): EtcdClient {
    const baseUrls = members.map((it) => (typeof it === "string" ? it : it.baseUrl));
    return new EtcdClient({ baseUrls, tls: undefined }, clock);
  }

  function write(client: EtcdClient): Promise<EtcdResult<undefined>> {
    return client.put("/a/x", "1", never);
  }

  const MISSES: readonly (readonly [string, EtcdReply])[] = [
    ["refuses", { kind: "status", status: 400 }],
    ["has no leader", { kind: "status", status: 503 }],
    ["cuts a request off", { kind: "status", status: 408 }],
    ["resets", { kind: "reset" }],
    ["gives garbage", { kind: "answer", body: "<html>" }],
    ["gives nothing", { kind: "answer", body: "" }],
  ];

  describe("a read", () => {
    test.each(MISSES)("goes to the next member when one %s", async (_, reply) => {
      const clock = new FakeClock();
      const [bad, good] = [member(reply), member(OK)];
      const client = clientOf(clock, DEAD, bad, good);
      expect((await client.range(keysBelow("/a/"), never)).ok).toBe(true);
      expect((await client.range(keysBelow("/a/"), never)).ok).toBe(true);
      // The one that answered is asked from then on.
      expect([bad.requests.length, good.requests.length]).toEqual([1, 2]);
      expect(clock.pending).toBe(0);
    });

    test("goes to the next member when one is silent", async () => {
      const clock = new FakeClock();
      const [silent, good] = [member({ kind: "hang" }), member(OK)];
      const answer = clientOf(clock, silent, good).range(keysBelow("/a/"), never);
      await until("the request", () => silent.requests.length === 1);
      clock.advance(ETCD_TIMEOUT_MS);
      expect((await answer).ok).toBe(true);
      await until("no connection", () => silent.openConnections === 0);
    });

    test("fails with the last cause when no member answers, and names it", async () => {
      const last = member({ kind: "status", status: 503 });
      const result = await clientOf(new FakeClock(), DEAD, last).range(keysBelow("/a/"), never);
      const host = new URL(last.baseUrl).host;
      expect(result).toMatchObject({
        ok: false,
        cause: `etcd at ${host} answered with HTTP status 503: {"error":"scripted"}`,
      });
    });
  });

  describe("a write", () => {
    test("goes to the next member when one has certainly not done it", async () => {
      const [refusing, good] = [member({ kind: "status", status: 400 }), member(OK)];
      expect(await write(clientOf(new FakeClock(), DEAD, refusing, good))).toEqual({
        ok: true,
        value: undefined,
      });
      expect(await write(clientOf(new FakeClock(), DEAD))).toMatchObject({
        ok: false,
        mayBeDone: false,
      });
    });

    test.each(MISSES.slice(1))(
      "is sent to no other when one %s, as it may be done",
      async (_, reply) => {
        const other = member(OK);
        const result = await write(clientOf(new FakeClock(), member(reply), other));
        expect(result).toMatchObject({ ok: false, mayBeDone: true });
        expect(other.requests).toEqual([]);
      },
    );

    test("may be done when the member is silent", async () => {
      const clock = new FakeClock();
      const [silent, other] = [member({ kind: "hang" }), member(OK)];
      const result = write(clientOf(clock, silent, other));
      await until("the request", () => silent.requests.length === 1);
      clock.advance(ETCD_TIMEOUT_MS);
      expect(await result).toMatchObject({ ok: false, mayBeDone: true });
      expect(other.requests).toEqual([]);
    });
  });

  test("leaves nothing behind when it is aborted, at whatever moment", async () => {
    const clock = new FakeClock();
    const silent = member({ kind: "hang" });
    const client = clientOf(clock, silent);
    for (let turns = 0; turns < 8; turns++) {
      const abort = new AbortController();
      const result = client.range(keysBelow("/a/"), abort.signal);
      for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
      abort.abort();
      expect((await result).ok).toBe(false);
      expect(clock.pending).toBe(0);
    }
    await until("no connection", () => silent.openConnections === 0);
    expect((await client.range(keysBelow("/a/"), AbortSignal.abort())).ok).toBe(false);
  });

  test("sends bytes of keys as they are, and texts as UTF-8", async () => {
    const fake = member(OK);
    await clientOf(new FakeClock(), fake).put("/\u00ff", "é", never);
    expect(fake.requests[0]).toEqual({
      path: "/v3/kv/put",
      body: { key: btoa("/\u00ff"), value: Buffer.from("é").toString("base64") },
    });
  });
});

describe("keyPrefix()", () => {
  test.each([
    ["/", "/"],
    ["/a", "/a/"],
    ["/a/b/", "/a/b/"],
    ["/a/\\xc3\\xa9", "/a/\u00c3\u00a9/"],
    ["é", "\u00c3\u00a9/"],
  ])("of %s is %s", (path, prefix) => {
    expect(keyPrefix(path)).toBe(prefix);
  });

  test("gives keys that can be read", () => {
    expect(printKey(keyPrefix("/é"))).toBe("/é/");
  });
});
