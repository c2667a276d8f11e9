import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { until } from "../../../test/support/until.ts";
import type { Behaviour } from "../../../test/support/fake-namerd-http.ts";
import { NamerdScene, PATH, PERIOD_MS, TIMEOUT_MS } from "../../../test/support/namerd-scene.ts";

const A = "10.0.0.1:80";
const B = "10.0.0.2:80";

describe("NamerdWatch", () => {
  let scene: NamerdScene;

  beforeEach(() => {
    scene = new NamerdScene();
    scene.namerd.bind(PATH, A);
  });

  afterEach(() => {
    expect(scene.stop()).toBe(0);
  });

  describe("waits", () => {
    test("longer after each failure, within its bounds, and little after a good stream", async () => {
      scene.namerd.behaviour = { kind: "reset" };
      scene.watch();
      for (let n = 0; n < 12; n++) {
        const waitMs = await scene.nextRequest();
        const ceilingMs = Math.min(500 * 2 ** n, PERIOD_MS);
        expect(waitMs).toBeGreaterThanOrEqual(ceilingMs / 2);
        expect(waitMs).toBeLessThanOrEqual(ceilingMs);
      }
      scene.namerd.behaviour = { kind: "normal" };
      await scene.nextRequest();
      await scene.reported("bound");
      scene.clock.advance(10_000);
      scene.namerd.cut("reset");
      await scene.reported("failed");
      expect(await scene.nextRequest()).toBeLessThanOrEqual(500);
    });

    test("longer each time when streams break soon after they began", async () => {
      scene.watch();
      let waitMs = 0;
      for (let n = 0; n < 8; n++) {
        await scene.count(2 * n + 1);
        scene.namerd.cut("reset");
        await scene.reported("failed");
        waitMs = await scene.nextRequest();
      }
      expect(waitMs).toBeGreaterThan(10_000);
    });

    test("little after a failure that follows a good poll", async () => {
      scene.namerd.streaming = false;
      scene.namerd.behaviour = { kind: "reset" };
      scene.watch();
      for (let n = 0; n < 6; n++) await scene.nextRequest();
      scene.namerd.behaviour = { kind: "normal" };
      await scene.nextRequest();
      await scene.reported("bound");
      scene.namerd.behaviour = { kind: "reset" };
      expect(await scene.nextRequest()).toBe(PERIOD_MS);
      await scene.reported("failed");
      expect(await scene.nextRequest()).toBeLessThanOrEqual(500);
    });

    test("little after a stream that told several values at once and ended", async () => {
      const body = '{"type":"neg"}\n{"type":"bound","addrs":[]}\n';
      scene.namerd.behaviour = { kind: "body", body, then: "end" };
      scene.watch();
      await scene.count(2);
      expect(await scene.nextRequest()).toBeLessThanOrEqual(500);
    });

    test("less than the period where periods are long", async () => {
      scene.namerd.behaviour = { kind: "reset" };
      scene.watch({ periodMs: 86_400_000 });
      for (let n = 1; n <= 12; n++) expect(await scene.nextRequest()).toBeLessThanOrEqual(60_000);
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
      [
        "an error without an end",
        {
          kind: "raw",
          bytes: "HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n4\r\noops\r\n",
          then: "keep",
        },
      ],
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
      scene.watch();
      await scene.reported("bound");
      scene.namerd.behaviour = behaviour;
      scene.namerd.cut("reset");
      for (let failures = 1; failures <= 3; failures++) {
        await scene.count(1 + failures);
        scene.clock.advance(await scene.waiting());
      }
      expect(scene.reports.slice(1).every((it) => it.state === "failed")).toBe(true);
      await scene.count(5);
      scene.namerd.behaviour = { kind: "normal" };
      await scene.nextRequest();
      await scene.reported("bound");
    });

    test("an error that says nothing and does not end", async () => {
      scene.namerd.behaviour = { kind: "raw", bytes: "HTTP/1.1 500 Oh\r\n\r\n", then: "keep" };
      scene.watch();
      await until("a failure", () => {
        scene.clock.advance(10);
        return scene.reports.length > 0;
      });
      expect(scene.last).toMatchObject({ cause: expect.stringMatching(/HTTP status 500$/) });
    });
  });

  describe("gives a stream that is silent for long", () => {
    beforeEach(async () => {
      scene.watch();
      await scene.reported("bound");
    });

    test("a successor, and drops it once that has given a value", async () => {
      expect(await scene.silence()).toBeWithin(270_000, 330_000);
      await scene.count(2);
      await scene.streams(1);
      expect(scene.namerd.mostStreams).toBe(2);
      scene.namerd.bind(PATH, B);
      await scene.bound("10.0.0.2");
      expect(scene.reports.length).toBe(3);
      await scene.silence();
    });

    test.each(["reset", "hang", "headOnly"] as const)(
      "the benefit of the doubt when the successor fails: %s",
      async (kind) => {
        scene.namerd.behaviour = { kind };
        await scene.silence();
        if (kind !== "reset") {
          await scene.connections(2);
          scene.clock.advance(TIMEOUT_MS);
        }
        expect(await scene.waiting()).toBe(PERIOD_MS);
        await scene.connections(1);
        expect(scene.namerd.openStreams()).toBe(1);
        expect(scene.reports.length).toBe(1);
        scene.namerd.behaviour = { kind: "normal" };
        await scene.nextRequest();
        await scene.count(2);
        await scene.streams(1);
      },
    );

    test("one successor at a time, however long that takes to answer", async () => {
      scene.watchAnew({ requestTimeoutMs: 3_600_000 });
      await scene.reported("bound");
      scene.namerd.behaviour = { kind: "hang" };
      await scene.silence();
      scene.namerd.bind(PATH, B);
      await scene.bound("10.0.0.2");
      scene.clock.advance(1_000_000);
      expect(scene.namerd.requests.length).toBe(2);
      await scene.connections(2);
    });

    test("its place to the successor when it breaks meanwhile", async () => {
      scene.namerd.set(PATH, { type: "pending" });
      await scene.silence();
      await scene.streams(2);
      scene.namerd.cutOldest();
      await scene.streams(1);
      scene.namerd.bind(PATH, B);
      await scene.bound("10.0.0.2");
      expect(scene.reports.map((it) => it.state)).toEqual(["bound", "bound"]);
      expect(scene.namerd.requests.length).toBe(2);
    });
  });

  test("replaces a stream that never gave a value by one that gives none either", async () => {
    scene.namerd.set(PATH, { type: "pending" });
    scene.watch();
    await scene.reported("pending");
    await scene.silence();
    await scene.streams(1);
    scene.namerd.bind(PATH, A);
    await scene.reported("bound");
    expect(scene.namerd.requests.length).toBe(2);
  });

  test("gives up a line of a stream that began and does not end", async () => {
    scene.namerd.behaviour = { kind: "body", body: '{"type":"neg"}\n{"type":', then: "keep" };
    scene.watch();
    await scene.reported("neg");
    scene.clock.advance(TIMEOUT_MS - 1);
    expect(scene.last?.state).toBe("neg");
    scene.clock.advance(1);
    await scene.reported("failed");
  });

  test("gives up a line that trickles in, however busy it is", async () => {
    const addrs = Array.from({ length: 3_000 }, () => ({ ip: "10.0.0.1", port: 80 }));
    scene.namerd.set(PATH, { type: "bound", addrs });
    scene.namerd.behaviour = { kind: "split", bytes: 1 };
    scene.watch();
    await scene.reported("pending");
    let turns = 0;
    await until("some bytes", () => turns++ > 20);
    scene.clock.advance(TIMEOUT_MS - 1);
    turns = 0;
    await until("more bytes", () => turns++ > 20);
    expect(scene.last?.state).toBe("pending");
    scene.clock.advance(1);
    expect(scene.last?.state).toBe("failed");
  });

  test("gives up an answer that promised a length and stops after its value", async () => {
    const bytes = 'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"type":"neg"}\n';
    scene.namerd.behaviour = { kind: "raw", bytes, then: "keep" };
    scene.watch();
    await scene.reported("neg");
    scene.clock.advance(TIMEOUT_MS);
    await scene.reported("failed");
  });

  test("does not follow a redirect, not even to a good answer", async () => {
    const headers = "Location: /api/1/resolve/default?path=%2Fsvc%2Felsewhere\r\n";
    scene.namerd.bind("/svc/elsewhere", B);
    scene.namerd.behaviour = ({ path }) =>
      path === PATH ? { kind: "status", status: 302, headers } : { kind: "normal" };
    scene.watch();
    await scene.reported("failed");
    expect(scene.namerd.requests.length).toBe(1);
  });
});
