// Sessions whose connections begin with a PROXY header, and sessions that send one.
import { describe, expect, test } from "bun:test";
import { afterFailures } from "../../../test/support/accrual-config.ts";
import { FakeSocket } from "../../../test/support/fake-sockets.ts";
import { fakeWorld } from "../../../test/support/fake-world.ts";
import type { ClientProxyProtocolConfig } from "../../config/types.ts";
import { NOBODY } from "../../transport/bun.ts";
import type { StartTls } from "../../transport/server-upgrade.ts";
import type { HandshakeOwner } from "../../transport/socket.ts";
import { LOCAL_V2, UNKNOWN_V1 } from "./encode.ts";
import { IncomingRule } from "./incoming.ts";

const LINE = "PROXY TCP4 203.0.113.9 198.51.100.7 5000 443\r\n";
const TRUSTED = "10.1.2.3";
const OUT: ClientProxyProtocolConfig = { version: 1, tlvs: [] };

function world(
  settings: Parameters<typeof fakeWorld>[0] = {},
  {
    required = true,
    proxyProtocol,
    startTls,
  }: {
    readonly required?: boolean;
    readonly proxyProtocol?: ClientProxyProtocolConfig;
    readonly startTls?: StartTls;
  } = {},
) {
  const incoming = new IncomingRule({ trusted: ["10.0.0.0/8"], required, timeoutMs: 300 });
  return fakeWorld(settings, { proxyProtocol }, { kind: "p2c" }, { incoming, startTls });
}

const reasons = ({ metric }: ReturnType<typeof fakeWorld>, reason: string): number =>
  metric("l5d_srv_close_reason_total", reason);

describe("IncomingRule", () => {
  test("asks trusted peers for a header, and refuses or leaves alone the others", () => {
    const rule = (required: boolean) =>
      new IncomingRule({ trusted: ["10.0.0.0/8", "fd00::/8"], required, timeoutMs: 1 });
    for (const ip of ["10.0.0.1", "::ffff:10.0.0.1", "fd00::1"]) {
      expect([rule(true).demand(ip), rule(false).demand(ip)]).toEqual(["header", "header"]);
    }
    for (const ip of ["11.0.0.1", "::ffff:11.0.0.1", "fe80::1", undefined, "nonsense"]) {
      expect([rule(true).demand(ip), rule(false).demand(ip)]).toEqual(["refuse", "none"]);
    }
  });
});

describe("Session that expects a header", () => {
  test("looks for no endpoint before the header is whole, and delivers what comes after it", () => {
    const all = world();
    const client = all.accept(TRUSTED);
    client.receive(LINE.slice(0, 20));
    expect(all.connector.attempts).toHaveLength(0);
    client.receive(`${LINE.slice(20)}hello`);
    const upstream = all.connector.last.succeed();
    client.receive(" world");
    expect(upstream.written).toBe("hello world");
    expect(all.metric("l5d_srv_stream_rx_bytes_total")).toBe("hello world".length);
    expect(all.metric("l5d_srv_proxy_header_total", "proxy")).toBe(1);
  });

  test("serves the sender's own connections", () => {
    const all = world({}, { proxyProtocol: OUT });
    const client = all.accept(TRUSTED);
    client.receiveBytes(LOCAL_V2);
    expect(all.connector.last.succeed().written).toBe("PROXY TCP4 10.1.2.3 10.0.0.80 1234 80\r\n");
    expect(all.metric("l5d_srv_proxy_header_total", "local")).toBe(1);
  });

  test.each([
    ["something else", "GET / HTTP/1.1\r\n"],
    ["a header that is not valid", "PROXY TCP4 nonsense\r\n"],
  ])("resets %s", (_name, bytes) => {
    const all = world();
    const client = all.accept(TRUSTED);
    client.receive(bytes);
    expect([client.state, all.server.active]).toEqual(["reset", 0]);
    expect(all.connector.attempts).toHaveLength(0);
    expect(reasons(all, "proxy_header_invalid")).toBe(1);
    expect(all.metric("l5d_srv_connect_failure_total", "other")).toBe(1);
  });

  test("resets a header that is late, even if it comes byte by byte", () => {
    const all = world();
    const client = all.accept(TRUSTED);
    for (let sent = 0; sent < 29; sent += 1) {
      client.receive(LINE.slice(sent, sent + 1));
      all.clock.advance(10);
    }
    expect(client.state).toBe("open");
    all.clock.advance(10);
    expect([client.state, all.server.active]).toEqual(["reset", 0]);
    expect(reasons(all, "proxy_header_timeout")).toBe(1);
    all.clock.advance(1_000);
    expect(all.clock.pending).toBe(0);
    expect(all.metric("l5d_srv_connect_failure_total", "timeout")).toBe(1);
  });

  test("tells a probe of the port, which leaves, from a header that breaks off", () => {
    const all = world();
    all.accept(TRUSTED).receiveEnd();
    all.accept(TRUSTED).receiveReset();
    expect(reasons(all, "client_left")).toBe(2);
    const half = all.accept(TRUSTED);
    half.receive(LINE.slice(0, 10));
    half.receiveEnd();
    expect([reasons(all, "proxy_header_invalid"), all.server.active]).toEqual([1, 0]);
  });

  test("stops reading from a client that sends too much after its header", () => {
    const all = world({ earlyLimitBytes: 4 });
    const client = all.accept(TRUSTED);
    client.receive(`${LINE}12345`);
    expect(client.paused).toBe(true);
    expect(all.connector.last.succeed().written).toBe("12345");
    expect(client.paused).toBe(false);
  });

  test("ends at a shutdown", () => {
    const all = world();
    const client = all.accept(TRUSTED);
    client.receive("PRO");
    all.server.destroySessions("shutdown");
    client.receive("XY ");
    expect([client.state, all.server.active, reasons(all, "shutdown")]).toEqual(["reset", 0, 1]);
  });

  test("sends a client to its endpoint by the address in the header", () => {
    const incoming = new IncomingRule({ trusted: ["10.0.0.0/8"], required: true, timeoutMs: 300 });
    const all = fakeWorld({}, {}, { kind: "maglev", maxLoadFactor: 2 }, { incoming });
    const hashes = (line: string): number => {
      const client = all.accept(TRUSTED);
      let hash = 0;
      const { acquire } = all.balancer;
      all.balancer.acquire = (waiter) => {
        hash = waiter.clientHash();
        return acquire.call(all.balancer, waiter);
      };
      client.receive(line);
      all.balancer.acquire = acquire;
      return hash;
    };
    const other = LINE.replace("203.0.113.9", "203.0.113.10");
    expect(hashes(LINE)).toBe(hashes(LINE));
    expect(hashes(LINE)).not.toBe(hashes(other));
  });
});

describe("Session of a peer that is not trusted", () => {
  test("is refused at once where headers are required", () => {
    const all = world();
    const client = all.accept("192.0.2.1");
    expect([client.state, all.connector.attempts.length]).toEqual(["reset", 0]);
    expect(reasons(all, "proxy_untrusted")).toBe(1);
  });

  test("has left, and is no stranger, when its address is not known any more", () => {
    const all = world();
    const client = all.accept();
    expect([client.state, all.server.active]).toEqual(["reset", 0]);
    expect([reasons(all, "client_left"), reasons(all, "proxy_untrusted")]).toEqual([1, 0]);
  });

  test("is served as it is where they are not, and what looks like a header is its data", () => {
    const all = world({}, { required: false, proxyProtocol: OUT });
    const client = all.accept("192.0.2.1");
    client.receive(`${LINE}x`);
    expect(all.connector.last.succeed().written).toBe(
      `PROXY TCP4 192.0.2.1 10.0.0.80 1234 80\r\n${LINE}x`,
    );
  });

  test("is not asked for its first word where headers are not required", () => {
    const all = world({}, { required: false });
    const client = all.accept("192.0.2.1");
    all.connector.last.succeed().receive("220 welcome");
    expect(client.written).toBe("220 welcome");
  });
});

describe("Session with a header before TLS", () => {
  function tlsWorld(required = true, whenStarted?: (owner: HandshakeOwner) => void) {
    const started: { plain: unknown; owner: HandshakeOwner; read: string; tls: FakeSocket }[] = [];
    const all = world(
      { tls: true },
      {
        required,
        startTls: (plain, owner, read) => {
          const tls = new FakeSocket();
          started.push({ plain, owner, read: new TextDecoder().decode(read), tls });
          plain.data = NOBODY;
          whenStarted?.(owner);
          return tls;
        },
      },
    );
    return { ...all, started };
  }

  test("begins TLS with what came after the header, and goes on with the socket that speaks it", () => {
    const all = tlsWorld();
    const plain = all.accept(TRUSTED);
    plain.receive(`${LINE}hello of the client`);
    const [begun] = all.started;
    expect(begun).toMatchObject({ plain, read: "hello of the client" });
    begun?.owner.onHandshake(undefined);
    const upstream = all.connector.last.succeed();
    begun?.tls.receive("secret");
    upstream.receive("answer");
    expect([upstream.written, begun?.tls.written, plain.written]).toEqual(["secret", "answer", ""]);
  });

  test("gives the handshake a time of its own", () => {
    const all = tlsWorld();
    const plain = all.accept(TRUSTED);
    all.clock.advance(299);
    plain.receive(LINE);
    all.clock.advance(499);
    expect(all.started[0]?.tls.state).toBe("open");
    all.clock.advance(1);
    expect(all.started[0]?.tls.state).toBe("reset");
    expect(reasons(all, "handshake_timeout")).toBe(1);
  });

  test("survives a handshake that fails before it has begun", () => {
    for (const closes of [true, false]) {
      const all = tlsWorld(true, (owner) => {
        owner.onHandshake(new Error("no hello"));
        if (closes) owner.onClose(undefined);
      });
      all.accept(TRUSTED).receive(`${LINE}no hello`);
      expect([all.server.active, reasons(all, "handshake_failed")]).toEqual([0, 1]);
      all.clock.advance(1_000);
      expect(all.clock.pending).toBe(0);
    }
  });

  test("begins TLS at once for peers that send no header", () => {
    const all = tlsWorld(false);
    const plain = all.accept("192.0.2.1");
    expect(all.started).toMatchObject([{ plain, read: "" }]);
    // What Bun tells of the plain socket is nobody's business any more.
    plain.receive("ciphertext");
    all.started[0]?.owner.onHandshake(undefined);
    expect(all.connector.last.succeed().written).toBe("");
    expect(all.metric("l5d_srv_stream_rx_bytes_total")).toBe(0);
  });
});

describe("Session that sends a header", () => {
  const HEADER = "PROXY TCP4 192.0.2.1 10.0.0.80 1234 80\r\n";
  const sending = (settings = {}, balancing = {}) =>
    fakeWorld(settings, { proxyProtocol: OUT, ...balancing });

  /** Notes what each write had. */
  function writes(socket: FakeSocket): string[] {
    const all: string[] = [];
    const { write } = socket;
    socket.write = (bytes) => {
      all.push(new TextDecoder().decode(bytes));
      return write.call(socket, bytes);
    };
    return all;
  }

  test("sends it with the client's first bytes in one write", () => {
    const all = sending();
    const client = all.accept("192.0.2.1");
    client.receive("one ");
    client.receive("two");
    const socket = new FakeSocket();
    const seen = writes(socket);
    all.connector.last.succeed(socket);
    expect(seen).toEqual([`${HEADER}one `, "two"]);
    client.receive("!");
    expect(socket.written).toBe(`${HEADER}one two!`);
    expect(all.metric("l5d_srv_stream_rx_bytes_total")).toBe("one two!".length);
    expect(all.metric("l5d_srv_stream_tx_bytes_total")).toBe(0);
  });

  test("sends it at once where the client says nothing, so that the endpoint may speak first", () => {
    const all = sending();
    const client = all.accept("192.0.2.1");
    const upstream = all.connector.last.succeed();
    expect(upstream.written).toBe(HEADER);
    upstream.receive("220 welcome");
    client.receive("HELO");
    expect([client.written, upstream.written]).toEqual(["220 welcome", `${HEADER}HELO`]);
  });

  test("sends it before the end of a client that has ended already", () => {
    const all = sending();
    const client = all.accept("192.0.2.1");
    client.receiveEnd();
    const upstream = all.connector.last.succeed();
    expect([upstream.written, upstream.finished]).toEqual([HEADER, true]);
  });

  test("sends all of it to a socket that takes it in pieces, whatever it is held with", () => {
    for (const early of ["", "early", "x".repeat(70_000)]) {
      for (const room of [0, 1, HEADER.length - 1, HEADER.length, HEADER.length + 3]) {
        const all = sending({ earlyLimitBytes: 4 });
        const client = all.accept("192.0.2.1");
        if (early !== "") client.receive(early);
        const socket = new FakeSocket();
        socket.room = room;
        all.connector.last.succeed(socket);
        client.receive(" more");
        socket.allow(1);
        socket.allow(Number.POSITIVE_INFINITY);
        expect(socket.written).toBe(`${HEADER}${early} more`);
        expect(client.paused).toBe(false);
      }
    }
  });

  test("sends it to each endpoint that is tried, and only once to the one that is used", () => {
    const all = sending();
    all.accept("192.0.2.1");
    all.connector.last.fail();
    all.clock.advance(20);
    expect(all.connector.last.succeed().written).toBe(HEADER);
  });

  test("sends it on a warm connection when a client takes it, and not before", () => {
    const all = sending({}, { minConnections: 1 });
    const warm = all.connector.last.succeed();
    expect(warm.written).toBe("");
    all.accept("192.0.2.1").receive("hello");
    expect(warm.written).toBe(`${HEADER}hello`);
  });

  test("leaves it to the connector where the endpoint speaks TLS", () => {
    const all = fakeWorld({}, { proxyProtocol: OUT }, { kind: "p2c" }, { upstreamTls: {} });
    all.accept("192.0.2.1").receive("hello");
    const { preamble } = all.connector.last;
    expect(new TextDecoder().decode(preamble)).toBe(HEADER);
    expect(all.connector.last.succeed().written).toBe("hello");
  });

  test("is told apart from a probe, which says that it has no client", () => {
    for (const upstreamTls of [undefined, {}]) {
      const header = { probePreamble: UNKNOWN_V1, ...(upstreamTls && { upstreamTls }) };
      const balancing = { proxyProtocol: OUT, accrual: afterFailures(1) };
      const all = fakeWorld({ connectTimeoutMs: 10 }, balancing, { kind: "p2c" }, header);
      all.addEndpoint(2);
      while (all.endpoint.state === "ready") {
        all.accept("192.0.2.1");
        if (all.connector.last.target.port === 1001) all.connector.last.fail();
      }
      all.clock.advance(1_000);
      const probe = all.connector.last;
      expect(probe.preamble).toBe(UNKNOWN_V1);
      expect(probe.succeed().written).toBe(upstreamTls === undefined ? "PROXY UNKNOWN\r\n" : "");
      expect(all.metric("l5d_balancer_connection_open")).toBe(0);
    }
  });

  test("tells the client's own addresses even when it came with a header of another family", () => {
    const all = world({}, { proxyProtocol: OUT });
    all.accept("::ffff:10.1.2.3").receive("PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n");
    expect(all.connector.last.succeed().written).toBe("PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n");
  });
});
