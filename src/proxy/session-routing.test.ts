// Sessions on servers that choose: the hello that is passed on, what comes in its place, names that a client brings up.
import { describe, expect, test } from "bun:test";
import { FakeSocket } from "../../test/support/fake-sockets.ts";
import { fakeWorld } from "../../test/support/fake-world.ts";
import { helloRecords } from "../../test/support/tls/hello-bytes.ts";
import type { Balancer } from "../balancer/balancer.ts";
import type { ClientProxyProtocolConfig } from "../config/types.ts";
import type { OtherwiseTarget, RouteConfig, RouteTarget } from "../config/route-types.ts";
import type { Asker, Lookup } from "../router/lookup.ts";
import { agreedTraits } from "./agreed-traits.ts";
import { type HelloObserver, IncomingHello } from "./client-hello/incoming-hello.ts";
import { RouteTable } from "../router/route-table.ts";
import { IncomingRule } from "./proxy-protocol/incoming.ts";
import { decode } from "./proxy-protocol/decode.ts";
import { TLV, tlvOf } from "./proxy-protocol/header.ts";
import { sessionTls } from "./session-facts.ts";

const WEB: RouteTarget = { kind: "path", path: "/svc/web" };
const CLOSE: OtherwiseTarget = { kind: "end", how: "close" };
const RESET: OtherwiseTarget = { kind: "end", how: "reset" };
const HELLO = helloRecords({ serverName: "web.test", alpn: ["h2"] });
const BY_NAME: RouteConfig = { match: { sni: ["web.test"] }, to: WEB };
const OF_TENS: RouteConfig = { match: { source: ["10.0.0.0/8"] }, to: WEB };

/** A source of names that a test drives. */
class FakeLookup implements Lookup {
  readonly asked: { readonly path: string; readonly asker: Asker }[] = [];
  known: Balancer | undefined;

  find(path: string, asker: Asker): Balancer | undefined {
    if (this.known === undefined) this.asked.push({ path, asker });
    return this.known;
  }

  leave(path: string, asker: Asker): void {
    const at = this.asked.findIndex((one) => one.path === path && one.asker === asker);
    this.asked.splice(at, 1);
  }
}

interface Keys {
  readonly routes?: readonly RouteConfig[];
  readonly rest?: RouteTarget;
  readonly otherwise?: Readonly<Record<string, OtherwiseTarget>>;
  readonly passthrough?: boolean;
  readonly incoming?: IncomingRule;
  readonly proxyProtocol?: ClientProxyProtocolConfig;
}

function world(
  { routes = [BY_NAME], rest, otherwise, passthrough = true, incoming, proxyProtocol }: Keys = {},
  settings: Parameters<typeof fakeWorld>[0] = {},
) {
  const config = {
    routes,
    rest,
    otherwise: {
      notTls: RESET,
      noServerName: undefined,
      noRoute: RESET,
      silent: RESET,
      ...otherwise,
    },
    passthrough: passthrough ? { helloTimeoutMs: 300 } : undefined,
  };
  const lookup = new FakeLookup();
  const known: { balancer: Balancer | undefined } = { balancer: undefined };
  const shared = {
    table: new RouteTable(config, () => 0),
    route: () => known.balancer,
    lookup,
    helloTimeoutMs: config.passthrough?.helloTimeoutMs,
    readHello: (observer: HelloObserver) => new IncomingHello(observer),
    agreed: agreedTraits,
  };
  const all = fakeWorld(
    { earlyLimitBytes: 100_000, ...settings },
    { proxyProtocol },
    { kind: "p2c" },
    { routes: shared, incoming },
  );
  known.balancer = all.balancer;
  const reason = (name: string) => all.metric("l5d_srv_close_reason_total", name);
  const count = (name: string) => all.metric("l5d_srv_otherwise_total", name);
  return { ...all, lookup, reason, count };
}

/** Keeps what is written as it is: a PROXY header is no text. */
class RawSocket extends FakeSocket {
  bytes: Uint8Array = new Uint8Array(0);

  override write(bytes: Uint8Array): number {
    this.bytes = new Uint8Array([...this.bytes, ...bytes]);
    return super.write(bytes);
  }
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

describe("Session of a TLS that is passed on", () => {
  test("connects nowhere before the hello is whole, and passes all on as it came", () => {
    const all = world();
    const client = all.accept("192.0.2.1");
    for (const byte of HELLO.subarray(0, -1)) client.receiveBytes(Uint8Array.of(byte));
    expect(all.connector.attempts).toHaveLength(0);
    const facts = [...all.server.sessions].map((session) => session.facts());
    expect(facts.map((one) => [one.phase, sessionTls(one)])).toEqual([["connecting", undefined]]);
    const end = new Uint8Array([...HELLO.subarray(-1), ...new TextEncoder().encode("early")]);
    client.receiveBytes(end);
    const upstream = all.connector.last.succeed();
    client.receive(" and more");
    expect(upstream.written).toBe(`${text(HELLO)}early and more`);
    upstream.receive("answer");
    expect(client.written).toBe("answer");
    expect(all.metric("l5d_srv_stream_rx_bytes_total")).toBe(
      HELLO.length + "early and more".length,
    );
    const [session] = all.server.sessions;
    expect(session && sessionTls(session.facts())).toMatchObject({
      serverName: "web.test",
      alpn: "h2",
    });
    upstream.receiveEnd();
    client.receiveEnd();
    expect(all.reason("eof")).toBe(1);
  });

  test("passes the end of the client on that comes with its hello", () => {
    const all = world();
    const client = all.accept();
    client.receiveBytes(HELLO);
    client.receiveEnd();
    const upstream = all.connector.last.succeed();
    expect([upstream.written, upstream.finished]).toEqual([text(HELLO), true]);
  });

  test.each<[string, (client: FakeSocket) => void, string, string]>([
    ["plain text", (client) => client.receive("GET /"), "not_tls", "not_tls"],
    [
      "a broken hello",
      (client) => client.receiveBytes(Uint8Array.of(22, 3, 1, 0, 0)),
      "malformed_hello",
      "not_tls",
    ],
    [
      "a hello that breaks off",
      (client) => {
        client.receiveBytes(HELLO.subarray(0, 50));
        client.receiveEnd();
      },
      "malformed_hello",
      "not_tls",
    ],
    [
      "a name that no rule has",
      (client) => client.receiveBytes(helloRecords({ serverName: "x" })),
      "no_route",
      "no_route",
    ],
    [
      "no name",
      (client) => client.receiveBytes(helloRecords({})),
      "no_server_name",
      "no_server_name",
    ],
  ])("resets, or closes, %s", (_, send, label, reason) => {
    for (const end of [RESET, CLOSE]) {
      const all = world({
        otherwise: { notTls: end, noRoute: end, noServerName: end, silent: end },
      });
      const client = all.accept();
      send(client);
      expect([all.count(label), all.connector.attempts.length]).toEqual([1, 0]);
      if (end === RESET) expect(client.state).toBe("reset");
      else {
        // One that has ended its own direction is closed at once.
        expect(client.finished || client.state === "closed").toBe(true);
        expect(client.state).not.toBe("reset");
        client.receive("more that nobody reads");
        if (client.state === "open") client.receiveEnd();
      }
      expect([all.reason(reason), all.server.active]).toEqual([1, 0]);
      all.clock.advance(20_000);
      expect(all.clock.pending).toBe(0);
    }
  });

  test("resets a client that was closed in good order and does not close", () => {
    const all = world({ otherwise: { notTls: CLOSE } });
    const client = all.accept();
    client.receive("GET /");
    all.clock.advance(9_000);
    expect(client.state).toBe("open");
    all.clock.advance(2_000);
    expect([client.state, all.reason("not_tls"), all.server.active]).toEqual(["reset", 1, 0]);
  });

  test("sends what is no TLS where it is told to, whole", () => {
    const all = world({ otherwise: { notTls: { kind: "path", path: "/svc/plain" } } });
    const client = all.accept();
    client.receive("GET / HTTP/1.0\r\n\r\n");
    expect(all.connector.last.succeed().written).toBe("GET / HTTP/1.0\r\n\r\n");
    expect(all.count("not_tls")).toBe(1);
  });

  test("resets a hello that is late, even if it comes byte by byte", () => {
    const all = world();
    const client = all.accept();
    for (let at = 0; at < 29; at += 1) {
      client.receiveBytes(HELLO.subarray(at, at + 1));
      all.clock.advance(10);
    }
    expect(client.state).toBe("open");
    all.clock.advance(10);
    expect([client.state, all.server.active]).toEqual(["reset", 0]);
    expect([all.reason("hello_timeout"), all.count("silent")]).toEqual([1, 0]);
    all.clock.advance(1_000);
    expect(all.clock.pending).toBe(0);
  });

  test("gives up no later than its connect deadline", () => {
    const all = world({}, { connectTimeoutMs: 200 });
    const client = all.accept();
    all.clock.advance(200);
    expect([client.state, all.reason("hello_timeout")]).toEqual(["reset", 1]);
  });

  test("tells a client that leaves, and one that is silent, from one that breaks off", () => {
    const all = world();
    all.accept().receiveEnd();
    all.accept().receiveReset();
    expect([all.reason("client_left"), all.count("silent")]).toEqual([2, 0]);
    all.accept();
    all.clock.advance(300);
    expect([all.reason("hello_timeout"), all.count("silent"), all.server.active]).toEqual([
      1, 1, 0,
    ]);
    const broken = all.accept();
    broken.receiveBytes(HELLO.subarray(0, 20));
    broken.receiveReset();
    expect([all.reason("client_left"), all.server.active]).toEqual([3, 0]);
  });

  test("serves a client that waits for the server to speak, at its deadline or at its end", () => {
    const all = world({ otherwise: { silent: { kind: "path", path: "/svc/mail" } } });
    const client = all.accept();
    all.clock.advance(299);
    expect(all.connector.attempts).toHaveLength(0);
    all.clock.advance(1);
    const upstream = all.connector.last.succeed();
    upstream.receive("220 ready");
    expect(client.written).toBe("220 ready");
    const listener = all.accept();
    listener.receiveEnd();
    const second = all.connector.last.succeed();
    expect([second.finished, all.count("silent")]).toEqual([true, 2]);
  });

  test("does not wait for a hello where the client's address says where to go", () => {
    const all = world({ routes: [OF_TENS, BY_NAME] });
    const client = all.accept("10.1.2.3");
    const upstream = all.connector.last.succeed();
    upstream.receive("220 ready");
    expect(client.written).toBe("220 ready");
    all.accept("11.1.2.3");
    expect(all.connector.attempts).toHaveLength(1);
  });

  test("ends at a shutdown and by an operator while its hello is being read", () => {
    const all = world();
    const first = all.accept();
    const second = all.accept();
    const [one] = all.server.sessions;
    one?.end("killed");
    expect([first.state, all.reason("killed")]).toEqual(["reset", 1]);
    all.server.destroySessions("shutdown");
    expect([second.state, all.reason("shutdown"), all.server.active]).toEqual(["reset", 1, 0]);
    first.receiveBytes(HELLO);
    expect(all.connector.attempts).toHaveLength(0);
  });

  test("is refused by a rule that says so", () => {
    const all = world({ routes: [{ match: { sni: ["web.test"] }, to: RESET }] });
    const client = all.accept();
    client.receiveBytes(HELLO);
    expect([client.state, all.reason("route_refused")]).toEqual(["reset", 1]);
  });

  test("has no endpoint where its destination is not known", () => {
    const all = world({ routes: [{ match: { sni: ["web.test"] }, to: WEB }] });
    const { connector, balancer } = all;
    balancer.update({
      known: true,
      branches: [],
      added: [],
      changed: [],
      removed: [{ id: 1, epoch: 0 }],
    });
    all.accept().receiveBytes(HELLO);
    expect([connector.attempts.length, all.reason("no_endpoint")]).toEqual([0, 1]);
  });
});

describe("Session with a PROXY header before its hello", () => {
  const LINE = "PROXY TCP4 10.9.9.9 198.51.100.7 5000 443\r\n";
  const incoming = new IncomingRule({ trusted: ["172.16.0.0/12"], required: true, timeoutMs: 300 });

  test("reads both, in one portion or in many, and goes by the address that the header tells", () => {
    const all = new TextEncoder().encode(LINE);
    const whole = new Uint8Array([...all, ...HELLO]);
    for (const size of [1, 45, 10_000]) {
      const one = world({
        incoming,
        routes: [{ match: { ...OF_TENS.match, ...BY_NAME.match }, to: WEB }],
      });
      const client = one.accept("172.16.0.1");
      for (let at = 0; at < whole.length; at += size)
        client.receiveBytes(whole.subarray(at, at + size));
      expect(one.connector.last.succeed().written).toBe(text(HELLO));
    }
  });

  test("does not wait where the address in the header says where to go, and keeps what came with it", () => {
    const one = world({ incoming, routes: [OF_TENS] });
    const client = one.accept("172.16.0.1");
    client.receive(`${LINE}hello`);
    expect(one.connector.last.succeed().written).toBe("hello");
    const silent = one.accept("172.16.0.1");
    silent.receive(LINE);
    expect(one.connector.attempts).toHaveLength(2);
  });

  test("gives the hello its own time", () => {
    const one = world({ incoming });
    const client = one.accept("172.16.0.1");
    one.clock.advance(200);
    client.receive(LINE);
    one.clock.advance(299);
    expect(client.state).toBe("open");
    one.clock.advance(1);
    expect([client.state, one.reason("hello_timeout")]).toEqual(["reset", 1]);
  });

  test("tells the endpoint the name and the protocol of the hello, and of no TLS of ours", () => {
    const proxyProtocol = { version: 2, tlvs: ["authority", "alpn", "tls"] } as const;
    const one = world({ proxyProtocol });
    const client = one.accept("192.0.2.1");
    client.receiveBytes(HELLO);
    const upstream = new RawSocket();
    one.connector.last.succeed(upstream);
    const decoded = decode(upstream.bytes);
    if (decoded.kind !== "header") throw new Error(JSON.stringify(decoded));
    const tlv = (type: number) => tlvOf(decoded.header, type);
    expect([tlv(TLV.authority), tlv(TLV.alpn)].map((value) => value && text(value))).toEqual([
      "web.test",
      "h2",
    ]);
    expect(tlv(TLV.ssl)).toBeUndefined();
  });
});

describe("Session whose client brings up the name", () => {
  const rest: RouteTarget = { kind: "template", template: "/svc/{sni}" };

  test("waits for its balancer, within the connect deadline", () => {
    const all = world({ routes: [], rest });
    const client = all.accept();
    client.receiveBytes(HELLO);
    expect(all.lookup.asked.map(({ path }) => path)).toEqual(["/svc/web.test"]);
    all.lookup.asked[0]?.asker.onBalancer(all.balancer);
    expect(all.connector.last.succeed().written).toBe(text(HELLO));
    const other = all.accept();
    other.receiveBytes(HELLO);
    all.clock.advance(1_000);
    expect([other.state, all.reason("connect_timeout")]).toEqual(["reset", 1]);
    // The first was answered without leaving; the second has left.
    expect(all.lookup.asked).toHaveLength(1);
  });

  test("has it at once where it is known", () => {
    const all = world({ routes: [], rest });
    all.lookup.known = all.balancer;
    all.accept().receiveBytes(HELLO);
    expect(all.connector.last.succeed().written).toBe(text(HELLO));
  });

  test("leaves when its client does, or ends, and is refused where there is none", () => {
    const all = world({ routes: [], rest });
    const client = all.accept();
    client.receiveBytes(HELLO);
    client.receiveReset();
    expect([all.lookup.asked.length, all.reason("client_left")]).toEqual([0, 1]);
    const other = all.accept();
    other.receiveBytes(HELLO);
    all.lookup.asked[0]?.asker.onNoBalancer();
    expect([other.state, all.reason("no_endpoint"), all.server.active]).toEqual(["reset", 1, 0]);
    const ended = all.accept();
    ended.receiveBytes(HELLO);
    ended.receiveEnd();
    all.clock.advance(2_000);
    expect(ended.state).toBe("reset");
    all.clock.advance(2_000);
    expect(all.clock.pending).toBe(0);
  });
});

describe("Session of plain TCP on a server that chooses by addresses", () => {
  test("goes where its address says, at once", () => {
    const all = world({ routes: [OF_TENS], passthrough: false });
    const client = all.accept("10.0.0.1");
    expect(all.connector.last.succeed().written).toBe("");
    client.receive("x");
    const stranger = all.accept("11.0.0.1");
    expect([stranger.state, all.reason("no_route"), all.count("no_route")]).toEqual([
      "reset",
      1,
      1,
    ]);
  });
});
