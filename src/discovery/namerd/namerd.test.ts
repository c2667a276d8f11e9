import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { FakeNamerd } from "../../../test/support/fake-namerd.ts";
import {
  NamerdScene,
  namerdInterpreter,
  PATH,
  PERIOD_MS,
  TIMEOUT_MS,
} from "../../../test/support/namerd-scene.ts";
import { describeResolver } from "../resolver.contract.ts";

const A = "10.0.0.1:80";
const B = "10.0.0.2:80";
const ID = "/#/io.l5d.fs/web";

/** What the interpreter says of addresses is what a resolver says of names. */
function describeAddresses(how: string, path: string, streaming: boolean): void {
  describeResolver(`The addresses of NamerdInterpreter ${how}`, async (clock) => {
    const namerd = FakeNamerd.start();
    namerd.streaming = streaming;
    namerd.bind(path, A);
    const periodMs = streaming ? PERIOD_MS : 10;
    const interpreter = namerdInterpreter(namerd.baseUrl, clock, { periodMs });
    return {
      resolver: { watch: (...args) => interpreter.addresses(...args) },
      path,
      bind: (...addresses) => namerd.bind(path, ...addresses),
      initially: [A],
      unknownPath: path.replace("web", "none"),
      openHandles: () => namerd.openConnections,
      close: () => namerd.pause(),
    };
  });
}

describeAddresses("by addr, on a stream", ID, true);
describeAddresses("by addr, by polls", ID, false);
describeAddresses("by resolve, on a stream", PATH, true);
describeAddresses("by resolve, by polls", PATH, false);

describe("NamerdInterpreter, of addresses", () => {
  let scene: NamerdScene;

  beforeEach(() => {
    scene = new NamerdScene();
    scene.namerd.bind(PATH, A);
  });

  afterEach(() => {
    expect(scene.stop()).toBe(0);
  });

  describe("asks", () => {
    test("as namerd expects it", async () => {
      scene.watch({ namespace: "prod/eu west" }, "/svc/a\\x20b");
      await scene.requests(1);
      const [request] = scene.namerd.requests;
      expect(request?.method).toBe("GET");
      expect(request?.target).toBe(
        "/api/1/resolve/prod/eu%20west?path=%2Fsvc%2Fa%5Cx20b&watch=true",
      );
      expect(request?.headers.get("accept")).toBe("application/json");
      expect(request?.headers.get("accept-encoding")).toBe("identity");
    });

    test("once, and keeps one stream for all changes", async () => {
      scene.watch();
      await scene.reported("bound");
      for (let change = 1; change <= 5; change++) {
        scene.namerd.bind(PATH, `10.0.1.${change}:80`);
        await scene.bound(`10.0.1.${change}`);
      }
      scene.clock.advance(200_000);
      expect(scene.namerd.requests.length).toBe(1);
      expect(scene.reports.length).toBe(6);
    });
  });

  describe("on a stream", () => {
    test("follows the sequence of the reference: pending, bound, two, neg, back again", async () => {
      scene.namerd.set(PATH, { type: "pending" });
      scene.watch();
      await scene.reported("pending");
      expect(scene.all).toEqual([{ state: "pending" }]);
      scene.namerd.bind(PATH, A);
      await scene.bound("10.0.0.1");
      scene.namerd.bind(PATH, A, B);
      await scene.bound("10.0.0.1", "10.0.0.2");
      scene.namerd.set(PATH, { type: "neg" });
      await scene.reported("neg");
      scene.namerd.set(PATH, { type: "failed", cause: "no consul" });
      await scene.reported("failed");
      scene.namerd.bind(PATH, B);
      await scene.bound("10.0.0.2");
      expect(scene.namerd.requests.length).toBe(1);
    });

    test("a name that stays pending is not asked for again, and has no deadline", async () => {
      scene.namerd.set(PATH, { type: "pending" });
      scene.watch();
      await scene.reported("pending");
      scene.clock.advance(TIMEOUT_MS * 10);
      expect(scene.namerd.requests.length).toBe(1);
      expect(scene.all.length).toBe(1);
    });

    test("reports neg at once for a name that cannot be routed [linkerd-tcp #26]", async () => {
      scene.watch({}, "/svc/unroutable");
      await scene.reported("neg");
      expect(scene.clock.now()).toBe(1_000);
    });

    test("puts values together whatever the pieces they come in", async () => {
      for (const bytes of [1, 7, 64]) {
        scene.namerd.behaviour = { kind: "split", bytes };
        scene.watchAnew();
        await scene.bound("10.0.0.1");
      }
    });

    test("comes back soon after the server ended it in good order", async () => {
      scene.watch();
      await scene.reported("bound");
      scene.clock.advance(60_000);
      scene.namerd.endStreams();
      expect(await scene.nextRequest()).toBeLessThanOrEqual(500);
      await scene.streams(1);
      expect(scene.reports.every((it) => it.state === "bound")).toBe(true);
    });

    test("reports a connection that breaks, and comes back", async () => {
      for (const how of ["reset", "close"] as const) {
        scene.watchAnew();
        await scene.reported("bound");
        scene.namerd.cut(how);
        await scene.reported("failed");
        await scene.nextRequest();
        await scene.reported("bound");
      }
    });

    test("takes the error line of a failed namer as a failure, and comes back", async () => {
      scene.watch();
      await scene.reported("bound");
      scene.namerd.say(PATH, "boom");
      await scene.reported("failed");
      expect(scene.last).toEqual({ state: "failed", cause: "namerd answered: boom" });
      await scene.nextRequest();
      await scene.reported("bound");
    });

    test("finds its way back to a namerd that was away", async () => {
      scene.watch();
      await scene.reported("bound");
      scene.namerd.pause();
      await scene.reported("failed");
      for (let failures = 2; failures < 6; failures++) {
        scene.clock.advance(await scene.waiting());
        await scene.count(1 + failures);
      }
      scene.namerd.bind(PATH, B);
      scene.namerd.resume();
      await scene.nextRequest();
      await scene.bound("10.0.0.2");
      expect(scene.namerd.mostStreams).toBe(1);
    });
  });

  describe("without streams", () => {
    beforeEach(() => {
      scene.namerd.streaming = false;
    });

    test("asks again after each period, one request at a time", async () => {
      scene.watch();
      await scene.reported("bound");
      for (let poll = 2; poll < 6; poll++) {
        await scene.waiting();
        scene.namerd.bind(PATH, `10.0.1.${poll}:80`);
        scene.clock.advance(PERIOD_MS - 1);
        expect(scene.namerd.requests.length).toBe(poll - 1);
        scene.clock.advance(1);
        await scene.bound(`10.0.1.${poll}`);
        expect(scene.namerd.requests.length).toBe(poll);
      }
    });

    test("gives up an answer that does not come, and asks again", async () => {
      scene.namerd.behaviour = { kind: "hang" };
      scene.watch();
      await scene.requests(1);
      scene.clock.advance(TIMEOUT_MS - 1);
      expect(scene.reports).toEqual([]);
      scene.clock.advance(1);
      expect(scene.last).toEqual({
        state: "failed",
        cause: `namerd at ${scene.namerd.baseUrl} did not answer within ${TIMEOUT_MS} ms`,
      });
      await scene.connections(0);
      scene.namerd.behaviour = { kind: "normal" };
      await scene.nextRequest();
      await scene.reported("bound");
    });

    test("gives up an answer that stops in its middle", async () => {
      scene.namerd.behaviour = { kind: "truncate", bytes: 20, then: "stall" };
      scene.watch();
      await scene.reported("pending");
      scene.clock.advance(TIMEOUT_MS);
      await scene.reported("failed");
    });

    test("asks without watch where the server refuses it", async () => {
      for (const status of [400, 404, 405, 501]) {
        scene.namerd.behaviour = { kind: "status", status, watchOnly: true };
        scene.watchAnew();
        await scene.reported("bound");
        expect(scene.reports.length).toBe(1);
        expect(await scene.nextRequest()).toBe(PERIOD_MS);
        expect(scene.namerd.requests.map((it) => it.watch)).toEqual([true, false, false]);
        await scene.count(2);
      }
    });

    test("tries streams again after a failure, when another namerd may be there", async () => {
      scene.namerd.behaviour = { kind: "status", status: 400, watchOnly: true };
      scene.watch();
      await scene.reported("bound");
      scene.namerd.behaviour = { kind: "reset" };
      await scene.nextRequest();
      await scene.reported("failed");
      scene.namerd.behaviour = { kind: "normal" };
      scene.namerd.streaming = true;
      await scene.nextRequest();
      await scene.streams(1);
    });
  });

  test("reports that nobody listens there", async () => {
    scene.namerd.pause();
    scene.watch();
    await scene.reported("failed");
    const cause = `cannot reach namerd at ${scene.namerd.baseUrl} (ECONNREFUSED)`;
    expect(scene.last).toEqual({ state: "failed", cause });
  });

  test("reports a base URL that is none", async () => {
    scene.watch({ baseUrl: "not a URL" });
    await scene.reported("failed");
  });
});
