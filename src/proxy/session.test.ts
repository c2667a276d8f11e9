import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { FakeSocket } from "../../test/support/fake-sockets.ts";
import { fakeWorld } from "../../test/support/fake-world.ts";
import type { HandshakeOwner } from "../transport/socket.ts";

type World = ReturnType<typeof fakeWorld>;

function reasonCounts(world: World, reason: string): number {
  return world.metric("l5d_srv_close_reason_total", reason);
}

function streaming(world: World) {
  const client = world.accept();
  const upstream = world.connector.last.succeed();
  return { client, upstream };
}

describe("Session before an endpoint is in hand", () => {
  test("keeps what the client sends early and delivers it in order", () => {
    const world = fakeWorld();
    const client = world.accept();
    client.receive("one ");
    client.receive("two ");
    const upstream = world.connector.last.succeed();
    client.receive("three");
    expect(upstream.written).toBe("one two three");
  });

  test("stops reading from a client that sends more than the limit, and goes on once it is delivered", () => {
    const world = fakeWorld({ earlyLimitBytes: 8 });
    const client = world.accept();
    client.receive("1234567");
    expect(client.paused).toBe(false);
    client.receive("8");
    expect(client.paused).toBe(true);
    world.connector.last.succeed();
    expect(client.paused).toBe(false);
  });

  test("gives up after connectTimeoutMs with a reset", () => {
    const world = fakeWorld({ connectTimeoutMs: 300 });
    const client = world.accept();
    world.clock.advance(300);
    expect(client.state).toBe("reset");
    expect(world.connector.last.aborted).toBe(true);
    expect(reasonCounts(world, "connect_timeout")).toBe(1);
    expect(world.metric("l5d_srv_connect_failure_total", "timeout")).toBe(1);
    expect([world.endpoint.load, world.server.active, world.clock.pending]).toEqual([0, 0, 0]);
  });

  test("frees its place when the client resets", () => {
    const world = fakeWorld();
    world.accept().receiveReset();
    expect(world.connector.last.aborted).toBe(true);
    expect([world.server.active, world.endpoint.load]).toEqual([0, 0]);
    expect(reasonCounts(world, "client_left")).toBe(1);
  });

  test("frees its place two seconds after the client has ended its direction", () => {
    const world = fakeWorld({ connectTimeoutMs: 60_000 });
    const client = world.accept();
    client.receive("GET");
    client.receiveEnd();
    world.clock.advance(1_999);
    expect(world.server.active).toBe(1);
    world.clock.advance(1);
    expect([world.server.active, client.state]).toEqual([0, "reset"]);
    expect(reasonCounts(world, "client_left")).toBe(1);
  });

  test("serves a client that has ended its direction when an endpoint is found in time", () => {
    const world = fakeWorld();
    const client = world.accept();
    client.receive("question");
    client.receiveEnd();
    const upstream = world.connector.last.succeed();
    expect([upstream.written, upstream.finished]).toEqual(["question", true]);
    upstream.receive("answer");
    upstream.receiveEnd();
    expect([client.written, client.state]).toEqual(["answer", "closed"]);
  });

  test("refuses with a reset when there is no endpoint", () => {
    const world = fakeWorld();
    world.balancer.update({
      known: true,
      branches: [{ branch: 0, weight: 1 }],
      added: [],
      changed: [],
      removed: [{ id: 1, epoch: 1 }],
    });
    const client = world.accept();
    expect([client.state, world.server.active]).toEqual(["reset", 0]);
    expect(reasonCounts(world, "no_endpoint")).toBe(1);
  });
});

describe("Session with TLS", () => {
  const handshake = (client: FakeSocket, failure?: Error) =>
    (client.data as HandshakeOwner).onHandshake(failure);

  test("looks for an endpoint only once the handshake is done", () => {
    const world = fakeWorld({ tls: true });
    const client = world.accept();
    expect(world.connector.attempts).toHaveLength(0);
    handshake(client);
    expect(world.connector.attempts).toHaveLength(1);
  });

  test("costs no endpoint connection when the handshake fails", () => {
    const world = fakeWorld({ tls: true });
    handshake(world.accept(), new Error("bad"));
    expect([world.connector.attempts.length, world.server.active]).toEqual([0, 0]);
    expect(reasonCounts(world, "handshake_failed")).toBe(1);
    expect(world.metric("l5d_srv_tls_handshake_failure_total")).toBe(1);
  });

  test("ends a handshake at its deadline", () => {
    const world = fakeWorld({ tls: true, handshakeTimeoutMs: 500 });
    const client = world.accept();
    world.clock.advance(500);
    expect(client.state).toBe("reset");
    expect(reasonCounts(world, "handshake_timeout")).toBe(1);
    expect(world.clock.pending).toBeLessThanOrEqual(1);
  });
});

describe("Session while streaming", () => {
  test("copies both ways and counts bytes", () => {
    const world = fakeWorld();
    const { client, upstream } = streaming(world);
    client.receive("ping");
    upstream.receive("pong!");
    expect([upstream.written, client.written]).toEqual(["ping", "pong!"]);
    expect(world.metric("l5d_srv_stream_rx_bytes_total")).toBe(4);
    expect(world.metric("l5d_srv_stream_tx_bytes_total")).toBe(5);
  });

  test("stops the writer while the reader stalls, loses nothing, and goes on", () => {
    const world = fakeWorld();
    const { client, upstream } = streaming(world);
    client.room = 3;
    upstream.receive("abcdef");
    expect([client.written, upstream.paused]).toEqual(["abc", true]);
    upstream.receive("gh");
    client.allow(4);
    expect([client.written, upstream.paused]).toEqual(["abcdefg", true]);
    client.allow(100);
    expect([client.written, upstream.paused]).toEqual(["abcdefgh", false]);
  });

  test("passes a half-close on after what was sent before it, and keeps the other direction", () => {
    const world = fakeWorld();
    const { client, upstream } = streaming(world);
    upstream.room = 2;
    client.receive("last");
    client.receiveEnd();
    expect(upstream.finished).toBe(false);
    upstream.allow(100);
    expect([upstream.written, upstream.finished]).toEqual(["last", true]);
    upstream.receive("still here");
    expect(client.written).toBe("still here");
    upstream.receiveEnd();
    expect([client.state, upstream.state]).toEqual(["closed", "closed"]);
    client.close();
    expect(world.server.active).toBe(0);
    expect(reasonCounts(world, "eof")).toBe(1);
    expect(world.metric("l5d_srv_closes_total")).toBe(1);
  });

  test("passes a reset on as a reset, in both directions", () => {
    for (const [from, reason] of [
      ["client", "client_reset"],
      ["upstream", "upstream_reset"],
    ] as const) {
      const world = fakeWorld();
      const pair = streaming(world);
      pair[from].receiveReset();
      expect([pair.client.state, pair.upstream.state]).toEqual(["reset", "reset"]);
      expect(reasonCounts(world, reason)).toBe(1);
      expect([world.server.active, world.endpoint.load]).toEqual([0, 0]);
      world.clock.advance(10_000);
      expect(world.clock.pending).toBe(0);
    }
  });

  test("delivers what was read before a reset, then resets", () => {
    const world = fakeWorld();
    const { client, upstream } = streaming(world);
    client.room = 0;
    upstream.receive("answer");
    upstream.receiveReset();
    expect(client.state).toBe("open");
    client.allow(100);
    expect([client.written, client.state]).toEqual(["answer", "reset"]);
    expect(world.server.active).toBe(0);
  });

  test("resets the other side at once when a socket closes with bytes that could not be written", () => {
    const world = fakeWorld();
    const { client, upstream } = streaming(world);
    upstream.room = 0;
    client.receive("too late");
    upstream.close();
    expect([client.state, world.server.active]).toEqual(["reset", 0]);
    expect(reasonCounts(world, "upstream_reset")).toBe(1);
  });

  test("does not wait for ever for a reader that stalls after a reset", () => {
    const world = fakeWorld();
    const { client, upstream } = streaming(world);
    client.room = 0;
    upstream.receive("answer");
    upstream.receiveReset();
    world.clock.advance(10_000);
    expect([client.state, world.server.active]).toEqual(["reset", 0]);
  });

  test("ends at connectionLifetimeSecs", () => {
    const world = fakeWorld({ connectionLifetimeMs: 5_000 });
    const { client, upstream } = streaming(world);
    world.clock.advance(4_999);
    expect(client.finished).toBe(false);
    world.clock.advance(1);
    expect([client.finished, upstream.finished]).toEqual([true, true]);
    client.receiveEnd();
    upstream.receiveEnd();
    expect([client.state, upstream.state]).toEqual(["closed", "closed"]);
    expect(world.metric("l5d_srv_stream_failure_total", "timeout")).toBe(1);
    expect(reasonCounts(world, "lifetime")).toBe(1);
  });
});

describe("Session, whatever happens", () => {
  const event = fc.oneof(
    fc.record({
      who: fc.constantFrom("client", "upstream"),
      what: fc.constant("send"),
      size: fc.nat(200),
    }),
    fc.record({
      who: fc.constantFrom("client", "upstream"),
      what: fc.constantFrom("end", "reset", "stall"),
    }),
    fc.record({
      who: fc.constantFrom("client", "upstream"),
      what: fc.constant("allow"),
      size: fc.nat(300),
    }),
    fc.record({ who: fc.constant("upstream"), what: fc.constantFrom("connect", "fail") }),
    fc.record({ who: fc.constant("drain"), what: fc.constantFrom("end", "leave to linger") }),
    fc.record({ who: fc.constant("time"), what: fc.constant("pass"), size: fc.nat(1500) }),
  );
  type Event = { who: string; what: string; size?: number };

  /** Plays events as a kernel would: a paused socket delivers nothing, an ended one sends nothing. */
  function play(world: World, events: readonly Event[]) {
    const client = world.accept();
    let upstream: FakeSocket | undefined;
    let decided = 0;
    const sent = { client: "", upstream: "" };
    const ended = { client: false, upstream: false };
    let letter = 0;
    for (const { who, what, size = 0 } of events) {
      if (who === "time") world.clock.advance(size);
      if (who === "drain")
        for (const session of world.server.sessions) session.end("drained", what !== "end");
      const socket = who === "client" ? client : upstream;
      if (what === "connect" || what === "fail") {
        const attempt = world.connector.attempts[decided];
        if (attempt === undefined || attempt.aborted) continue;
        decided += 1;
        if (what === "fail") attempt.fail();
        else upstream = attempt.succeed();
      }
      const name = who === "client" ? "client" : "upstream";
      if (socket === undefined || socket.state !== "open" || !(who in ended)) continue;
      if (what === "stall") socket.room = 0;
      if (what === "allow") socket.allow(size);
      if (what === "reset") socket.receiveReset();
      if (ended[name] || socket.paused) continue;
      if (what === "send" && size > 0) {
        letter += 1;
        const text = String.fromCharCode(97 + (letter % 26)).repeat(size);
        sent[name] += text;
        socket.receive(text);
      }
      if (what === "end") {
        ended[name] = true;
        socket.receiveEnd();
      }
    }
    return { client, upstream, sent };
  }

  test("delivers a prefix of what was sent, in order, and never more", () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), (events) => {
        const { client, upstream, sent } = play(fakeWorld(), events);
        expect(sent.client.startsWith(upstream?.written ?? "")).toBe(true);
        expect(sent.upstream.startsWith(client.written)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test("counts so that accepts = closes + failures + active, and leaves no load behind when it has ended", () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), (events) => {
        const world = fakeWorld({ connectionLifetimeMs: 20_000, idleTimeoutMs: 5_000 });
        play(world, events);
        const active = world.metric("l5d_srv_active");
        const ended = world.metric("l5d_srv_closes_total") + world.metric("l5d_srv_failures_total");
        expect(active).toBe(world.server.active);
        expect(ended + active).toBe(world.metric("l5d_srv_accepts_total"));
        world.server.destroySessions("shutdown");
        world.clock.advance(30_000);
        expect([world.server.active, world.endpoint.load, world.metric("l5d_srv_waiters")]).toEqual(
          [0, 0, 0],
        );
        expect(world.metric("l5d_balancer_connection_open")).toBe(0);
        expect(world.metric("l5d_balancer_connection_pending")).toBe(0);
      }),
      { numRuns: 500 },
    );
  });
});
