import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ConsulScene } from "../../../test/support/consul-scene.ts";
import { instance } from "../../../test/support/fake-consul-catalog.ts";
import type { ConsulBehaviour } from "../../../test/support/fake-consul.ts";
import { until } from "../../../test/support/until.ts";
import { formatAddress } from "../../lib/address.ts";
import { BLOCKING_MS } from "./consul-query.ts";
import { BURST, REFILL_MS } from "./consul-rate.ts";
import { BODY_MS } from "./consul-watch.ts";

const A = "10.0.0.1:80";
const B = "10.0.0.2:80";
const NORMAL = { kind: "normal" } as const;

describe("ConsulWatch", () => {
  let scene: ConsulScene;

  beforeEach(() => {
    scene = new ConsulScene();
    scene.consul.set("web", [instance(A)]);
  });

  afterEach(() => {
    expect(scene.consul.mostAtOnce).toBeLessThanOrEqual(1);
    expect(scene.stop()).toBe(0);
  });

  const failures = (): readonly string[] =>
    scene.reports.flatMap((it) => (it.state === "failed" ? [it.cause] : []));
  /** What was reported but for failures: the addresses, or the state. */
  const answers = (): readonly unknown[] =>
    scene.reports
      .filter(({ state }) => state !== "failed")
      .map((it) => (it.state === "bound" ? it.endpoints.map(formatAddress) : it.state));

  /** Watches until the first answer has come and the next query is held back. */
  async function follow(rest: Parameters<ConsulScene["watch"]>[0] = {}): Promise<void> {
    scene.watch(rest);
    await scene.bound(A);
    await scene.blocked(1);
  }

  describe("by blocking queries", () => {
    test("asks for an answer at once, and then for what comes after its index", async () => {
      await follow();
      const { index } = scene.consul;
      expect(scene.consul.requests.map(({ target }) => target)).toEqual([
        "/v1/catalog/service/web?dc=dc1",
        `/v1/catalog/service/web?dc=dc1&index=${index}&wait=5m`,
      ]);
    });

    test("tells each change as it comes", async () => {
      await follow();
      scene.consul.set("web", [instance(A), instance(B)]);
      await scene.bound(A, B);
      await scene.blocked(1);
      scene.consul.set("web", [instance(B)]);
      await scene.bound(B);
      await scene.blocked(1);
      scene.consul.set("web", []);
      await scene.reported("neg");
      await scene.blocked(1);
      scene.consul.set("web", [instance(A)]);
      await scene.bound(A);
      expect(scene.reports.length).toBe(5);
      expect(scene.consul.queries().length).toBeLessThanOrEqual(6);
    });

    test("reports a confirmed answer again, and waits for the same index", async () => {
      await follow();
      const { index } = scene.consul;
      for (let n = 2; n <= 4; n++) {
        scene.consul.expire();
        await scene.count(n);
        await scene.blocked(1);
      }
      expect(scene.indexes).toEqual([undefined, index, index, index, index]);
      expect(new Set(scene.reports.map((it) => JSON.stringify(it))).size).toBe(1);
    });

    test("waits for a service that does not exist beyond index 1", async () => {
      scene.watch({}, "dc1/nobody");
      await scene.reported("neg");
      await scene.blocked(1);
      expect(scene.indexes).toEqual([undefined, 1]);
    });

    test("measures answers that were not held back, only", async () => {
      await follow();
      scene.clock.advance(200_000);
      scene.consul.expire();
      await scene.count(2);
      expect(scene.latencies.length).toBe(1);
    });

    test("keeps an answer apart from the one before when its index is larger than a double can tell", async () => {
      scene.consul.headers = { "X-Consul-Index": "9007199254740993" };
      await follow();
      expect(scene.consul.requests.at(-1)?.target).toContain("index=9007199254740993&");
    });
  });

  describe("when the index", () => {
    test("goes backwards, takes the answer and asks anew without one", async () => {
      await follow();
      const before = scene.consul.index;
      scene.consul.restore("web", [instance(B)], 20);
      await scene.bound(B);
      await scene.blocked(1);
      expect(scene.indexes).toEqual([undefined, before, undefined, 20]);
      scene.consul.set("web", [instance(A), instance(B)]);
      await scene.bound(A, B);
    });

    test("is 0, waits beyond 1 each time", async () => {
      scene.consul.headers = { "X-Consul-Index": "0" };
      scene.watch({}, "dc1/nobody");
      await scene.reported("neg");
      await scene.blocked(1);
      scene.consul.expire();
      await scene.count(2);
      await scene.blocked(1);
      expect(scene.indexes).toEqual([undefined, 1, 1]);
    });

    test.each(["", "x", "-5", "1.5", "1e3", "0x10", "99999999999999999999", "1".repeat(400)])(
      "is %j, polls and says so",
      async (index) => {
        scene.consul.headers = { "X-Consul-Index": index };
        scene.watch();
        await scene.bound(A);
        for (let n = 0; n < 3; n++) {
          const waitMs = await scene.nextQuery();
          expect(waitMs).toBeWithin(4_000, 6_000);
        }
        expect(scene.indexes).toEqual([undefined, undefined, undefined, undefined]);
        expect(scene.warnings.length).toBe(1);
        scene.consul.headers = {};
        await scene.count(4);
        await scene.nextQuery();
        await scene.blocked(1);
      },
    );

    test("changes at each answer, queries come a few at once and then one a second", async () => {
      // A Consul that has lost count answers whatever index is named.
      scene.consul.behaviour = ({ query }) => {
        const index = Number(query.get("index") ?? 100);
        scene.consul.headers = { "X-Consul-Index": `${index + 1}` };
        return { kind: "body", body: "[]" };
      };
      scene.watch();
      await scene.count(1 + BURST);
      for (let n = 1; n <= 5; n++) {
        expect(await scene.nextQuery()).toBeWithin(REFILL_MS - 1, REFILL_MS + 1);
        await scene.count(1 + BURST + n);
      }
    });

    test("goes backwards each time, queries are not sent without end either", async () => {
      let index = 1_000_000;
      scene.consul.behaviour = () => {
        scene.consul.headers = { "X-Consul-Index": `${index--}` };
        return { kind: "body", body: "[]" };
      };
      scene.watch();
      await scene.count(1 + BURST);
      expect(await scene.waiting()).toBeWithin(REFILL_MS - 1, REFILL_MS + 1);
      expect(scene.consul.queries().length).toBe(1 + BURST);
    });
  });

  describe("says failed for each query, before the first answer and after it, when Consul", () => {
    const cases: [string, ConsulBehaviour, RegExp][] = [
      [
        "has no leader",
        status(500, "No cluster leader"),
        /^Consul answered with HTTP status 500: No cluster leader$/,
      ],
      ["does not know the data center", status(500, "No path to datacenter"), /500: No path/],
      ["forbids it", status(403, "Permission denied"), /403: Permission denied$/],
      ["has too much to do", status(503), /^Consul answered with HTTP status 503$/],
      ["does not know the endpoint", status(404), /Consul .*404/],
      ["redirects", status(301, "", "Location: http://127.0.0.1:1/\r\n"), /Consul .*301/],
      ["resets the connection", { kind: "reset" }, /Consul/],
      ["closes it", { kind: "raw", bytes: "", then: "close" }, /Consul/],
      [
        "speaks no HTTP",
        { kind: "raw", bytes: "SSH-2.0-OpenSSH_9.2\r\n\r\n", then: "keep" },
        /Consul/,
      ],
      [
        "breaks off in the head",
        { kind: "raw", bytes: "HTTP/1.1 200 OK\r\nX-Co", then: "close" },
        /Consul/,
      ],
      [
        "sends a broken chunk",
        {
          kind: "raw",
          bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
          then: "keep",
        },
        /Consul/,
      ],
      ["closes in the body", { kind: "cut", bytes: 30, then: "close" }, /Consul/],
      ["resets in the body", { kind: "cut", bytes: 30, then: "reset" }, /Consul/],
      ["gives an empty body", { kind: "body", body: "" }, /Consul gave an empty answer/],
      ["gives null", { kind: "body", body: "null" }, /no list of instances but: null/],
      ["gives HTML", { kind: "body", body: "<html></html>" }, /Consul gave no list/],
      ["gives half of a list", { kind: "body", body: '[{"Address":"10.' }, /Consul gave no list/],
      ["gives what nobody can use", { kind: "body", body: "[{},7]" }, /none of the 2 instances/],
    ];

    test.each(cases)("%s", async (_, behaviour, cause) => {
      scene.consul.behaviour = behaviour;
      scene.watch();
      for (let n = 1; n <= 4; n++) {
        await scene.count(n);
        await scene.nextQuery();
      }
      await scene.count(5);
      for (const it of scene.reports) {
        expect(it.state === "failed" ? it.cause : it.state).toMatch(cause);
      }
      scene.consul.behaviour = NORMAL;
      await scene.nextQuery();
      await scene.bound(A);
      await scene.blocked(1);
      const reports = scene.reports.length;
      scene.consul.behaviour = behaviour;
      scene.consul.expire();
      // The query that is held back is answered, and the next one is not.
      await scene.count(reports + 2);
      for (let n = 3; n <= 6; n++) {
        await scene.nextQuery();
        await scene.count(reports + n);
      }
      const told = failures();
      expect(told.length).toBe(5 + 5);
      for (const it of told) expect(it).toMatch(cause);
      // One line at the beginning of each time of failure, not one for each attempt.
      expect(scene.warnings.length).toBe(2);
      scene.consul.behaviour = NORMAL;
      await scene.nextQuery();
      await scene.bound(A);
      await scene.blocked(1);
      scene.consul.set("web", [instance(B)]);
      await scene.bound(B);
      await scene.blocked(1);
      expect(answers()).toEqual([[A], [A], [A], [B]]);
    });

    test("chunks its answers and cuts them off between two chunks", async () => {
      await follow();
      scene.consul.style = { chunked: true, chunkBytes: [0], packetBytes: [0] };
      scene.consul.behaviour = { kind: "cut", bytes: 2, then: "close" };
      scene.consul.set("web", []);
      await until("neg", () => answers().length === 2);
      scene.consul.set("web", [instance(B)]);
      await scene.reported("failed");
      expect(answers()).toEqual([[A], "neg"]);
    });

    test("hides all instances from the token", async () => {
      scene.consul.headers = { "X-Consul-Results-Filtered-By-ACLs": "true" };
      await follow();
      scene.consul.set("web", []);
      await scene.waiting();
      expect(answers()).toEqual([[A]]);
      expect(failures()).toEqual(["Consul hides all instances from this token"]);
      expect(scene.warnings.length).toBe(1);
      scene.consul.headers = {};
      await scene.nextQuery();
      await scene.reported("neg");
    });
  });

  describe("waits before it tries again", () => {
    test("10 ms at first and 5 s at most, and asks without an index", async () => {
      await follow();
      const { index } = scene.consul;
      scene.consul.behaviour = { kind: "reset" };
      scene.consul.expire();
      await scene.count(3);
      for (let n = 0; n < 12; n++) {
        const waitMs = await scene.nextQuery();
        const ceilingMs = Math.min(10 * 2 ** n, 5_000);
        expect(waitMs).toBeGreaterThanOrEqual(ceilingMs / 2);
        expect(waitMs).toBeLessThanOrEqual(ceilingMs);
      }
      expect(scene.indexes.slice(0, 3)).toEqual([undefined, index, index]);
      expect(new Set(scene.indexes.slice(3))).toEqual(new Set([undefined]));
      scene.consul.behaviour = NORMAL;
      await scene.nextQuery();
      await scene.blocked(1);
      scene.consul.cut();
      expect(await scene.waiting()).toBeLessThanOrEqual(10);
    });

    test("some seconds after 429", async () => {
      scene.consul.behaviour = status(429, "rate limit exceeded");
      scene.watch();
      await scene.reported("failed");
      expect(await scene.waiting()).toBeWithin(2_500, 5_001);
    });
  });

  describe("does not wait for ever", () => {
    test("for an answer at once", async () => {
      scene.consul.behaviour = { kind: "hang" };
      scene.watch();
      await scene.queried(1);
      scene.clock.advance(9_999);
      expect(scene.reports).toEqual([]);
      scene.clock.advance(1);
      await scene.reported("failed");
      await until("no connection", () => scene.consul.openConnections === 0);
    });

    test("for one that is held back longer than Consul may", async () => {
      await follow();
      scene.clock.advance(BLOCKING_MS - 1);
      expect(scene.warnings).toEqual([]);
      expect(BLOCKING_MS).toBe(328_750);
      scene.clock.advance(1);
      expect(scene.warnings.length).toBe(1);
      expect(failures().length).toBe(1);
      expect(scene.indexes.length).toBe(2);
      await scene.nextQuery();
      await scene.count(3);
      await scene.blocked(1);
    });

    test.each([true, false])(
      "for the end of an answer that has begun (chunked: %s)",
      async (chunked) => {
        await follow();
        scene.consul.style = { chunked, chunkBytes: [0], packetBytes: [0] };
        scene.consul.behaviour = { kind: "cut", bytes: 30, then: "stall" };
        scene.consul.expire();
        await scene.count(2);
        await scene.queried(3);
        // Until the head has been read a deadline more is not there.
        await until("a deadline for the body", () => scene.clock.pending === 2);
        scene.clock.advance(BODY_MS - 1);
        expect(scene.warnings).toEqual([]);
        scene.clock.advance(1);
        expect(scene.warnings.length).toBe(1);
        expect(failures().length).toBe(1);
        scene.consul.behaviour = NORMAL;
        await scene.nextQuery();
        await scene.count(4);
        await scene.blocked(1);
        await until("one connection", () => scene.consul.openConnections === 1);
      },
    );
  });

  test("finds an agent again that was restarted with older data", async () => {
    await follow();
    scene.consul.pause();
    for (let n = 0; n < 5; n++) {
      const waitMs = await scene.waiting();
      scene.clock.advance(waitMs);
      await until(
        "another wait",
        () => scene.clock.waits.size === 0 || !scene.clock.waits.has(waitMs),
      );
    }
    await scene.waiting();
    expect(answers()).toEqual([[A]]);
    expect(failures().length).toBe(6);
    scene.consul.restore("web", [instance(B)], 5);
    scene.consul.resume();
    await scene.nextQuery();
    await scene.bound(B);
    await scene.blocked(1);
    expect(scene.indexes.slice(-2)).toEqual([undefined, 5]);
  });

  describe("of stale answers", () => {
    const LEADERLESS = { "X-Consul-KnownLeader": "false" };

    test("takes the first, wherever it comes from", async () => {
      scene.consul.headers = LEADERLESS;
      await follow({ consistencyMode: "stale" });
    });

    test("keeps what it has while a server without a leader answers", async () => {
      await follow({ consistencyMode: "stale" });
      scene.consul.headers = LEADERLESS;
      scene.consul.set("web", [instance(B)]);
      await scene.waiting();
      expect(answers()).toEqual([[A]]);
      expect(failures()).toEqual(["Consul answered from a server that has lost its leader"]);
      scene.consul.headers = {};
      await scene.nextQuery();
      await scene.bound(B);
    });

    test("takes those from a stream, which names no leader", async () => {
      await follow({ consistencyMode: "stale" });
      scene.consul.headers = { ...LEADERLESS, "X-Consul-Query-Backend": "streaming" };
      scene.consul.set("web", [instance(B)]);
      await scene.bound(B);
    });

    test("has no doubts where none were asked for", async () => {
      await follow();
      scene.consul.headers = LEADERLESS;
      scene.consul.set("web", [instance(B)]);
      await scene.bound(B);
    });
  });

  test("reads an answer wherever it is cut, in chunks and in packets", async () => {
    await follow();
    const sizes = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 6 });
    let n = 0;
    await fc.assert(
      fc.asyncProperty(sizes, sizes, fc.boolean(), async (chunkBytes, packetBytes, chunked) => {
        scene.consul.style = { chunked, chunkBytes, packetBytes };
        n++;
        const name = `knoten-ü-${n}`;
        scene.consul.set("web", [
          instance(`10.1.0.${n}:80`, { tags: [name], serviceMeta: { name } }),
        ]);
        await scene.bound(`10.1.0.${n}:80`);
        await scene.blocked(1);
        // Time for the next query, as these come too often for the rate.
        scene.clock.advance(REFILL_MS);
      }),
      { numRuns: 60, endOnFailure: true },
    );
    expect(scene.warnings).toEqual([]);
  });

  describe("leaves nothing behind", () => {
    test.each<[string, ConsulBehaviour]>([
      ["a query that is held back", NORMAL],
      ["a query without an answer", { kind: "hang" }],
      ["an answer without an end", { kind: "cut", bytes: 10, then: "stall" }],
      ["a wait", { kind: "reset" }],
    ])("when it ends in %s", async (_, behaviour) => {
      await follow();
      scene.consul.behaviour = behaviour;
      scene.consul.expire();
      if (behaviour.kind === "reset") await scene.waiting();
      else await scene.queried(3);
      scene.abort();
      expect(scene.clock.pending).toBe(0);
      await until("no connection", () => scene.consul.openConnections === 0);
      scene.consul.behaviour = NORMAL;
      const queries = scene.consul.queries().length;
      scene.clock.advance(1_000_000);
      expect(scene.consul.queries().length).toBe(queries);
      expect(scene.reports.length).toBe(behaviour.kind === "reset" ? 3 : 2);
    });

    test("over many watches", async () => {
      const source = scene.source();
      for (let n = 0; n < 200; n++) {
        const abort = new AbortController();
        const { promise, resolve } = Promise.withResolvers<void>();
        source.watch(["dc1", "web"], abort.signal, () => resolve());
        if (n % 2 === 0) await promise;
        abort.abort();
        expect(scene.clock.pending).toBe(0);
      }
      await until("no connection", () => scene.consul.openConnections === 0);
      // Queries for the name of a watch that has just ended may still be open at the fake.
      scene.consul.mostAtOnce = 0;
    });
  });
});

function status(code: number, body = "", headers = ""): ConsulBehaviour {
  return { kind: "status", status: code, body, headers };
}
