// Sessions that go on with the next connection, against Python: what we rely on in Bun, and what is kept for how long.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { type Ca, type Issued, issue, makeCa } from "../../test/support/certs.ts";
import { Peer, type PeerServer, type PeerTlsServer } from "../../test/support/tls/peer.ts";
import { Recorder } from "../../test/support/tls/recorder.ts";
import { has } from "../../test/support/tls/tools.ts";
import { until } from "../../test/support/until.ts";
import { systemClock } from "../lib/clock.ts";
import { ClientTls } from "./client-tls.ts";
import { connectTarget, SocketConnector } from "./connector.ts";
import type { Socket } from "./socket.ts";
import type { TlsHandshake } from "./tls-agreement.ts";
import { TlsSessions } from "./tls-sessions.ts";

const withPython = test.skipIf(!has("python3"));
const VERSIONS = ["TLSv1_2", "TLSv1_3"] as const;
const HOUR_MS = 3_600_000;

let peer: Peer;
let ca: Ca;
let web: Issued;

beforeAll(async () => {
  peer = new Peer();
  ca = await makeCa();
  web = await issue(ca, { names: ["web.test", "other.test"] });
}, 60_000);

afterAll(() => peer[Symbol.asyncDispose]());

/** Connects to one endpoint again and again, as one destination does. */
class Destination {
  readonly handshakes: TlsHandshake[] = [];
  readonly connector: SocketConnector;

  constructor(clientTls: ClientTls, dnsName = "web.test") {
    const tls = clientTls.options({ dnsName, trustPem: [ca.certPem] });
    const onFault = (error: Error) => expect(error).toBeUndefined();
    this.connector = new SocketConnector(tls, 30_000, systemClock, onFault, undefined, {
      handshakes: {
        agreed: (handshake) => void this.handshakes.push(handshake),
        failed: () => {},
      },
    });
  }

  /** Whether the connection went on with an earlier session. It lasts until its own session has come. */
  async isResumed({ port }: PeerServer, preamble?: Uint8Array): Promise<boolean> {
    const recorder = new Recorder();
    this.connector.connect(
      connectTarget("127.0.0.1", port),
      {
        onConnected(socket) {
          socket.data = recorder;
          recorder.onOpen(socket);
          socket.write(Buffer.from("x"));
        },
        onConnectFailed: (failure, detail) => recorder.onClose(new Error(`${failure}: ${detail}`)),
      },
      preamble,
    );
    await until("the echo has come", () => recorder.text === "x");
    recorder.socket?.terminate();
    return this.handshakes.at(-1)?.resumed ?? false;
  }
}

async function serve(tls: Partial<PeerTlsServer> = {}): Promise<PeerServer> {
  const server = await peer.listen({ tls: { ...web, ...tls } });
  await server.echoAll();
  return server;
}

for (const version of VERSIONS) {
  describe(version, () => {
    withPython("the second connection goes on with the session of the first", async () => {
      const server = await serve({ min: version, max: version });
      const destination = new Destination(new ClientTls());
      expect(await destination.isResumed(server)).toBe(false);
      expect(await destination.isResumed(server)).toBe(true);
      expect(await destination.isResumed(server)).toBe(true);
      expect(destination.handshakes.map((one) => one.group)).not.toContain(undefined);
    });

    withPython("an endpoint that knows the session no more gets a full handshake", async () => {
      const destination = new Destination(new ClientTls());
      const first = await serve({ min: version, max: version });
      await destination.isResumed(first);
      const second = await serve({ min: version, max: version });
      const { sessions } = destination.connector;
      const kept: Uint8Array[] = [];
      const taker = { setSession: (session: Uint8Array) => void kept.push(session) };
      sessions?.offer(taker as unknown as Socket, "127.0.0.1", first.port);
      // As if the first had been restarted on its port.
      const [session] = kept;
      if (session === undefined) throw new Error("no session was kept");
      const peerOf = { remoteAddress: "127.0.0.1", remotePort: second.port };
      const gave = { ...peerOf, localAddress: "127.0.0.1", localPort: 1 };
      sessions?.keep(gave as unknown as Socket, session);
      expect(await destination.isResumed(second)).toBe(false);
    });
  });
}

withPython("nothing goes from one name to another, though they share a context", async () => {
  const server = await serve();
  const clientTls = new ClientTls();
  await new Destination(clientTls).isResumed(server);
  expect(await new Destination(clientTls, "other.test").isResumed(server)).toBe(false);
});

describe("TlsSessions", () => {
  function scene() {
    const clock = new FakeClock();
    const sessions = new TlsSessions(clock);
    const give = (port: number, session = Uint8Array.of(port & 255)): void => {
      const ends = { remoteAddress: "10.0.0.1", localAddress: "10.0.0.2", localPort: 1 };
      sessions.keep({ ...ends, remotePort: port } as unknown as Socket, session);
    };
    const offered = (port: number): Uint8Array | undefined => {
      let last: Uint8Array | undefined;
      const taker = {
        setSession(session: Uint8Array) {
          last = session;
        },
      };
      sessions.offer(taker as unknown as Socket, "10.0.0.1", port);
      return last;
    };
    return { clock, sessions, give, offered };
  }

  test("offers the last session of an endpoint, as often as asked", () => {
    const { give, offered } = scene();
    give(1, Uint8Array.of(1));
    give(1, Uint8Array.of(2));
    expect(offered(1)).toEqual(Uint8Array.of(2));
    expect(offered(1)).toEqual(Uint8Array.of(2));
    expect(offered(2)).toBeUndefined();
  });

  test("offers none after an hour, or after a handshake that failed", () => {
    const { clock, sessions, give, offered } = scene();
    give(1);
    clock.advance(HOUR_MS);
    expect(offered(1)).toBeDefined();
    clock.advance(1);
    expect(offered(1)).toBeUndefined();
    give(1);
    sessions.forget("10.0.0.1", 1);
    expect(offered(1)).toBeUndefined();
    expect(sessions.size).toBe(0);
  });

  test("keeps those of 256 endpoints, the last ones", () => {
    const { sessions, give, offered } = scene();
    for (let port = 1; port <= 300; port += 1) give(port);
    expect(sessions.size).toBe(256);
    expect(offered(44)).toBeUndefined();
    expect(offered(45)).toBeDefined();
    expect(offered(300)).toBeDefined();
  });
});
