// TLS on sockets that began in plain text, on either side: what we lean on in Bun for that, and what is made of it.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Ca, issue, type Issued, makeCa } from "../../test/support/certs.ts";
import { Peer } from "../../test/support/tls/peer.ts";
import { Recorder, statesTowards, TCP } from "../../test/support/tls/recorder.ts";
import { has } from "../../test/support/tls/tools.ts";
import { until } from "../../test/support/until.ts";
import { systemClock } from "../lib/clock.ts";
import { type BunListener, listen, NOBODY, ownerHandlers, socketEnds, tlsFacts } from "./bun.ts";
import { ClientTls } from "./client-tls.ts";
import { type ConnectObserver, connectTarget, SocketConnector } from "./connector.ts";
import { createServerTls } from "./server-tls.ts";
import { createStartTls, type StartTls } from "./server-upgrade.ts";
import type { Socket } from "./socket.ts";

const withPython = test.skipIf(!has("python3"));
const PREAMBLE = "PREAMBLE\n";
const SIZE = 8 << 20;

let peer: Peer;
let ca: Ca;
let web: Issued;
let startTls: StartTls;
const listeners: BunListener[] = [];

beforeAll(async () => {
  peer = new Peer();
  ca = await makeCa();
  web = await issue(ca, { names: ["web.test"] });
  const pairs = [{ certificateChainPem: web.certPem, privateKeyPem: web.keyPem }];
  const tls = createServerTls(
    { alpnProtocols: ["h2"], defaultIdentity: { pairs }, identities: [] },
    Date.now,
  );
  startTls = createStartTls(tls, (error) => expect(error).toBeUndefined());
});

afterAll(async () => {
  for (const listener of listeners) listener.stop(true);
  await peer[Symbol.asyncDispose]();
});

/** One side of an accepted connection: the plain socket with its recorder, later the one that speaks TLS. */
class Accepted extends Recorder {
  readonly tls = new Recorder();
  #secure: Socket | undefined;
  preamble = "";

  get secure(): Socket {
    if (this.#secure === undefined) throw new Error("TLS has not begun");
    return this.#secure;
  }

  begin(read: Uint8Array): void {
    if (this.socket === undefined) return;
    this.#secure = startTls(this.socket, this.tls, read);
  }

  override onData(bytes: Uint8Array): void {
    this.preamble += Buffer.from(bytes).toString("latin1");
    const end = this.preamble.indexOf("\n") + 1;
    if (end > 0) this.begin(Buffer.from(this.preamble.slice(end), "latin1"));
  }
}

/** Reads a line, then begins TLS; `atOnce` begins it as soon as a connection is accepted. */
function server(atOnce = false) {
  const accepted: Accepted[] = [];
  const listener = listen(
    { hostname: "127.0.0.1", port: 0 },
    {
      ...ownerHandlers,
      open(socket) {
        const owner = new Accepted();
        owner.onOpen(socket);
        accepted.push(owner);
        if (atOnce) owner.begin(new Uint8Array(0));
        socket.data = atOnce ? NOBODY : owner;
      },
      error(socket) {
        socket.terminate();
      },
    },
  );
  listeners.push(listener);
  const last = async (): Promise<Accepted> => {
    await until("a connection is accepted", () => accepted.length > 0);
    return accepted.at(-1) ?? new Accepted();
  };
  return { port: listener.port, last };
}

class Observer implements ConnectObserver {
  readonly recorder = new Recorder();
  outcome: string | undefined;
  socket: Socket | undefined;

  onConnected(socket: Socket): void {
    this.outcome = "connected";
    this.socket = socket;
    socket.data = this.recorder;
  }

  onConnectFailed(failure: string): void {
    this.outcome = failure;
  }
}

/** Connects with a preamble before TLS. */
function connect(port: number, { name = "web.test", timeoutMs = 5_000 } = {}) {
  const tls = new ClientTls().options({ dnsName: name, trustPem: [ca.certPem] });
  const connector = new SocketConnector(tls, timeoutMs, systemClock, (error) =>
    expect(error).toBeUndefined(),
  );
  const observer = new Observer();
  const target = connectTarget("127.0.0.1", port);
  const attempt = connector.connect(target, observer, Buffer.from(PREAMBLE));
  const done = () => until("there is an outcome", () => observer.outcome !== undefined);
  return { observer, attempt, done };
}

describe("an accepted socket", () => {
  withPython("speaks TLS from its first byte, and tells what was agreed upon", async () => {
    const { port, last } = server(true);
    const client = await peer.connect(port, {
      tls: { ca: ca.certPem, serverName: "web.test", alpn: ["http/1.1", "h2"] },
    });
    const { secure, tls } = await last();
    await until("the handshake is done", () => tls.has("handshake"));
    expect(tlsFacts(secure)).toEqual({
      version: client.info.version,
      cipher: client.info.cipher,
      serverName: "web.test",
      alpn: "h2",
    });
    expect(socketEnds(secure)).toEqual({
      peer: { ip: "127.0.0.1", port: client.info.local },
      local: { ip: "127.0.0.1", port },
    });
    await client.sendText("hello");
    await until("it has come", () => tls.text === "hello");
    await client.shutdown();
    await until("the end has come", () => tls.has("end"));
    secure.write(Buffer.from("after the end"));
    secure.shutdown();
    expect(await client.receive()).toMatchObject({ text: "after the end", end: "close_notify" });
    await client.close();
    await until("it is closed", () => tls.has("close"));
    expect(socketEnds(secure)).toBeUndefined();
  });

  withPython("stops reading while it is paused", async () => {
    const { port, last } = server(true);
    const client = await peer.connect(port, { tls: { ca: ca.certPem, serverName: "web.test" } });
    const { secure, tls } = await last();
    secure.pause();
    const sent = client.send(SIZE);
    const before = tls.chunks.length;
    for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
    expect(tls.chunks.length).toBe(before);
    secure.resume();
    await sent;
    const received = (): number => tls.chunks.reduce((sum, { length }) => sum + length, 0);
    await until("all has come", () => received() === SIZE);
    secure.terminate();
    expect((await client.receive()).end).toBe("reset");
  });

  withPython(
    "that gets no handshake tells so, whether it came with the line or after it",
    async () => {
      for (const pieces of [["LINE\nno handshake"], ["LINE\n", "no handshake"]]) {
        const { port, last } = server();
        const client = await peer.connect(port);
        for (const piece of pieces) await client.sendText(piece);
        const { tls } = await last();
        await until("it is closed", () => tls.has("close"));
        expect(tls.only("handshake", "close")[0]).toStartWith("handshake E");
      }
    },
  );
});

describe("a connection with a preamble", () => {
  test("sends it in plain text, then shakes hands and verifies", async () => {
    const { port, last } = server();
    const { observer, done } = connect(port);
    await done();
    expect(observer.outcome).toBe("connected");
    const accepted = await last();
    expect(accepted.preamble).toStartWith(PREAMBLE);
    await until("the handshake is done", () => accepted.tls.has("handshake"));
    observer.socket?.write(Buffer.from("ping"));
    await until("it has come", () => accepted.tls.text === "ping");
    accepted.secure.write(Buffer.from("pong"));
    await until("the answer has come", () => observer.recorder.text === "pong");
    observer.socket?.terminate();
    await until("the end is told", () => accepted.tls.only("close").length === 1);
    // The plain socket's owner is told nothing once TLS has begun.
    expect(accepted.only("end", "close")).toEqual([]);
  });

  test("is none where the certificate does not fit", async () => {
    const { port } = server();
    const { observer, done } = connect(port, { name: "other.test" });
    await done();
    expect(observer.outcome).toBe("tls");
  });

  test("is none where nobody listens", async () => {
    const { port } = server();
    listeners.at(-1)?.stop(true);
    const { observer, done } = connect(port);
    await done();
    expect(observer.outcome).toBe("refused");
  });

  for (const [how, end, failure] of [
    ["closes", "close", "refused"],
    ["resets", "reset", "refused"],
    ["ends", "fin", "tls"],
  ] as const) {
    withPython(`is told as ${failure} where the endpoint ${how} after it`, async () => {
      const endpoint = await peer.listen();
      const { observer, done } = connect(endpoint.port);
      const stream = await endpoint.accept();
      expect((await stream.receive(PREAMBLE.length)).text).toBe(PREAMBLE);
      await stream[end]();
      await done();
      expect(observer.outcome).toBe(failure);
    });
  }

  withPython(
    "is given up in time where the endpoint says nothing, and can be aborted",
    async () => {
      const endpoint = await peer.listen();
      const late = connect(endpoint.port, { timeoutMs: 100 });
      await late.done();
      expect(late.observer.outcome).toBe("timeout");
      const aborted = connect(endpoint.port);
      await endpoint.accept();
      const stream = await endpoint.accept();
      await stream.receive(PREAMBLE.length);
      aborted.attempt.abort();
      await until("both are closed", async () => {
        return !(await statesTowards(endpoint.port)).includes(TCP.established);
      });
      expect(aborted.observer.outcome).toBeUndefined();
    },
  );
});
