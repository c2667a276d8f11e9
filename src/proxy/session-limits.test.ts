// Sessions of servers with limits: who is asked for an address, when, and what is counted.
import { describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { fakeWorld } from "../../test/support/fake-world.ts";
import { admissions, perSource } from "../../test/support/limits.ts";
import type { Admission } from "../admission/admission.ts";
import { newOverloadBoard, OverloadBoard } from "../admission/overload-board.ts";
import { Overload } from "../admission/overload.ts";
import type { LimitsConfig } from "../config/types.ts";
import { PROCESS_METRICS } from "../telemetry/catalogue/process.ts";
import { silentLogger } from "../telemetry/log.ts";
import { Registry } from "../telemetry/registry.ts";
import { LOCAL_V2 } from "./proxy-protocol/encode.ts";
import { IncomingRule } from "./proxy-protocol/incoming.ts";

const TRUSTED = "10.1.2.3";
const line = (ip: string): string => `PROXY TCP4 ${ip} 198.51.100.7 5000 443\r\n`;

function world(
  limits: Partial<LimitsConfig>,
  more: Parameters<typeof fakeWorld>[3] = {},
  tls = false,
) {
  const [admission] = admissions(limits, new FakeClock()).all as [Admission];
  return fakeWorld({ tls }, {}, { kind: "p2c" }, { admission, ...more });
}

function incoming(required: boolean): IncomingRule {
  return new IncomingRule({ trusted: ["10.0.0.0/8"], required, timeoutMs: 300 });
}

const reasons = ({ metric }: ReturnType<typeof fakeWorld>, reason: string): number =>
  metric("l5d_srv_close_reason_total", reason);

describe("Session of a server with limits", () => {
  test.each([false, true])("is reset before anything else when it is refused (TLS: %p)", (tls) => {
    const all = world({ deny: ["203.0.113.0/24"] }, {}, tls);
    const client = all.accept("203.0.113.9");
    expect([client.state, client.written, all.server.active]).toEqual(["reset", "", 0]);
    expect(all.connector.attempts).toHaveLength(0);
    expect(reasons(all, "denied")).toBe(1);
    const metrics = ["accepts_total", "closes_total", "failures_total", "active", "waiters"];
    expect(metrics.map((name) => all.metric(`l5d_srv_${name}`))).toEqual([1, 0, 1, 0, 0]);
    expect(all.clock.pending).toBe(0);
  });

  test.each([false, true])(
    "reaches no endpoint for a client that has reset it already (header: %p)",
    (header) => {
      const all = world(
        { deny: ["203.0.113.0/24"], rate: { perSec: 1, burst: 1 } },
        header ? { incoming: incoming(false) } : {},
      );
      for (let count = 0; count < 3; count += 1) expect(all.accept(undefined).state).toBe("reset");
      expect(all.connector.attempts).toHaveLength(0);
      expect([reasons(all, "client_left"), all.server.active]).toEqual([3, 0]);
      // Nor does it take anything from others.
      expect(all.accept("198.51.100.1").state).toBe("open");
    },
  );

  test("gives its place back when it ends, however it ends", () => {
    const all = world({ perSource: perSource(1) });
    const first = all.accept("203.0.113.9");
    const second = all.accept("203.0.113.9");
    expect([first.state, second.state]).toEqual(["open", "reset"]);
    expect(reasons(all, "source_limit")).toBe(1);
    first.receiveReset();
    const third = all.accept("203.0.113.9");
    all.connector.last.succeed().receiveReset();
    all.clock.advance(20_000);
    expect(third.state).not.toBe("open");
    const fourth = all.accept("203.0.113.9");
    all.clock.advance(20_000);
    expect(fourth.state).toBe("reset");
    expect(all.accept("203.0.113.9").state).toBe("open");
  });

  test("counts the client that a trusted header names, and never the proxy", () => {
    const all = world(
      { perSource: perSource(1), deny: [`${TRUSTED}/32`] },
      { incoming: incoming(true) },
    );
    const connect = (ip: string) => {
      const client = all.accept(TRUSTED);
      client.receive(line(ip));
      return client.state;
    };
    const clients = ["203.0.113.9", "203.0.113.9", "203.0.113.10", TRUSTED];
    expect(clients.map(connect)).toEqual(["open", "reset", "open", "reset"]);
    expect([reasons(all, "source_limit"), reasons(all, "denied")]).toEqual([1, 1]);
    // The proxy's own connections are no client's.
    for (let count = 0; count < 3; count += 1) {
      const check = all.accept(TRUSTED);
      check.receiveBytes(LOCAL_V2);
      expect(check.state).toBe("open");
    }
  });

  test("is refused before a header is waited for where there is to be none", () => {
    const all = world({ deny: ["203.0.113.0/24"] }, { incoming: incoming(false) });
    expect(["203.0.113.9", "203.0.114.9"].map((ip) => all.accept(ip).state)).toEqual([
      "reset",
      "open",
    ]);
  });

  test("is asked before TLS begins after a header", () => {
    let begun = 0;
    const startTls = () => {
      begun += 1;
      throw new Error("not to be begun");
    };
    const all = world({ deny: ["203.0.113.0/24"] }, { incoming: incoming(true), startTls }, true);
    const client = all.accept(TRUSTED);
    client.receive(`${line("203.0.113.9")}hello`);
    expect([client.state, begun]).toEqual(["reset", 0]);
  });
});

test("a worker that sheds refuses new sessions, and leaves those that are open alone", () => {
  const overload = new Overload({
    config: { maxLoopLagMs: 50, maxMemoryBytes: Number.POSITIVE_INFINITY, dryRun: false },
    board: new OverloadBoard(newOverloadBoard(1)),
    worker: 0,
    clock: new FakeClock(),
    log: silentLogger,
    lagging: new Registry(() => {}).gauge(PROCESS_METRICS.overloaded, "loop_lag"),
  });
  const load = { shedding: false };
  const [admission] = admissions({}, new FakeClock(), 1, load).all as [Admission];
  const all = fakeWorld({}, {}, { kind: "p2c" }, { admission, overload });
  const old = all.accept("203.0.113.9");
  const upstream = all.connector.last.succeed();
  load.shedding = true;
  expect(all.accept("203.0.113.9").state).toBe("reset");
  expect(reasons(all, "overload")).toBe(1);
  old.receive("and on");
  expect([upstream.written, old.state]).toEqual(["and on", "open"]);
});
