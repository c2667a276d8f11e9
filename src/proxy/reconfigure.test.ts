// New settings for a server that runs: new sessions follow them, those that run keep theirs.
import { describe, expect, test } from "bun:test";
import { fakeWorld, SERVER } from "../../test/support/fake-world.ts";
import type { Listener } from "../transport/listener.ts";
import type { ServerSettings, ServerSetup } from "./server.ts";

function setup() {
  const world = fakeWorld();
  const listener = {
    accepting: false,
    pause: () => void (listener.accepting = false),
    resume: () => (listener.accepting = true),
    close: () => void (listener.accepting = false),
  };
  world.server.listen(listener as unknown as Listener);
  const over: string[] = [];
  const reconfigure = (name: string, settings: Partial<ServerSettings> = {}): void =>
    world.server.reconfigure({
      settings: { ...SERVER, ...settings },
      route: () => world.balancer,
      onOver: () => over.push(name),
    } satisfies ServerSetup);
  return { ...world, listener, over, reconfigure };
}

describe("Server.reconfigure()", () => {
  test("leaves limits of time as they were for sessions that run", () => {
    const { accept, clock, connector, reconfigure } = setup();
    const old = accept();
    reconfigure("b", { connectTimeoutMs: 300 });
    const fresh = accept();
    clock.advance(300);
    expect([old.state, fresh.state]).toEqual(["open", "reset"]);
    clock.advance(700);
    expect(old.state).toBe("reset");
    expect(connector.attempts.length).toBe(2);
  });

  test("ends idle sessions by the limit that each began with", () => {
    const { accept, clock, connector, reconfigure } = setup();
    const never = accept();
    connector.last.succeed();
    reconfigure("b", { idleTimeoutMs: 10_000 });
    const late = accept();
    connector.last.succeed();
    reconfigure("c", { idleTimeoutMs: 1_000 });
    const soon = accept();
    connector.last.succeed();
    reconfigure("d");
    clock.advance(2_500);
    expect([never.state, late.state, soon.state]).toEqual(["open", "open", "closed"]);
    clock.advance(10_000);
    expect([never.state, late.state]).toEqual(["open", "closed"]);
  });

  test("goes by the new limit of connections", () => {
    const { accept, listener, reconfigure } = setup();
    const first = accept();
    accept();
    reconfigure("b", { maxConcurrency: 2 });
    expect(listener.accepting).toBe(false);
    reconfigure("c", { maxConcurrency: 3 });
    expect(listener.accepting).toBe(true);
    reconfigure("d", { maxConcurrency: 1 });
    expect(listener.accepting).toBe(false);
    first.receiveReset();
    expect(listener.accepting).toBe(false);
  });

  test("tells once when no session has the settings of before any more", () => {
    const { accept, connector, over, reconfigure, server, clock } = setup();
    reconfigure("b");
    const session = accept();
    connector.last.succeed();
    reconfigure("c");
    reconfigure("d");
    expect(over).toEqual(["c"]);
    session.receiveReset();
    clock.advance(10_000);
    expect(over).toEqual(["c", "b"]);
    let drained = 0;
    server.drain(() => (drained += 1));
    server.drain(() => (drained += 1));
    expect([over, drained]).toEqual([["c", "b", "d"], 2]);
  });

  test("counts on in the same series", () => {
    const { accept, metric, reconfigure } = setup();
    accept();
    reconfigure("b", { tls: false });
    accept();
    expect([metric("l5d_srv_accepts_total"), metric("l5d_srv_active")]).toEqual([2, 2]);
  });
});
