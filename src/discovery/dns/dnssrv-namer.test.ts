import { beforeEach, describe, expect, test } from "bun:test";
import {
  a,
  aaaa,
  FakeDns,
  type FakeReply,
  settle,
  soa,
  srv,
} from "../../../test/support/fake-dns.ts";
import { FakeClock } from "../../../test/support/fake-clock.ts";
import { seededRng } from "../../lib/rng.ts";
import type { Resolution } from "../../naming/resolution.ts";
import { type Logger, silentLogger } from "../../telemetry/log.ts";
import { DnsClient } from "./client.ts";
import { dnsSrvSource } from "./dnssrv-namer.ts";
import type { LeafSource, NamerDeps } from "../namer.ts";

const NAME = "_http._tcp.web.test";

let dns: FakeDns;
let clock: FakeClock;
let source: LeafSource;
let reports: Resolution[];
let abort: AbortController;
let warnings: string[];
let skipped: number;
let latencies: number[];

beforeEach(() => {
  dns = new FakeDns();
  clock = new FakeClock();
  reports = [];
  abort = new AbortController();
  warnings = [];
  skipped = 0;
  latencies = [];
  const log: Logger = { ...silentLogger, warn: (message) => warnings.push(message) };
  const deps: NamerDeps = {
    clock,
    rng: seededRng(1),
    log,
    metrics: {
      observeLatency: (ms) => latencies.push(ms),
      skip: (count) => {
        skipped += count;
      },
    },
    lookup: async () => ({ state: "unknown" }),
  };
  const config = { kind: "io.l5d.dnssrv", prefix: "/#/io.l5d.dnssrv", dnsHosts: [] } as const;
  const settings = { servers: [{ ip: "10.0.0.53", port: 53 }], timeoutMs: 2_000, attempts: 1 };
  const client = new DnsClient({ transport: dns, clock, settings: () => settings });
  source = dnsSrvSource({ ...config, refreshIntervalMs: 30_000 }, deps, client);
});

/** The name is followed, and the server answers these. */
async function follow(replies: Readonly<Record<string, FakeReply>>): Promise<void> {
  dns.serve(replies);
  watch();
  await settle();
}
function watch(): void {
  source.watch([NAME], abort.signal, (answer) => reports.push(answer));
  expect(reports).toEqual([]);
}
async function pass(ms: number): Promise<void> {
  clock.advance(ms);
  await settle();
}
const asked = (): string[] => dns.queries.map(({ question }) => question);
const last = (): unknown => {
  const answer = reports.at(-1);
  if (answer?.state !== "bound") return answer?.state;
  return answer.endpoints.map(({ ip, port, weight }) => `${ip} ${port} * ${weight}`);
};

const ONE = { answers: [srv(NAME, "a.test", { weight: 5, ttl: 10 })] };
const A = { answers: [a("a.test", "10.0.0.1", 20)] };

describe("split()", () => {
  test("takes the first segment for the name", () => {
    expect(source.split([NAME])).toEqual({ id: [NAME], residual: [] });
    expect(source.split([NAME, "x", "y"])).toEqual({ id: [NAME], residual: ["x", "y"] });
  });

  test.each([[[]], [["a..b"]], [["."]], [["ä"]], [["x".repeat(64)]]])(
    "%p is no name",
    async (path) => {
      expect(source.split(path)).toBeUndefined();
      source.watch(path, abort.signal, (answer) => reports.push(answer));
      expect(reports).toEqual([]);
      await settle();
      expect(reports).toEqual([{ state: "neg" }]);
      expect(dns.queries).toEqual([]);
    },
  );
});

describe("watch()", () => {
  test("looks up all addresses of the targets", async () => {
    await follow({
      [`SRV ${NAME}`]: {
        answers: [
          srv(NAME, "a.test", { weight: 6, port: 8080 }),
          srv(NAME, "b.test", { weight: 1, port: 81 }),
        ],
      },
      "A a.test": { answers: [a("a.test", "10.0.0.1")] },
      "AAAA a.test": { answers: [aaaa("a.test", "2001:db8::1")] },
      "A b.test": { answers: [a("b.test", "10.0.0.2")] },
    });
    expect(last()).toEqual(["10.0.0.1 8080 * 3", "10.0.0.2 81 * 1", "2001:db8::1 8080 * 3"]);
    expect(latencies.length).toBe(1);
  });

  test("does not ask for addresses that came along", async () => {
    const additionals = [a("A.test", "10.0.0.1", 3), aaaa("a.test", "::1")];
    await follow({ [`SRV ${NAME}`]: { ...ONE, additionals } });
    expect(last()).toEqual(["10.0.0.1 80 * 2.5", "::1 80 * 2.5"]);
    expect(asked()).toEqual([`SRV ${NAME}`]);
    await pass(2_999);
    expect(asked().length).toBe(1);
    await pass(1);
    expect(asked().length).toBe(2);
  });

  test("gives traffic to the lowest priority that has addresses, and looks no further", async () => {
    const answers = [
      srv(NAME, "c.test", { priority: 9 }),
      srv(NAME, "b.test", { priority: 5 }),
      srv(NAME, "a.test", { priority: 1 }),
    ];
    const backup = { "A b.test": { answers: [a("b.test", "10.0.0.2")] } };
    await follow({ [`SRV ${NAME}`]: { answers }, "A a.test": A, ...backup });
    expect(last()).toEqual(["10.0.0.1 80 * 1"]);
    expect(asked()).not.toContain("A b.test");
    dns.serve({ [`SRV ${NAME}`]: { answers }, "A a.test": { rcode: 3 }, ...backup });
    await pass(20_000);
    expect(last()).toEqual(["10.0.0.2 80 * 1"]);
    expect(asked()).not.toContain("A c.test");
    dns.serve({ [`SRV ${NAME}`]: { answers }, "A a.test": A, ...backup });
    await pass(60_000);
    expect(last()).toEqual(["10.0.0.1 80 * 1"]);
  });

  test.each([
    ["the record's", 7, 60, 7_000],
    ["the address's", 60, 9, 9_000],
    ["the interval, which is shorter,", 600, 600, 30_000],
    ["one second instead of a shorter one", 0, 60, 1_000],
  ])("asks again after %s time to live", async (_, recordTtl, addressTtl, waitMs) => {
    await follow({
      [`SRV ${NAME}`]: { answers: [srv(NAME, "a.test", { ttl: recordTtl })] },
      "A a.test": { answers: [a("a.test", "10.0.0.1", addressTtl)] },
    });
    const before = dns.queries.length;
    await pass(waitMs - 1);
    expect(dns.queries.length).toBe(before);
    await pass(1);
    expect(dns.queries.length).toBe(2 * before);
    // A confirmation is told too.
    expect(reports.length).toBe(2);
  });

  test.each([
    ["no such name", { rcode: 3, authorities: [soa("test", 60, 4)] }, 4_000],
    ["no such record", {}, 30_000],
    ["a service that is decidedly not there", { answers: [srv(NAME, ".", { ttl: 8 })] }, 8_000],
    ["targets that do not exist", { answers: [srv(NAME, "gone.test", { ttl: 6 })] }, 6_000],
  ])("%s is neg, also after it was there, and is asked for again", async (_, reply, waitMs) => {
    await follow({ [`SRV ${NAME}`]: ONE, "A a.test": A });
    expect(last()).toEqual(["10.0.0.1 80 * 5"]);
    dns.serve({ [`SRV ${NAME}`]: reply, "A gone.test": { rcode: 3 } });
    await pass(10_000);
    expect(last()).toBe("neg");
    dns.serve({ [`SRV ${NAME}`]: ONE, "A a.test": A });
    await pass(waitMs - 1);
    expect(last()).toBe("neg");
    await pass(1);
    expect(last()).toEqual(["10.0.0.1 80 * 5"]);
    expect(warnings).toEqual([]);
  });

  test.each([
    ["refuses", { rcode: 2 }, "answered SERVFAIL"],
    ["is silent", undefined, "did not answer within 2000 ms"],
  ])("a server that %s is an error before the first answer", async (_, reply, cause) => {
    dns.answering = (query) => reply && query.reply(reply);
    watch();
    await settle();
    await pass(2_000);
    expect(reports[0]).toEqual({
      state: "failed",
      cause: `cannot look up the SRV records of ${NAME} (the name server 10.0.0.53:53 ${cause})`,
    });
    dns.serve({ [`SRV ${NAME}`]: ONE, "A a.test": A });
    await pass(2_000);
    expect(last()).toEqual(["10.0.0.1 80 * 5"]);
    expect(warnings.length).toBe(1);
  });

  test("a server that fails after an answer is an error at each look-up, and is tried again and again", async () => {
    await follow({ [`SRV ${NAME}`]: ONE, "A a.test": A });
    dns.answering = (query) => query.send(query.encode({}).subarray(0, 13));
    const before = dns.queries.length;
    await pass(10_000);
    expect(reports.length).toBe(2);
    expect(last()).toBe("failed");
    for (let secs = 0; secs < 300; secs++) await pass(1_000);
    expect(warnings).toEqual(["cannot look up SRV records"]);
    const tries = dns.queries.length - before;
    expect(tries).toBeGreaterThanOrEqual(10);
    expect(tries).toBeLessThan(30);
    expect(reports.slice(1).map(({ state }) => state)).toEqual(Array(tries).fill("failed"));
    dns.serve({ [`SRV ${NAME}`]: ONE, "A a.test": { answers: [a("a.test", "10.0.0.8")] } });
    await pass(30_000);
    expect(last()).toEqual(["10.0.0.8 80 * 5"]);
  });

  test("a server that is back with the same answer is told by that", async () => {
    await follow({ [`SRV ${NAME}`]: ONE, "A a.test": A });
    dns.answering = (query) => query.reply({ rcode: 2 });
    await pass(10_000);
    dns.serve({ [`SRV ${NAME}`]: ONE, "A a.test": A });
    // The first wait for another attempt.
    await pass(1_000);
    expect(reports.map(({ state }) => state)).toEqual(["bound", "failed", "bound"]);
    expect(reports[2]).toEqual(reports[0] ?? { state: "pending" });
  });

  test("waits longer after each failure in a row, and no longer after a success", async () => {
    await follow({ [`SRV ${NAME}`]: ONE, "A a.test": A });
    for (let outage = 0; outage < 2; outage++) {
      dns.answering = (query) => query.reply({ rcode: 2 });
      const before = dns.queries.length;
      await pass(10_000);
      await pass(1_000);
      expect(dns.queries.length - before).toBe(2);
      for (let secs = 0; secs < 100; secs++) await pass(1_000);
      dns.serve({ [`SRV ${NAME}`]: ONE, "A a.test": A });
      await pass(30_000);
      await pass(0);
    }
    expect(warnings.length).toBe(2);
  });

  test("a target keeps its addresses when only it cannot be looked up", async () => {
    const answers = [srv(NAME, "a.test", { ttl: 10 }), srv(NAME, "b.test", { ttl: 10 })];
    const both = {
      [`SRV ${NAME}`]: { answers },
      "A a.test": A,
      "A b.test": { answers: [a("b.test", "10.0.0.2")] },
    };
    await follow(both);
    dns.serve({ ...both, "A a.test": { rcode: 2 } });
    await pass(10_000);
    await pass(10_000);
    expect(reports.length).toBe(3);
    expect(last()).toEqual(["10.0.0.1 80 * 1", "10.0.0.2 80 * 1"]);
    // That it is gone is an answer.
    dns.serve({ ...both, "A a.test": { rcode: 3 }, "AAAA a.test": { rcode: 3 } });
    await pass(10_000);
    expect(last()).toEqual(["10.0.0.2 80 * 1"]);
  });

  test("is an error when no target can be looked up at first", async () => {
    await follow({ [`SRV ${NAME}`]: ONE, "A a.test": { rcode: 5 } });
    expect(reports).toEqual([
      {
        state: "failed",
        cause: `cannot look up the SRV records of ${NAME} (a.test: the name server 10.0.0.53:53 answered REFUSED)`,
      },
    ]);
  });

  test("counts ports that cannot be used", async () => {
    const answers = [srv(NAME, "a.test", { port: 0 }), srv(NAME, "a.test", { port: 81 })];
    await follow({ [`SRV ${NAME}`]: { answers }, "A a.test": A });
    expect(last()).toEqual(["10.0.0.1 81 * 1"]);
    expect(skipped).toBe(1);
  });

  test.each(["while it asks", "while it waits", "in a report", "before"])(
    "an abort %s ends it, without a timer or a socket left",
    async (when) => {
      if (when === "before") abort.abort();
      if (when !== "while it asks") dns.serve({ [`SRV ${NAME}`]: ONE, "A a.test": A });
      source.watch([NAME], abort.signal, (answer) => {
        reports.push(answer);
        if (when === "in a report") abort.abort();
      });
      await settle();
      abort.abort();
      await settle();
      const before = { queries: dns.queries.length, reports: reports.length };
      expect({ timers: clock.pending, sockets: dns.open }).toEqual({ timers: 0, sockets: 0 });
      await pass(100_000);
      expect({ queries: dns.queries.length, reports: reports.length }).toEqual(before);
    },
  );
});
