import { describe, expect, test } from "bun:test";
import type { FakeSocket } from "../../test/support/fake-sockets.ts";
import { fakeWorld } from "../../test/support/fake-world.ts";
import type { Listener } from "../transport/listener.ts";
import type { Session } from "./session.ts";

type World = ReturnType<typeof fakeWorld>;

function reasonCounts(world: World, reason: string): number {
  return world.metric("l5d_srv_close_reason_total", reason);
}

function only(world: World): Session {
  const [session] = world.server.sessions;
  if (session === undefined) throw new Error("there is no session");
  return session;
}

function streaming(settings: Parameters<typeof fakeWorld>[0] = {}) {
  const world = fakeWorld(settings);
  const client = world.accept();
  const upstream = world.connector.last.succeed();
  return { world, client, upstream, session: only(world) };
}

/** As a server has it: its sessions are looked at now and then. */
function looking(settings: Parameters<typeof fakeWorld>[0]) {
  const made = streaming(settings);
  const listener = { pause() {}, resume: () => true, close() {} };
  made.world.server.listen(listener as unknown as Listener);
  return made;
}

function finished(...sockets: readonly FakeSocket[]): boolean[] {
  return sockets.map((socket) => socket.finished);
}

describe("Session that is ended in order", () => {
  test("sends FIN both ways, and is over when both peers have ended", () => {
    const { world, client, upstream, session } = streaming();
    session.end("drained");
    expect(finished(client, upstream)).toEqual([true, true]);
    expect([session.closed, session.facts().phase]).toEqual([false, "ending"]);
    upstream.receiveEnd();
    client.receiveEnd();
    expect([session.closed, world.server.active, world.endpoint.load]).toEqual([true, 0, 0]);
    expect(reasonCounts(world, "drained")).toBe(1);
    expect(world.metric("l5d_srv_closes_total")).toBe(1);
    world.clock.advance(20_000);
    expect(world.clock.pending).toBe(0);
  });

  test("delivers what was read before, to a reader that takes its time", () => {
    const { world, client, upstream, session } = streaming();
    client.room = 3;
    upstream.receive("abcdef");
    session.end("drained", false);
    expect([client.finished, upstream.finished, upstream.paused]).toEqual([false, true, false]);
    world.clock.advance(60_000);
    client.allow(100);
    expect([client.written, client.finished, client.state]).toEqual(["abcdef", true, "open"]);
  });

  test("passes on nothing that comes later", () => {
    const { client, upstream, session } = streaming();
    session.end("drained");
    client.receive("more");
    upstream.receive("more");
    expect([client.written, upstream.written]).toEqual(["", ""]);
  });

  test("does not let a stream that is cut short look like a whole one", () => {
    const { world, client, upstream, session } = streaming();
    client.room = 3;
    upstream.receive("abcdef");
    session.end("drained");
    upstream.receive("ghi");
    client.allow(100);
    expect([client.written, client.finished, client.state]).toEqual(["abcdef", false, "reset"]);
    upstream.receiveEnd();
    expect(reasonCounts(world, "drained")).toBe(1);
  });

  test("resets a peer that goes on sending and sending", () => {
    const { client, upstream, session } = streaming();
    client.room = 3;
    upstream.receive("abcdef");
    session.end("drained", false);
    for (let count = 0; count < 4; count += 1) upstream.receive("x".repeat(65_536));
    expect(upstream.state).toBe("open");
    upstream.receive("x");
    expect([upstream.state, client.state]).toEqual(["reset", "open"]);
    client.allow(100);
    expect([client.written, client.state, session.closed]).toEqual(["abcdef", "reset", true]);
  });

  test("resets peers that do not end within a linger", () => {
    const { world, client, upstream, session } = streaming();
    session.end("idle_timeout");
    world.clock.advance(10_000);
    expect([client.state, upstream.state]).toEqual(["reset", "reset"]);
    expect(reasonCounts(world, "idle_timeout")).toBe(1);
  });

  test("leaves the time to whoever asks for that", () => {
    const { world, client, upstream, session } = streaming({ connectionLifetimeMs: 5_000 });
    session.end("drained", false);
    world.clock.advance(600_000);
    expect([client.state, upstream.state]).toEqual(["open", "open"]);
    session.destroy("drain_deadline");
    expect([client.state, upstream.state]).toEqual(["reset", "reset"]);
    expect(reasonCounts(world, "drained")).toBe(1);
  });

  test("counts with the reason of the reset when bytes are lost by it", () => {
    const { world, client, upstream, session } = streaming();
    client.room = 0;
    upstream.receive("never taken");
    session.end("drained", false);
    session.destroy("drain_deadline");
    expect(reasonCounts(world, "drain_deadline")).toBe(1);
    expect(reasonCounts(world, "drained")).toBe(0);
  });

  test("takes a peer's reset for an end", () => {
    const { world, client, upstream, session } = streaming();
    session.end("drained");
    client.receiveReset();
    expect([upstream.state, session.closed]).toEqual(["open", false]);
    upstream.receiveEnd();
    expect([reasonCounts(world, "drained"), reasonCounts(world, "client_reset")]).toEqual([1, 0]);
  });

  test("is reset where it has no endpoint yet", () => {
    const world = fakeWorld();
    const client = world.accept();
    only(world).end("drained");
    expect([client.state, world.server.active]).toEqual(["reset", 0]);
    expect(world.connector.last.aborted).toBe(true);
    expect(reasonCounts(world, "drained")).toBe(1);
  });

  test("ends the direction that has not ended", () => {
    const { client, upstream, session } = streaming();
    client.receiveEnd();
    expect(finished(client, upstream)).toEqual([false, true]);
    session.end("drained");
    expect(client.state).toBe("closed");
    upstream.receiveEnd();
    expect(session.closed).toBe(true);
  });
});

describe("Session of which one direction has ended", () => {
  test("is ended when nothing has moved in the other for halfClosedTimeoutMs, counted from the end", () => {
    const { world, client, upstream } = looking({ halfClosedTimeoutMs: 8_000 });
    world.clock.advance(100_000);
    client.receiveEnd();
    world.clock.advance(7_000);
    expect(client.finished).toBe(false);
    world.clock.advance(3_000);
    expect([client.state, upstream.state]).toEqual(["closed", "closed"]);
    expect(reasonCounts(world, "half_closed_timeout")).toBe(1);
    expect(world.metric("l5d_srv_stream_failure_total", "timeout")).toBe(1);
  });

  test("goes on for as long as bytes move, however slowly", () => {
    const { world, client, upstream, session } = looking({ halfClosedTimeoutMs: 8_000 });
    client.receiveEnd();
    for (let count = 0; count < 100; count += 1) {
      world.clock.advance(6_000);
      upstream.receive("x");
    }
    expect([session.facts().phase, client.written.length]).toEqual(["half_closed", 100]);
    upstream.receiveEnd();
    expect(reasonCounts(world, "eof")).toBe(1);
  });

  test("does not make an open connection idle", () => {
    const { world, session } = looking({ halfClosedTimeoutMs: 8_000 });
    world.clock.advance(1_000_000);
    expect(session.facts().phase).toBe("streaming");
  });

  test("is ended the same way when the endpoint has ended its direction", () => {
    const { world, client, upstream } = looking({ halfClosedTimeoutMs: 8_000 });
    upstream.receiveEnd();
    world.clock.advance(10_000);
    expect([upstream.state, client.state]).toEqual(["closed", "closed"]);
  });

  test("is lost no bytes that wait for a slow reader", () => {
    const { world, client, upstream } = looking({ idleTimeoutMs: 8_000 });
    client.room = 3;
    upstream.receive("abcdef");
    world.clock.advance(10_000);
    expect([client.state, upstream.finished]).toEqual(["open", true]);
    client.allow(100);
    expect([client.written, client.finished]).toEqual(["abcdef", true]);
    client.receiveEnd();
    upstream.receiveEnd();
    expect(reasonCounts(world, "idle_timeout")).toBe(1);
  });
});

test("Session whose peer's host has vanished says so by its reason", () => {
  for (const [who, code, reason] of [
    ["client", "ETIMEDOUT", "client_lost"],
    ["client", "EHOSTUNREACH", "client_lost"],
    ["upstream", "ETIMEDOUT", "upstream_lost"],
    ["upstream", "ECONNRESET", "upstream_reset"],
  ] as const) {
    const { world, client, upstream } = streaming();
    const socket = who === "client" ? client : upstream;
    socket.state = "reset";
    socket.data.onClose(Object.assign(new Error(code), { code }));
    expect([client.state, upstream.state]).toEqual(["reset", "reset"]);
    expect(reasonCounts(world, reason)).toBe(1);
  }
});

test("Session has the kernel watch over its endpoint once it has lasted, and only once", () => {
  const { world, upstream } = looking({});
  world.clock.advance(60_000);
  expect(world.connector.watched).toEqual([upstream]);
});

test("Session that is short costs no system calls for watching over it", () => {
  const { world, client, upstream } = looking({});
  world.clock.advance(3_000);
  client.receiveEnd();
  upstream.receiveEnd();
  world.clock.advance(60_000);
  expect(world.connector.watched).toEqual([]);
});
