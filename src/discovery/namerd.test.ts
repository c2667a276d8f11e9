import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { eventually } from "../../test/support/eventually.ts";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { FakeNamerd } from "../../test/support/fake-namerd.ts";
import type { Behaviour } from "../../test/support/fake-namerd-http.ts";
import type { NamerdConfig } from "../config/types.ts";
import type { Cancel } from "../lib/clock.ts";
import { seededRng } from "../lib/rng.ts";
import type { Resolution } from "../naming/resolution.ts";
import { silentLogger } from "../telemetry/log.ts";
import { Registry } from "../telemetry/registry.ts";
import { ResolverMetrics } from "./metrics.ts";
import { NamerdResolver } from "./namerd.ts";
import { describeResolver } from "./resolver.contract.ts";

const PATH = "/svc/web";
const PERIOD_MS = 30_000;
const TIMEOUT_MS = 10_000;
const LONGEST_WAIT_MS = 60_000;
const A = "10.0.0.1:80";
const B = "10.0.0.2:80";

/** A fake clock that tells what was asked of it last. */
class RecordingClock extends FakeClock {
  /** The last delay that was scheduled. */
  lastDelayMs = 0;

  override after(delayMs: number, run: () => void): Cancel {
    this.lastDelayMs = delayMs;
    return super.after(delayMs, run);
  }
}

function resolverFor(namerd: FakeNamerd, clock: FakeClock, rest: Partial<NamerdConfig> = {}) {
  const config: NamerdConfig = {
    kind: "io.l5d.namerd.http",
    baseUrl: namerd.baseUrl,
    namespace: "default",
    periodMs: PERIOD_MS,
    requestTimeoutMs: TIMEOUT_MS,
    ...rest,
  };
  const registry = new Registry(() => {});
  const metrics = new ResolverMetrics(registry, config.namespace, "r");
  return new NamerdResolver(config, { clock, rng: seededRng(1), log: silentLogger, metrics });
}

describeResolver("NamerdResolver on a stream", async (clock) => {
  const namerd = FakeNamerd.start();
  namerd.bind(PATH, A);
  return {
    resolver: resolverFor(namerd, clock),
    path: PATH,
    bind: (...addresses) => namerd.bind(PATH, ...addresses),
    initially: [A],
    unknownPath: "/svc/none",
    openHandles: () => namerd.openConnections,
    close: () => namerd.pause(),
  };
});

describeResolver("NamerdResolver by polls", async (clock) => {
  const namerd = FakeNamerd.start();
  namerd.streaming = false;
  namerd.bind(PATH, A);
  return {
    resolver: resolverFor(namerd, clock, { periodMs: 10 }),
    path: PATH,
    bind: (...addresses) => namerd.bind(PATH, ...addresses),
    initially: [A],
    unknownPath: "/svc/none",
    openHandles: () => namerd.openConnections,
    close: () => namerd.pause(),
  };
});

describe("NamerdResolver", () => {
  let namerd: FakeNamerd;
  let clock: RecordingClock;
  let abort: AbortController;
  let all: Resolution[];
  let reports: Resolution[];

  beforeEach(() => {
    namerd = FakeNamerd.start();
    namerd.bind(PATH, A);
    clock = new RecordingClock();
    abort = new AbortController();
    all = [];
    reports = [];
  });

  afterEach(() => {
    abort.abort();
    expect(clock.pending).toBe(0);
    namerd.pause();
  });

  function watch(rest: Partial<NamerdConfig> = {}, path = PATH): void {
    resolverFor(namerd, clock, rest).watch(path, abort.signal, (it) => {
      all.push(it);
      if (it.state !== "pending") reports.push(it);
    });
  }

  /** Begins a new watch, without the reports of the one before. */
  function watchAnew(rest: Partial<NamerdConfig> = {}): void {
    abort.abort();
    abort = new AbortController();
    all = [];
    reports = [];
    namerd.requests.length = 0;
    watch(rest);
  }

  const last = (): Resolution | undefined => all.at(-1);
  const ips = (): string[] => {
    const it = last();
    return it?.state === "bound" ? it.endpoints.map((endpoint) => endpoint.ip) : [];
  };
  const until = (what: string, condition: () => boolean): Promise<void> =>
    eventually(what, condition);
  const reported = (state: Resolution["state"]): Promise<void> =>
    until(state, () => last()?.state === state);
  const streams = (count: number): Promise<void> =>
    until(`${count} streams`, () => namerd.openStreams() === count);
  const requests = (count: number): Promise<void> =>
    until(`${count} requests`, () => namerd.requests.length === count);
  /** Waits until nothing happens but the wait for the next request, and gives its length. */
  const waiting = async (): Promise<number> => {
    await until("a wait for the next request", () => {
      const { pending, lastDelayMs } = clock;
      return pending === 1 && lastDelayMs !== TIMEOUT_MS && lastDelayMs <= LONGEST_WAIT_MS;
    });
    return clock.lastDelayMs;
  };
  /** Lets the time pass until the next request after a failure or between polls; gives how long it was. */
  const nextRequest = async (): Promise<number> => {
    const waitMs = await waiting();
    const count = namerd.requests.length;
    clock.advance(waitMs);
    await requests(count + 1);
    return waitMs;
  };
  /** Lets the time pass until a stream is taken for too silent. */
  const silence = async (): Promise<void> => {
    await until("a timer for silence", () => clock.lastDelayMs > LONGEST_WAIT_MS);
    const count = namerd.requests.length;
    clock.advance(clock.lastDelayMs);
    await requests(count + 1);
  };

  describe("asks", () => {
    test("as namerd expects it", async () => {
      watch({ namespace: "prod/eu west" }, "/svc/a\\x20b");
      await requests(1);
      const [request] = namerd.requests;
      expect(request?.method).toBe("GET");
      expect(request?.target).toBe(
        "/api/1/resolve/prod/eu%20west?path=%2Fsvc%2Fa%5Cx20b&watch=true",
      );
      expect(request?.headers.get("accept")).toBe("application/json");
      expect(request?.headers.get("accept-encoding")).toBe("identity");
    });

    test("once, and keeps one stream for all changes", async () => {
      watch();
      await reported("bound");
      for (let change = 1; change <= 5; change++) {
        namerd.bind(PATH, `10.0.1.${change}:80`);
        await until(`change ${change}`, () => ips()[0] === `10.0.1.${change}`);
      }
      clock.advance(200_000);
      expect(namerd.requests.length).toBe(1);
      expect(reports.length).toBe(6);
    });
  });

  describe("on a stream", () => {
    test("follows the sequence of the reference: pending, bound, two, neg, back again", async () => {
      namerd.set(PATH, { type: "pending" });
      watch();
      await reported("pending");
      expect(all).toEqual([{ state: "pending" }]);
      namerd.bind(PATH, A);
      await until("A", () => Bun.deepEquals(ips(), ["10.0.0.1"]));
      namerd.bind(PATH, A, B);
      await until("A and B", () => ips().length === 2);
      namerd.set(PATH, { type: "neg" });
      await reported("neg");
      namerd.set(PATH, { type: "failed", cause: "no consul" });
      await reported("failed");
      namerd.bind(PATH, B);
      await until("B", () => Bun.deepEquals(ips(), ["10.0.0.2"]));
      expect(namerd.requests.length).toBe(1);
    });

    test("a name that stays pending is not asked for again, and has no deadline", async () => {
      namerd.set(PATH, { type: "pending" });
      watch();
      await reported("pending");
      clock.advance(TIMEOUT_MS * 10);
      expect(namerd.requests.length).toBe(1);
      expect(all.length).toBe(1);
    });

    test("reports neg at once for a name that cannot be routed [linkerd-tcp #26]", async () => {
      watch({}, "/svc/unroutable");
      await reported("neg");
      expect(clock.now()).toBe(1_000);
    });

    test("puts values together whatever the pieces they come in", async () => {
      for (const bytes of [1, 7, 64]) {
        namerd.behaviour = { kind: "split", bytes };
        watchAnew();
        await reported("bound");
        expect(ips()).toEqual(["10.0.0.1"]);
      }
    });

    test("comes back soon after the server ended it in good order", async () => {
      watch();
      await reported("bound");
      clock.advance(60_000);
      namerd.endStreams();
      expect(await nextRequest()).toBeLessThanOrEqual(500);
      await streams(1);
      expect(reports.every((it) => it.state === "bound")).toBe(true);
    });

    test("reports a connection that breaks, and comes back", async () => {
      for (const how of ["reset", "close"] as const) {
        watchAnew();
        await reported("bound");
        namerd.cut(how);
        await reported("failed");
        await nextRequest();
        await reported("bound");
      }
    });

    test("takes the error line of a failed namer as a failure, and comes back", async () => {
      watch();
      await reported("bound");
      namerd.say(PATH, "boom");
      await reported("failed");
      expect(last()).toEqual({ state: "failed", cause: "namerd answered: boom" });
      await nextRequest();
      await reported("bound");
    });

    test("finds its way back to a namerd that was away", async () => {
      watch();
      await reported("bound");
      namerd.pause();
      await reported("failed");
      for (let failures = 2; failures < 6; failures++) {
        clock.advance(await waiting());
        await until("another failure", () => reports.length === 1 + failures);
      }
      namerd.bind(PATH, B);
      namerd.resume();
      await nextRequest();
      await until("B", () => Bun.deepEquals(ips(), ["10.0.0.2"]));
      expect(namerd.mostStreams).toBe(1);
    });
  });

  describe("waits", () => {
    test("longer after each failure, within its bounds, and little after a good stream", async () => {
      namerd.behaviour = { kind: "reset" };
      watch();
      for (let n = 0; n < 12; n++) {
        const waitMs = await nextRequest();
        const ceilingMs = Math.min(500 * 2 ** n, PERIOD_MS);
        expect(waitMs).toBeGreaterThanOrEqual(ceilingMs / 2);
        expect(waitMs).toBeLessThanOrEqual(ceilingMs);
      }
      namerd.behaviour = { kind: "normal" };
      await nextRequest();
      await reported("bound");
      clock.advance(10_000);
      namerd.cut("reset");
      await reported("failed");
      expect(await nextRequest()).toBeLessThanOrEqual(500);
    });

    test("longer each time when streams break soon after they began", async () => {
      watch();
      let waitMs = 0;
      for (let n = 0; n < 8; n++) {
        await until("a value", () => reports.length === 2 * n + 1);
        namerd.cut("reset");
        await reported("failed");
        waitMs = await nextRequest();
      }
      expect(waitMs).toBeGreaterThan(10_000);
    });

    test("less than the period where periods are long", async () => {
      namerd.behaviour = { kind: "reset" };
      watch({ periodMs: 86_400_000 });
      for (let n = 1; n <= 12; n++) expect(await nextRequest()).toBeLessThanOrEqual(60_000);
    });
  });

  describe("without streams", () => {
    beforeEach(() => {
      namerd.streaming = false;
    });

    test("asks again after each period, one request at a time", async () => {
      watch();
      await reported("bound");
      for (let poll = 2; poll < 6; poll++) {
        await waiting();
        namerd.bind(PATH, `10.0.1.${poll}:80`);
        clock.advance(PERIOD_MS - 1);
        expect(namerd.requests.length).toBe(poll - 1);
        clock.advance(1);
        await until(`poll ${poll}`, () => ips()[0] === `10.0.1.${poll}`);
        expect(namerd.requests.length).toBe(poll);
      }
    });

    test("gives up an answer that does not come, and asks again", async () => {
      namerd.behaviour = { kind: "hang" };
      watch();
      await requests(1);
      clock.advance(TIMEOUT_MS - 1);
      expect(reports).toEqual([]);
      clock.advance(1);
      expect(last()).toEqual({
        state: "failed",
        cause: `namerd did not answer within ${TIMEOUT_MS} ms`,
      });
      await until("the connection to close", () => namerd.openConnections === 0);
      namerd.behaviour = { kind: "normal" };
      await nextRequest();
      await reported("bound");
    });

    test("gives up an answer that stops in its middle", async () => {
      namerd.behaviour = { kind: "truncate", bytes: 20, then: "stall" };
      watch();
      await reported("pending");
      clock.advance(TIMEOUT_MS);
      await reported("failed");
    });

    test("asks without watch where the server refuses it", async () => {
      for (const status of [400, 404, 405, 501]) {
        namerd.behaviour = { kind: "status", status, watchOnly: true };
        watchAnew();
        await reported("bound");
        expect(reports.length).toBe(1);
        expect(await nextRequest()).toBe(PERIOD_MS);
        expect(namerd.requests.map((it) => it.watch)).toEqual([true, false, false]);
        await until("the second answer", () => reports.length === 2);
      }
    });

    test("tries streams again after a failure, when another namerd may be there", async () => {
      namerd.behaviour = { kind: "status", status: 400, watchOnly: true };
      watch();
      await reported("bound");
      namerd.behaviour = { kind: "reset" };
      await nextRequest();
      await reported("failed");
      namerd.behaviour = { kind: "normal" };
      namerd.streaming = true;
      await nextRequest();
      await streams(1);
    });
  });

  describe("reports a failure and asks again when namerd answers with", () => {
    const big = `{"type":"bound","addrs":[${'{"ip":"10.0.0.1","port":1},'.repeat(700_000)}]}`;
    const cases: [string, Behaviour][] = [
      ["a status of 500", { kind: "status", status: 500, body: "" }],
      ["a status of 503 and a text", { kind: "status", status: 503, body: "later" }],
      ["a status of 204", { kind: "status", status: 204 }],
      ["400 with and without watch", { kind: "status", status: 400, body: "Invalid path" }],
      ["a redirect", { kind: "status", status: 302, headers: "Location: http://127.0.0.1:1/\r\n" }],
      ["a reset", { kind: "reset" }],
      ["nothing but a FIN", { kind: "raw", bytes: "", then: "close" }],
      ["no HTTP", { kind: "raw", bytes: "SSH-2.0-OpenSSH_9.2\r\n\r\n", then: "keep" }],
      ["half a head", { kind: "raw", bytes: "HTTP/1.1 200 OK\r\nContent-", then: "close" }],
      ["an error without an end", { kind: "raw", bytes: "HTTP/1.1 500 Oh\r\n\r\n", then: "keep" }],
      [
        "a broken chunk",
        {
          kind: "raw",
          bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
          then: "keep",
        },
      ],
      ["an answer cut short", { kind: "truncate", bytes: 20, then: "close" }],
      ["an empty body", { kind: "body", body: "", then: "end" }],
      ["blank lines", { kind: "body", body: "\n\n \n", then: "end" }],
      ["a text", { kind: "body", body: "boom\n", then: "end" }],
      ["HTML", { kind: "body", body: "<html>\n</html>\n", then: "keep" }],
      ["half a value and a clean end", { kind: "body", body: '{"type":"bo', then: "end" }],
      ["a value of another kind", { kind: "body", body: '[{"type":"neg"}]\n', then: "keep" }],
      ["bytes that are no text", { kind: "body", body: Uint8Array.of(255, 0, 10), then: "keep" }],
      ["no usable address", { kind: "body", body: '{"type":"bound","addrs":[{}]}\n', then: "end" }],
      ["more than 16 MiB in a line", { kind: "body", body: big, then: "keep" }],
    ];

    test.each(cases)("%s", async (_, behaviour) => {
      watch();
      await reported("bound");
      namerd.behaviour = behaviour;
      namerd.cut("reset");
      for (let failures = 1; failures <= 3; failures++) {
        await until("a failure", () => reports.length === 1 + failures);
        clock.advance(await waiting());
      }
      expect(reports.slice(1).every((it) => it.state === "failed")).toBe(true);
      await until("a failure", () => reports.length === 5);
      namerd.behaviour = { kind: "normal" };
      await nextRequest();
      await reported("bound");
    });
  });

  describe("gives a stream that is silent for long", () => {
    beforeEach(async () => {
      watch();
      await reported("bound");
    });

    test("a successor, and drops it once that has given a value", async () => {
      const fromMs = clock.now();
      await silence();
      expect(clock.now() - fromMs).toBeWithin(270_000, 330_000);
      await until("another confirmation", () => reports.length === 2);
      await streams(1);
      expect(namerd.mostStreams).toBe(2);
      namerd.bind(PATH, B);
      await until("B", () => Bun.deepEquals(ips(), ["10.0.0.2"]));
      expect(reports.length).toBe(3);
      await silence();
    });

    test.each(["reset", "hang", "headOnly"] as const)(
      "the benefit of the doubt when the successor fails: %s",
      async (kind) => {
        namerd.behaviour = { kind };
        await silence();
        if (kind !== "reset") {
          await until("the connection", () => namerd.openConnections === 2);
          clock.advance(TIMEOUT_MS);
        }
        expect(await waiting()).toBe(PERIOD_MS);
        await until("the successor's end", () => namerd.openConnections === 1);
        expect(namerd.openStreams()).toBe(1);
        expect(reports.length).toBe(1);
        namerd.behaviour = { kind: "normal" };
        await nextRequest();
        await until("its value", () => reports.length === 2);
        await streams(1);
      },
    );

    test("its place to the successor when it breaks meanwhile", async () => {
      namerd.set(PATH, { type: "pending" });
      await silence();
      await streams(2);
      namerd.cutOldest();
      await streams(1);
      namerd.bind(PATH, B);
      await until("B", () => Bun.deepEquals(ips(), ["10.0.0.2"]));
      expect(reports.map((it) => it.state)).toEqual(["bound", "bound"]);
      expect(namerd.requests.length).toBe(2);
    });
  });

  test("replaces a stream that never gave a value by one that gives none either", async () => {
    namerd.set(PATH, { type: "pending" });
    watch();
    await reported("pending");
    await silence();
    await streams(1);
    namerd.bind(PATH, A);
    await reported("bound");
    expect(namerd.requests.length).toBe(2);
  });

  test("gives up a line of a stream that began and does not end", async () => {
    namerd.behaviour = { kind: "body", body: '{"type":"neg"}\n{"type":', then: "keep" };
    watch();
    await reported("neg");
    clock.advance(TIMEOUT_MS - 1);
    expect(last()?.state).toBe("neg");
    clock.advance(1);
    await reported("failed");
  });

  test("reports that nobody listens there", async () => {
    namerd.pause();
    watch();
    await reported("failed");
    expect(last()).toEqual({ state: "failed", cause: "cannot reach namerd (ECONNREFUSED)" });
  });

  test("reports a base URL that is none", async () => {
    watch({ baseUrl: "not a URL" });
    await reported("failed");
  });
});
