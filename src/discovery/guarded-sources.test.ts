// Each source of names behind the guard: an outage is seen at once, changes no answer, and is over when the source is back.
import { afterEach, describe, expect, test } from "bun:test";
import { ConsulScene } from "../../test/support/consul-scene.ts";
import { instance } from "../../test/support/fake-consul-catalog.ts";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { a, FakeDns, srv } from "../../test/support/fake-dns.ts";
import { etcdAnswer, etcdKv, etcdLine, FakeEtcd } from "../../test/support/fake-etcd.ts";
import { KubernetesScene } from "../../test/support/kubernetes-scene.ts";
import { Samples } from "../../test/support/samples.ts";
import { until } from "../../test/support/until.ts";
import { formatAddress } from "../lib/address.ts";
import { seededRng } from "../lib/rng.ts";
import { silentLogger } from "../telemetry/log.ts";
import { DnsClient } from "./dns/client.ts";
import { dnsSrvSource } from "./dns/dnssrv-namer.ts";
import { etcdSource } from "./etcd/etcd-namer.ts";
import { LINGER_MS } from "./followed-names.ts";
import { type GuardedNamer, leafNamer } from "./leaf-namer.ts";
import type { LeafSource, NamerDeps } from "./namer.ts";
import { NamerMetrics } from "./namer-metrics.ts";

const PREFIX = "/#/source";

/** A source with one name, which stands for 10.0.0.1:80, and what it asks. */
interface Peer {
  readonly source: LeafSource;
  readonly clock: FakeClock;
  readonly id: readonly string[];
  /** The longest time until an outage must show. */
  readonly seenWithinMs: number;
  /** The longest time until its end must show, whatever the waits between attempts have grown to. */
  readonly overWithinMs: number;
  /** From now on nothing is answered as it should be. */
  fail(): void;
  /** All is as it was before. */
  recover(): void;
  close(): void | Promise<void>;
}

function depsOf(clock: FakeClock): NamerDeps {
  return {
    clock,
    rng: seededRng(1),
    log: silentLogger,
    metrics: { observeLatency() {}, skip() {} },
    lookup: async () => ({ state: "unknown" }),
  };
}

function consulPeer(): Peer {
  const scene = new ConsulScene();
  scene.consul.set("web", [instance("10.0.0.1:80")]);
  return {
    source: scene.source(),
    clock: scene.clock,
    id: ["dc1", "web"],
    seenWithinMs: 0,
    overWithinMs: 5_000,
    fail() {
      scene.consul.behaviour = { kind: "status", status: 500, body: "No cluster leader" };
      scene.consul.cut();
    },
    recover() {
      scene.consul.behaviour = { kind: "normal" };
    },
    close: () => scene.consul.pause(),
  };
}

function kubernetesPeer(): Peer {
  const scene = new KubernetesScene();
  const ports = [{ name: "http", port: 80 }];
  scene.slice("web-a", { endpoints: ["10.0.0.1"], ports });
  return {
    source: scene.source,
    clock: scene.clock,
    id: ["prod", "http", "web"],
    seenWithinMs: 0,
    overWithinMs: 10_000,
    fail: () => scene.api.pause(),
    recover: () => scene.api.resume(),
    close: () => scene.api.pause(),
  };
}

function etcdPeer(): Peer {
  const clock = new FakeClock();
  const etcd = new FakeEtcd(({ path }) =>
    path === "/v3/kv/range"
      ? { kind: "answer", body: etcdAnswer(3, { kvs: [etcdKv("/s/web", "10.0.0.1:80", 3)] }) }
      : { kind: "stream", lines: [etcdLine(3, { created: true })] },
  );
  const normal = etcd.reply;
  const config = {
    kind: "io.l5d.etcd",
    prefix: "/source",
    baseUrls: [etcd.baseUrl],
    pathPrefix: "/s",
    tls: undefined,
  } as const;
  return {
    source: etcdSource(config, depsOf(clock)),
    clock,
    id: ["web"],
    seenWithinMs: 0,
    // The next look at the hosts comes on top.
    overWithinMs: 16_000,
    fail() {
      etcd.reply = () => ({ kind: "status", status: 503 });
      etcd.cut("reset");
    },
    recover() {
      etcd.reply = normal;
    },
    close: () => etcd[Symbol.dispose](),
  };
}

function dnsPeer(): Peer {
  const clock = new FakeClock();
  const dns = new FakeDns();
  const normal = (): void =>
    dns.serve({
      "SRV web.test": { answers: [srv("web.test", "a.test", { ttl: 5 })] },
      "A a.test": { answers: [a("a.test", "10.0.0.1")] },
    });
  normal();
  const settings = { servers: [{ ip: "10.0.0.53", port: 53 }], timeoutMs: 2_000, attempts: 1 };
  const client = new DnsClient({ transport: dns, clock, settings: () => settings });
  const config = {
    kind: "io.l5d.dnssrv",
    prefix: "/source",
    dnsHosts: [],
    refreshIntervalMs: 5_000,
  } as const;
  return {
    source: dnsSrvSource(config, depsOf(clock), client),
    clock,
    id: ["web.test"],
    // The time to live, which is that long too.
    seenWithinMs: 5_000,
    overWithinMs: 5_000,
    fail() {
      dns.answering = (query) => query.reply({ rcode: 2 });
    },
    recover: normal,
    close() {},
  };
}

/** Time passes in steps; peers have a turn between them. */
const STEP_MS = 100;

let closeLast: () => Promise<void> = async () => {};

afterEach(() => closeLast());

describe.each([
  ["Consul", consulPeer, "No cluster leader"],
  ["Kubernetes", kubernetesPeer, "Kubernetes"],
  ["etcd", etcdPeer, "HTTP status 503"],
  ["DNS", dnsPeer, "SERVFAIL"],
] as const)("an outage of %s", (_, make, cause) => {
  let peer: Peer;
  let namer: GuardedNamer;
  let kept: () => number;
  const answers: string[] = [];
  const trees: string[] = [];

  async function begin(): Promise<void> {
    peer = make();
    const samples = new Samples();
    const metrics = new NamerMetrics(samples.registry, PREFIX);
    kept = () => samples.value("l5d_namer_kept_total", PREFIX) ?? 0;
    const { clock, source, id } = peer;
    const options = { failedMeans: "source", confirmsWithinMs: 900_000 } as const;
    namer = leafNamer(PREFIX, source, { clock, log: silentLogger, metrics }, options);
    const abort = new AbortController();
    closeLast = async () => {
      abort.abort();
      clock.advance(LINGER_MS);
      expect(clock.pending).toBe(0);
      await peer.close();
    };
    answers.length = 0;
    trees.length = 0;
    namer.addresses(id, abort.signal, (it) => {
      answers.push(it.state === "bound" ? `${it.endpoints.map(formatAddress)}` : it.state);
    });
    namer.lookup(id, abort.signal, (it) => {
      trees.push(it.state === "ok" ? it.value.kind : it.state);
    });
    await until("an answer", () => answers.length > 0 && trees.length > 0);
    // Whatever comes after the first answer, such as a watch, has begun.
    await settled();
  }

  const settled = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn++) await passing(0);
  };
  const passing = (ms: number): Promise<void> =>
    until("a turn", () => {
      peer.clock.advance(ms);
      return true;
    }).then(() => new Promise(setImmediate));

  /** Lets time pass until it holds; gives how long that was. */
  async function within(what: string, limitMs: number, holds: () => boolean): Promise<number> {
    const startMs = peer.clock.now();
    await until(what, async () => {
      if (holds()) return true;
      if (peer.clock.now() - startMs < limitMs) peer.clock.advance(STEP_MS);
      return holds();
    });
    return peer.clock.now() - startMs;
  }
  const failing = (): string | undefined => namer.status().failing;

  test("is seen at once and at each attempt, and keeps the answer", async () => {
    await begin();
    expect([kept(), failing()]).toEqual([0, undefined]);
    peer.fail();
    await within("a failure", peer.seenWithinMs, () => failing() !== undefined);
    await within("attempts", 120_000, () => kept() >= 5);
    expect(failing()).toStartWith(`${PREFIX}/`);
    expect(failing()).toContain(cause);
    expect(new Set(answers)).toEqual(new Set(["10.0.0.1:80"]));
    expect(new Set(trees)).toEqual(new Set(["leaf"]));
    expect(namer.status()).toMatchObject({ names: 1, emptied: 0, silent: 0 });
    // Who comes now is told what was known.
    const late: string[] = [];
    const abort = new AbortController();
    namer.addresses(peer.id, abort.signal, ({ state }) => late.push(state));
    await until("an answer", () => late.length > 0);
    expect(late).toEqual(["bound"]);
    abort.abort();
  });

  test("is over as soon as it answers again, though nothing has changed", async () => {
    await begin();
    for (let outage = 1; outage <= 3; outage++) {
      peer.fail();
      await within("a failure", peer.seenWithinMs, () => failing() !== undefined);
      const before = kept();
      await within("attempts", 120_000, () => kept() >= before + 3);
      const told = answers.length;
      peer.recover();
      await within("the end", peer.overWithinMs, () => failing() === undefined);
      expect(answers.length).toBeGreaterThan(told);
      expect(namer.status().oldestConfirmedSeconds).toBeLessThan(STEP_MS / 1_000);
      await settled();
      const after = kept();
      await passing(STEP_MS);
      expect([kept(), failing()]).toEqual([after, undefined]);
    }
    expect(new Set(answers)).toEqual(new Set(["10.0.0.1:80"]));
  });
});
