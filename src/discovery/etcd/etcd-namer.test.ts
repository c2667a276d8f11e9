import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { recordingLogger } from "../../../test/support/etcd-scene.ts";
import { FakeClock } from "../../../test/support/fake-clock.ts";
import {
  type EtcdReply,
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

beforeEach(() => {
  clock = new FakeClock();
  abort = new AbortController();
  log = [];
  skipped = 0;
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
        host === "known" ? { state: "found", ips: ["10.9.9.9"] } : { state: "unknown" },
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

  test("says why while etcd has never answered, and then no more", async () => {
    let reply: EtcdReply = { kind: "status", status: 503 };
    using etcd = new FakeEtcd(() => reply);
    const web = new Reports(sourceOf([etcd.baseUrl], "/s"), "web");
    await web.become("failed");
    expect(web.all.at(-1)).toMatchObject({ cause: expect.stringContaining("HTTP status 503") });
    const kvs = [etcdKv("/s/web", "10.0.0.1:80", 3)];
    etcd.reply = ({ path }) =>
      path === "/v3/kv/range"
        ? { kind: "answer", body: etcdAnswer(3, { kvs }) }
        : { kind: "stream", lines: [etcdLine(3, { created: true })] };
    await until("an answer", () => {
      clock.advance(10);
      return web.last === "bound 10.0.0.1:80*1";
    });
    reply = { kind: "reset" };
    etcd.reply = () => reply;
    const { length } = web.all;
    etcd.cut("reset");
    await until("attempts", () => {
      clock.advance(10);
      return etcd.requests.length > 6;
    });
    expect(web.all.length).toBe(length);
    abort.abort();
    await until("no connection", () => etcd.openConnections === 0);
  });

  test("confirms only when etcd has said something", async () => {
    const kvs = [etcdKv("/s/web", "10.0.0.1:80", 3)];
    using etcd = new FakeEtcd(({ path }) =>
      path === "/v3/kv/range"
        ? { kind: "answer", body: etcdAnswer(3, { kvs }) }
        : { kind: "stream", lines: [etcdLine(3, { created: true })] },
    );
    const web = new Reports(sourceOf([etcd.baseUrl], "/s"), "web");
    await web.become("bound 10.0.0.1:80*1");
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
