import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { recordingLogger } from "../../../test/support/etcd-scene.ts";
import { FakeClock } from "../../../test/support/fake-clock.ts";
import {
  type EtcdReply,
  type EtcdRequest,
  etcdAnswer,
  etcdKv,
  etcdLine,
  FakeEtcd,
} from "../../../test/support/fake-etcd.ts";
import { Etcd } from "../../../test/support/peers/etcd.ts";
import { has } from "../../../test/support/peers/tools.ts";
import { until } from "../../../test/support/until.ts";
import { seededRng } from "../../lib/rng.ts";
import type { Resolution } from "../../naming/resolution.ts";
import { etcdSource } from "./etcd-namer.ts";
import type { LeafSource } from "../namer.ts";

let clock: FakeClock;
let abort: AbortController;
let log: string[];
let skipped: number;
/** The address of the host `known`. */
let known: string;

beforeEach(() => {
  clock = new FakeClock();
  abort = new AbortController();
  log = [];
  skipped = 0;
  known = "10.9.9.9";
});

afterEach(() => {
  abort.abort();
  expect(clock.pending).toBe(0);
});

function sourceOf(baseUrls: readonly string[], pathPrefix: string): LeafSource {
  return etcdSource(
    { kind: "io.l5d.etcd", prefix: "/io.l5d.etcd", baseUrls, pathPrefix, tls: undefined },
    {
      clock,
      rng: seededRng(1),
      log: recordingLogger(log),
      metrics: { observeLatency() {}, skip: (count) => (skipped += count) },
      lookup: async (host) =>
        host === "known" ? { state: "found", ips: [known] } : { state: "unknown" },
    },
  );
}

/** Reports of one name, in order. */
class Reports {
  readonly all: Resolution[] = [];

  constructor(source: LeafSource, name: string) {
    source.watch([name], abort.signal, (it) => this.all.push(it));
  }

  /** The state, or the addresses with their weights. */
  get last(): string | undefined {
    const last = this.all.at(-1);
    if (last?.state !== "bound") return last?.state;
    return `bound ${last.endpoints.map((it) => `${it.ip}:${it.port}*${it.weight}`).join(" ")}`;
  }

  become(text: string): Promise<void> {
    return until(text, () => this.last === text);
  }
}

describe("etcdSource()", () => {
  test("splits names of one segment off", () => {
    const source = sourceOf(["http://127.0.0.1:1"], "/s");
    expect(source.split(["web"])).toEqual({ id: ["web"], residual: [] });
    expect(source.split(["web", "a", "b"])).toEqual({ id: ["web"], residual: ["a", "b"] });
    expect(source.split([])).toBeUndefined();
    expect(source.split(["a/b"])).toBeUndefined();
  });

  /** etcd with one key, at this revision. */
  const serving =
    (value: string, revision = 3) =>
    ({ path }: EtcdRequest): EtcdReply =>
      path === "/v3/kv/range"
        ? {
            kind: "answer",
            body: etcdAnswer(revision, { kvs: [etcdKv("/s/web", value, revision)] }),
          }
        : { kind: "stream", lines: [etcdLine(revision, { created: true })] };
  /** Until it holds, in steps of 10 ms; gives how long that was. */
  async function passing(what: string, condition: () => boolean): Promise<number> {
    const startMs = clock.now();
    await until(what, () => {
      clock.advance(10);
      return condition();
    });
    return clock.now() - startMs;
  }

  test("says why as long as etcd does not answer, at first and after an answer", async () => {
    using etcd = new FakeEtcd(() => ({ kind: "status", status: 503 }));
    const web = new Reports(sourceOf([etcd.baseUrl], "/s"), "web");
    await web.become("failed");
    expect(web.all.at(-1)).toMatchObject({ cause: expect.stringContaining("HTTP status 503") });
    etcd.reply = serving("10.0.0.1:80");
    await passing("an answer", () => web.last === "bound 10.0.0.1:80*1");
    await until("a watch", () => etcd.to("/v3/watch").length === 1);
    const { length } = web.all;
    etcd.reply = () => ({ kind: "reset" });
    etcd.cut("reset");
    await until("a failure", () => web.all.length === length + 1);
    await passing("attempts", () => web.all.length === length + 5);
    for (const it of web.all.slice(length)) {
      expect(it).toMatchObject({ state: "failed", cause: expect.stringContaining("ECONNRESET") });
    }
    abort.abort();
    await until("no connection", () => etcd.openConnections === 0);
  });

  test.each([
    ["10.0.0.1:80", "bound 10.0.0.1:80*1"],
    ["nonsense", "failed"],
  ])("says the same again when etcd is back and nothing has changed: %s", async (value, good) => {
    using etcd = new FakeEtcd(serving(value));
    const web = new Reports(sourceOf([etcd.baseUrl], "/s"), "web");
    await web.become(good);
    const answer = web.all.at(-1);
    await until("a watch", () => etcd.to("/v3/watch").length === 1);
    const serve = etcd.reply;
    etcd.reply = () => ({ kind: "reset" });
    etcd.cut("reset");
    await passing("failures", () => web.all.length === 4);
    etcd.reply = serve;
    const backMs = await passing("the answer again", () => Bun.deepEquals(web.all.at(-1), answer));
    // The wait for the next attempt, and for the next look at the hosts.
    expect(backMs).toBeLessThan(2_000 + 6_000);
    expect(etcd.to("/v3/kv/range").length).toBe(1);
    const { length } = web.all;
    clock.advance(60_000);
    expect(web.all.length).toBe(length);
    abort.abort();
    await until("no connection", () => etcd.openConnections === 0);
  });

  test("follows hosts while etcd is gone, and does not take that for its return", async () => {
    using etcd = new FakeEtcd(serving("known:80"));
    const web = new Reports(sourceOf([etcd.baseUrl], "/s"), "web");
    await web.become("bound 10.9.9.9:80*1");
    await until("a watch", () => etcd.to("/v3/watch").length === 1);
    etcd.reply = () => ({ kind: "hang" });
    etcd.cut("reset");
    await web.become("failed");
    const [failure, { length }] = [web.all.at(-1), web.all];
    known = "10.9.9.8";
    // Until its deadline the attempt at etcd says nothing.
    await passing("the other address", () => web.all.length > length);
    expect(web.all[length]).toMatchObject({ endpoints: [{ ip: "10.9.9.8" }] });
    expect(web.all.slice(length + 1)).toEqual(failure === undefined ? [] : [failure]);
    abort.abort();
    await until("no connection", () => etcd.openConnections === 0);
  });

  test("may be left in the midst of that", async () => {
    using etcd = new FakeEtcd(serving("known:80"));
    const states: string[] = [];
    sourceOf([etcd.baseUrl], "/s").watch(["web"], abort.signal, (it) => {
      states.push(it.state);
      if (known === "10.9.9.8" && it.state === "bound") abort.abort();
    });
    await until("a watch", () => etcd.to("/v3/watch").length === 1 && states.length === 1);
    etcd.reply = () => ({ kind: "hang" });
    etcd.cut("reset");
    await until("a failure", () => states.length === 2);
    known = "10.9.9.8";
    await passing("the other address", () => states.length > 2);
    expect(states).toEqual(["bound", "failed", "bound"]);
    await until("no connection", () => etcd.openConnections === 0);
  });

  test("confirms only when etcd has said something", async () => {
    using etcd = new FakeEtcd(serving("10.0.0.1:80"));
    const web = new Reports(sourceOf([etcd.baseUrl], "/s"), "web");
    await web.become("bound 10.0.0.1:80*1");
    await until("it watches", () => etcd.to("/v3/watch").length === 1);
    etcd.push(etcdLine(4));
    await until("a confirmation", () => {
      clock.advance(100);
      return web.all.length === 2;
    });
    clock.advance(60_000);
    expect(web.all.length).toBe(2);
    abort.abort();
    await until("no connection", () => etcd.openConnections === 0);
  });

  test("reports nothing when it is aborted before it begins", () => {
    abort.abort();
    expect(new Reports(sourceOf(["http://127.0.0.1:1"], "/s"), "web").all).toEqual([]);
  });
});

describe.skipIf(!has("etcd") || !has("etcdctl"))("etcdSource() and etcd", () => {
  let etcd: Etcd;
  let round = 0;
  let prefix: string;

  beforeAll(async () => {
    etcd = await Etcd.start();
  }, 30_000);

  afterAll(() => etcd[Symbol.asyncDispose]());

  beforeEach(() => {
    prefix = `/test/${round++}`;
  });

  const put = (name: string, value: unknown): Promise<void> =>
    etcd.put(`${prefix}/${name}`, typeof value === "string" ? value : JSON.stringify(value));
  const watch = (name: string): Reports => new Reports(sourceOf(etcd.baseUrls, prefix), name);

  test("follows a document and a key for each endpoint, together", async () => {
    const web = watch("web");
    await web.become("neg");
    await put("web", { endpoints: ["10.0.0.2:80", { ip: "10.0.0.1", port: 80, weight: 2 }] });
    await web.become("bound 10.0.0.1:80*2 10.0.0.2:80*1");
    await put("web/a", "10.0.0.3:80 * 0.5");
    await put("web/b/c", { host: "known", port: 81 });
    await web.become("bound 10.0.0.1:80*2 10.0.0.2:80*1 10.0.0.3:80*0.5 10.9.9.9:81*1");
    await etcd.delete(`${prefix}/web`);
    await web.become("bound 10.0.0.3:80*0.5 10.9.9.9:81*1");
    await etcd.ctl("del", "--prefix", `${prefix}/web/`);
    await web.become("neg");
    expect(log).toEqual([]);
  });

  test("leaves names alone that only begin alike", async () => {
    for (const other of ["web-2", "web.b", "web!", "we", "web2", "web-2/a"]) {
      await put(other, "10.0.0.9:9");
    }
    const web = watch("web");
    await web.become("neg");
    await put("web-2/b", "10.0.0.9:9");
    await put("web/a", "10.0.0.1:80");
    await web.become("bound 10.0.0.1:80*1");
  });

  test("is bound to nothing where an empty list stands", async () => {
    await put("web", []);
    await watch("web").become("bound ");
  });

  test("leaves out what cannot be read, says where it stands, and fails where nothing is left", async () => {
    await put("web", ["10.0.0.1:80", "10.0.0.2"]);
    await put("web/bad", "nonsense");
    const web = watch("web");
    await web.become("bound 10.0.0.1:80*1");
    expect(log).toEqual([
      `left out an endpoint in etcd key=${prefix}/web problem=[1]: the port is missing`,
      `left out an endpoint in etcd key=${prefix}/web/bad problem=the port is missing`,
    ]);
    expect(skipped).toBe(2);
    await etcd.delete(`${prefix}/web`);
    await web.become("failed");
    expect(web.all.at(-1)).toEqual({
      state: "failed",
      cause: `no key of the name can be used; ${prefix}/web/bad: the port is missing`,
    });
    await put("web/bad", "10.0.0.3:80");
    await web.become("bound 10.0.0.3:80*1");
    // A fault is told and counted once, not with every change beside it.
    expect([log.length, skipped]).toEqual([2, 2]);
  });

  test("takes an endpoint away when its lease has run out", async () => {
    await put("web/stays", "10.0.0.1:80");
    await etcd.putWithLease(`${prefix}/web/goes`, "10.0.0.2:80", 1);
    const web = watch("web");
    await web.become("bound 10.0.0.1:80*1 10.0.0.2:80*1");
    await web.become("bound 10.0.0.1:80*1");
  });

  test("is bound to nothing where all hosts are unknown: the name is there", async () => {
    await put("web", "unknown.local:80");
    await watch("web").become("bound ");
  });

  test("finds names of any bytes", async () => {
    await put("é ü", "10.0.0.1:80");
    const label = Buffer.from("é ü", "utf8").toString("latin1");
    await watch(label).become("bound 10.0.0.1:80*1");
  });
});
