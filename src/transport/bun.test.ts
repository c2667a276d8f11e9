// What the project leans on in Bun and Bun does not document. If one of these fails after an update of Bun, so will the
// product: see bun.ts.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createSecureContext } from "node:tls";
import { type Ca, type Issued, issue, makeCa } from "../../test/support/certs.ts";
import { sClient } from "../../test/support/tls/openssl.ts";
import { Peer, type PeerServer, type PeerStream } from "../../test/support/tls/peer.ts";
import {
  codeOf,
  Recorder,
  recordingHandlers,
  statesTowards,
  TCP,
} from "../../test/support/tls/recorder.ts";
import { has } from "../../test/support/tls/tools.ts";
import { until } from "../../test/support/until.ts";
import {
  type BunListener,
  createConnect,
  type ConnectHandlers,
  type ConnectTo,
  createTlsContext,
  descriptorOf,
  type ListenHandlers,
  listen,
  ownerHandlers,
  peerAddress,
  type TlsContext,
  type TlsOptions,
} from "./bun.ts";
import { libc, socketAddress } from "./libc.ts";

const withPython = test.skipIf(!has("python3"));
const withOpenssl = test.skipIf(!has("openssl"));
const withDescriptors = test.skipIf(libc === undefined || !has("python3"));
const HERE = { hostname: "127.0.0.1", port: 0 };

let peer: Peer;
let ca: Ca;
let web: Issued;
const listeners: BunListener[] = [];

beforeAll(async () => {
  peer = new Peer();
  ca = await makeCa();
  web = await issue(ca, { names: ["web.test"] });
});

afterAll(async () => {
  for (const listener of listeners) listener.stop(true);
  await peer[Symbol.asyncDispose]();
});

function listenHere(handlers: ListenHandlers, tls?: TlsOptions): BunListener {
  const listener = listen(HERE, handlers, tls);
  listeners.push(listener);
  return listener;
}

/** Handlers of outgoing sockets that write into their owner. */
const recordingConnect: ConnectHandlers<Recorder> = {
  ...ownerHandlers,
  open: (socket) => socket.data.onOpen(socket),
  error: (socket, error) => void (socket.data as Recorder).events.push(`error ${codeOf(error)}`),
  connectError: ({ data }, error) => void data.events.push(`connectError ${codeOf(error)}`),
};

/** A descriptor on which a connect to `port` is under way. */
function connecting(port: number): number {
  const address = socketAddress("127.0.0.1", port);
  if (libc === undefined || address === undefined) throw new Error("no C library here");
  const fd = libc.socket(address.family);
  expect(libc.connect(fd, address)).toBe(0);
  return fd;
}

/** A copy of a listener's descriptor. */
function copyOf(listener: BunListener): number {
  const fd = libc?.dup(listener.fd) ?? -1;
  expect(fd).toBeGreaterThan(2);
  return fd;
}

/** Listening sockets that nobody accepts from, as bind.ts makes them. */
function queueing(): { readonly port: number; copy(): number } {
  const first = listen(HERE, recordingHandlers([]));
  const held = copyOf(first);
  first.stop();
  return { port: first.port, copy: () => libc?.dup(held) ?? -1 };
}

function connectMany(port: number, count: number): Promise<PeerStream[]> {
  return Promise.all(Array.from({ length: count }, () => peer.connect(port)));
}

describe("listening on descriptors", () => {
  withDescriptors(
    "a descriptor that listens already is adopted, with what waits in its queue",
    async () => {
      const { port, copy } = queueing();
      const [client] = await connectMany(port, 1);
      const accepted: Recorder[] = [];
      listeners.push(listen({ fd: copy() }, recordingHandlers(accepted)));
      await client?.sendText("hello");
      await until("the bytes have come", () => accepted[0]?.text === "hello");
    },
  );

  withDescriptors(
    "copies of a descriptor share one queue, and none is lost when one stops",
    async () => {
      const { port, copy } = queueing();
      const [one, two]: [Recorder[], Recorder[]] = [[], []];
      const first = listen({ fd: copy() }, recordingHandlers(one));
      const second = listen({ fd: copy() }, recordingHandlers(two));
      listeners.push(second);
      await connectMany(port, 10);
      await until("all are accepted", () => one.length + two.length === 10);
      first.stop();
      const byFirst = one.length;
      await connectMany(port, 10);
      await until("the other goes on", () => one.length + two.length === 20);
      expect(one.length).toBe(byFirst);
      second.stop();
      // Nobody accepts now: they wait for whoever listens next.
      const waiting = await connectMany(port, 5);
      const three: Recorder[] = [];
      listeners.push(listen({ fd: copy() }, recordingHandlers(three)));
      await until("those that waited are accepted", () => three.length === 5);
      for (const client of waiting) await client.sendText("x");
      await until("they are alive", () => three.every(({ text }) => text === "x"));
    },
  );

  withDescriptors(
    "stop() inside open ends the loop that accepts, so that no more come than were wanted",
    async () => {
      const { port, copy } = queueing();
      await connectMany(port, 20);
      const accepted: Recorder[] = [];
      const handlers = recordingHandlers(accepted, (count) => {
        if (count === 3) listener.stop();
      });
      const listener: BunListener = listen({ fd: copy() }, handlers);
      await until("three are accepted", () => accepted.length === 3);
      // The rest waits for another listener, and all of it does.
      const rest: Recorder[] = [];
      listeners.push(listen({ fd: copy() }, recordingHandlers(rest)));
      await until("the others are accepted", () => rest.length === 17);
      expect(accepted).toHaveLength(3);
    },
  );

  test("stop() leaves established connections alone", async () => {
    const accepted: Recorder[] = [];
    const listener = listen(HERE, recordingHandlers(accepted));
    const client = await peer.connect(listener.port);
    await until("it is accepted", () => accepted.length === 1);
    listener.stop();
    await client.sendText("still here");
    await until("the bytes have come", () => accepted[0]?.text === "still here");
    await expect(peer.connect(listener.port)).rejects.toThrow("Connection refused");
    await client.close();
  });

  test("an address that is taken is told by a thrown EADDRINUSE", () => {
    const { port } = listenHere(recordingHandlers([]));
    const again = () => listen({ hostname: "127.0.0.1", port }, recordingHandlers([]));
    expect(again).toThrow(expect.objectContaining({ code: "EADDRINUSE" }));
  });
});

describe("connecting descriptors", () => {
  withDescriptors(
    "open is called at once, and the first drain says that the connection stands",
    async () => {
      const server = await peer.listen();
      const recorder = new Recorder();
      createConnect(recordingConnect)({ fd: connecting(server.port) }, recorder);
      expect(recorder.events).toEqual(["open"]);
      await until("it stands", () => recorder.events.length > 1);
      expect(recorder.events).toEqual(["open", "drain"]);
      const { socket } = recorder;
      expect(socket && peerAddress(socket)).toBe("127.0.0.1");
      expect(socket && descriptorOf(socket)).toBeGreaterThan(2);
      expect(socket?.write(Buffer.from("hello"))).toBe(5);
      const stream = await server.accept();
      expect(await stream.receive(5)).toMatchObject({ text: "hello" });
      socket?.terminate();
      expect(socket && descriptorOf(socket)).toBe(-1);
    },
  );

  withDescriptors(
    "a failure is a close with the system's own code, and there is no drain before it",
    async () => {
      const recorder = new Recorder();
      createConnect(recordingConnect)({ fd: connecting(await freePort()) }, recorder);
      await until("it has failed", () => recorder.events.length > 1);
      expect(recorder.events).toEqual(["open", "close ECONNREFUSED"]);
    },
  );

  withDescriptors("terminate() ends a connect that is still under way", async () => {
    const port = await peer.listenDeaf();
    const recorder = new Recorder();
    createConnect(recordingConnect)({ fd: connecting(port) }, recorder);
    const pending = async () =>
      (await statesTowards(port)).filter((state) => state === TCP.synSent).length;
    // The peer's own attempt that found the queue full is the other one.
    await until("it is under way", async () => (await pending()) === 2);
    recorder.socket?.terminate();
    expect(recorder.events).toEqual(["open", "close"]);
    expect(await pending()).toBe(1);
  });

  withDescriptors(
    "a peer that speaks first may be heard before the first drain, and only after open",
    async () => {
      const server = await peer.listen();
      const recorder = new Recorder();
      const fd = connecting(server.port);
      const stream = await server.accept();
      await stream.sendText("greeting");
      await stream.shutdown();
      createConnect(recordingConnect)({ fd }, recorder);
      await until("the end has come", () => recorder.has("end"));
      expect(recorder.only("open", "data", "end")).toEqual(["open", "data 8", "end"]);
      recorder.socket?.terminate();
    },
  );

  withDescriptors("TLS on a descriptor shakes hands once the connect is done", async () => {
    const server = await peer.listen({ tls: web });
    const events = await clientHandshake({ fd: connecting(server.port) }, trusting(ca));
    expect(events).toEqual(["open", "handshake"]);
  });

  test("an address without anyone there is told to connectError, an address that answers to open", async () => {
    const refused = new Recorder();
    const { port } = await peer.listen();
    createConnect(recordingConnect)({ hostname: "127.0.0.1", port: await freePort() }, refused);
    await until("it has failed", () => refused.events.length > 0);
    expect(refused.events).toEqual(["connectError ECONNREFUSED"]);
    const connected = new Recorder();
    createConnect(recordingConnect)({ hostname: "127.0.0.1", port }, connected);
    await until("it is open", () => connected.has("open"));
    expect(connected.socket && peerAddress(connected.socket)).toBe("127.0.0.1");
    connected.socket?.terminate();
  });
});

describe("half-open connections", () => {
  /** An accepted socket, its Recorder and its peer. */
  async function accept(): Promise<{ own: Recorder; client: PeerStream }> {
    const accepted: Recorder[] = [];
    const listener = listenHere(recordingHandlers(accepted));
    const client = await peer.connect(listener.port);
    await until("it is accepted", () => accepted.length === 1);
    const [own = new Recorder()] = accepted;
    return { own, client };
  }

  withPython("the peer's FIN is told as end, and what is written after it arrives", async () => {
    const { own, client } = await accept();
    await client.sendText("question");
    await client.shutdown();
    await until("the end has come", () => own.has("end"));
    expect(own.text).toBe("question");
    expect(own.socket?.write(Buffer.from("answer"))).toBe(6);
    own.socket?.shutdown();
    expect(await client.receive()).toMatchObject({ text: "answer", end: "fin" });
    await until("it is closed", () => own.has("close"));
  });

  withPython("after our own FIN, the peer's is told as close alone, without end", async () => {
    const { own, client } = await accept();
    own.socket?.shutdown();
    expect(await client.receive()).toMatchObject({ end: "fin" });
    await client.sendText("still talking");
    await until("the bytes have come", () => own.text === "still talking");
    expect(own.socket?.write(Buffer.from("x"))).toBe(-1);
    await client.shutdown();
    await until("it is closed", () => own.has("close"));
    expect(own.has("end")).toBe(false);
  });

  withPython("a reset is told as close with ECONNRESET", async () => {
    const { own, client } = await accept();
    await client.reset();
    await until("it is closed", () => own.has("close ECONNRESET"));
    expect(own.has("end")).toBe(false);
  });

  withPython("terminate() resets, and calls on a closed socket do nothing", async () => {
    const { own, client } = await accept();
    own.socket?.terminate();
    expect(own.events.at(-1)).toBe("close");
    expect(await client.receive()).toMatchObject({ end: "reset" });
    expect(own.socket?.write(Buffer.from("x"))).toBe(-1);
    own.socket?.shutdown();
    own.socket?.pause();
    own.socket?.resume();
    own.socket?.close();
    own.socket?.terminate();
    expect(own.events.filter((event) => event === "close")).toHaveLength(1);
  });

  withPython("write takes what fits and no more, and drain says when to go on", async () => {
    const { own, client } = await accept();
    const bytes = Buffer.alloc(1 << 24, "x");
    const first = own.socket?.write(bytes) ?? 0;
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThan(bytes.length);
    expect(own.socket?.write(bytes)).toBe(0);
    const drains = own.only("drain").length;
    await client.receive(first);
    await until("more fits", () => own.only("drain").length > drains);
    expect(own.socket?.write(bytes)).toBeGreaterThan(0);
    own.socket?.terminate();
  });

  withPython("pause() stops bytes until resume(), and an end waits with them", async () => {
    const { own, client } = await accept();
    own.socket?.pause();
    await client.sendText("kept");
    await client.shutdown();
    // Another connection shows that the event loop has turned meanwhile.
    const other = await accept();
    await other.client.sendText("x");
    await until("the other one is read", () => other.own.text === "x");
    expect(own.only("data", "end")).toEqual([]);
    own.socket?.resume();
    await until("the end has come", () => own.has("end"));
    expect(own.text).toBe("kept");
  });
});

describe("TLS contexts", () => {
  const identity = (issued: Issued) => ({ key: issued.keyPem, cert: issued.certPem });

  test("a certificate and a key that do not fit are refused with OpenSSL's error", async () => {
    const other = await issue(ca);
    expect(() => createTlsContext({ cert: web.certPem, key: other.keyPem })).toThrow(
      expect.objectContaining({ code: expect.stringContaining("ERR_OSSL") as string }),
    );
  });

  withPython("a context serves as a listener's identity and as a client's roots", async () => {
    const accepted: Recorder[] = [];
    const { port } = listenHere(tlsHandlers(accepted), {
      secureContext: createTlsContext(identity(web)),
    });
    const client = await peer.connect(port, { tls: { ca: ca.certPem, serverName: "web.test" } });
    await until("the handshake is told", () => accepted[0]?.has("handshake") === true);
    await client.sendText("hello");
    await until("the bytes have come", () => accepted[0]?.text === "hello");
    const server = await peer.listen({ tls: web });
    expect(await clientHandshake(at(server), trusting(ca))).toEqual(["open", "handshake"]);
  });

  withOpenssl("a context carries its suites, groups and versions", async () => {
    const policy = {
      ciphers: "ECDHE-ECDSA-CHACHA20-POLY1305",
      ecdhCurve: "P-384:P-256",
      minVersion: "TLSv1.2",
    } as const;
    const { port } = listenHere(closingHandlers(), {
      secureContext: context({ ...identity(web), ...policy }),
    });
    const tls12 = await sClient(port, "-tls1_2");
    expect(tls12).toMatchObject({
      cipher: "ECDHE-ECDSA-CHACHA20-POLY1305",
      group: "ECDH, secp384r1",
    });
    expect(
      await sClient(port, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    ).toMatchObject({
      ok: false,
    });
    expect(await sClient(port, "-tls1_3", "-groups", "X25519")).toMatchObject({ ok: false });
    const only13 = context({ ...identity(web), minVersion: "TLSv1.3" });
    const modern = listenHere(closingHandlers(), { secureContext: only13 });
    expect(await sClient(modern.port, "-tls1_2")).toMatchObject({ ok: false, alert: 70 });
    expect(await sClient(modern.port, "-tls1_3")).toMatchObject({ ok: true });
  });

  withOpenssl(
    "serverName chooses the context by SNI, its suites with it, and is not asked without SNI",
    async () => {
      const asked: string[] = [];
      const other = await issue(ca, { names: ["other.test"] });
      const strict = context({ ...identity(other), ciphers: "ECDHE-ECDSA-CHACHA20-POLY1305" });
      const { port } = listenHere(
        {
          ...closingHandlers(),
          serverName(_data, name) {
            asked.push(name);
            return name === "other.test" ? strict : undefined;
          },
        },
        { secureContext: createTlsContext(identity(web)) },
      );
      for (const version of ["-tls1_2", "-tls1_3"]) {
        expect((await sClient(port, version)).name).toBe("web.test");
        expect(asked.splice(0)).toEqual([]);
        expect((await sClient(port, version, "-servername", "other.test")).name).toBe("other.test");
        expect((await sClient(port, version, "-servername", "unknown.test")).name).toBe("web.test");
        expect(asked.splice(0)).toEqual(["other.test", "unknown.test"]);
      }
      const weak = ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"];
      expect((await sClient(port, ...weak)).ok).toBe(true);
      expect((await sClient(port, ...weak, "-servername", "other.test")).ok).toBe(false);
    },
  );

  withOpenssl(
    "a context without a certificate refuses every handshake that no name saves",
    async () => {
      const named = createTlsContext(identity(web));
      const { port } = listenHere(
        {
          ...closingHandlers(),
          serverName: (_data, name) => (name === "web.test" ? named : undefined),
        },
        { secureContext: createTlsContext({}) },
      );
      for (const version of ["-tls1_2", "-tls1_3"]) {
        expect((await sClient(port, version)).ok).toBe(false);
        expect((await sClient(port, version, "-servername", "no.test")).ok).toBe(false);
        expect((await sClient(port, version, "-servername", "web.test")).name).toBe("web.test");
      }
    },
  );

  withOpenssl(
    "alpnCallback gets the client's list in wire form; false leaves ALPN out",
    async () => {
      const seen: string[] = [];
      let choice: string | false = false;
      const { port } = listenHere(
        {
          ...closingHandlers(),
          alpnCallback(_socket, _serverName, wire) {
            seen.push(Buffer.from(wire).toString("latin1"));
            return choice;
          },
        },
        { secureContext: createTlsContext(identity(web)) },
      );
      expect(await sClient(port, "-alpn", "h2,http/1.1")).toMatchObject({
        ok: true,
        alpn: undefined,
      });
      expect(seen).toEqual(["\u0002h2\u0008http/1.1"]);
      choice = "http/1.1";
      expect(await sClient(port, "-alpn", "h2,http/1.1")).toMatchObject({
        ok: true,
        alpn: "http/1.1",
      });
      expect(await sClient(port)).toMatchObject({ ok: true, alpn: undefined });
      expect(seen).toHaveLength(2);
    },
  );
});

describe("TLS handshakes of accepted connections", () => {
  async function tlsServer(): Promise<{ port: number; accepted: Recorder[] }> {
    const accepted: Recorder[] = [];
    const secureContext = createTlsContext({ key: web.keyPem, cert: web.certPem });
    const { port } = listenHere(tlsHandlers(accepted), { secureContext });
    return { port, accepted };
  }

  withPython("open comes with the TCP connection, handshake once and before any byte", async () => {
    const { port, accepted } = await tlsServer();
    const plain = await peer.connect(port);
    await until("it is open", () => accepted.length === 1);
    expect(accepted[0]?.only("handshake", "data")).toEqual([]);
    await plain.close();
    const client = await peer.connect(port, { tls: { ca: ca.certPem } });
    await client.sendText("hello");
    await until("the bytes have come", () => accepted[1]?.text === "hello");
    expect(accepted[1]?.only("open", "handshake", "data")).toEqual(["open", "handshake", "data 5"]);
  });

  withPython("a failure is told by handshake, with a reason, and close follows", async () => {
    const { port, accepted } = await tlsServer();
    const client = await peer.connect(port);
    await client.sendText("GET / HTTP/1.1\r\n\r\n");
    await until("it is closed", () => accepted[0]?.only("close").length === 1);
    expect(accepted[0]?.only("open", "handshake", "data", "close")).toEqual([
      "open",
      "handshake EPROTO",
      "close",
    ]);
  });

  withPython(
    "a client that leaves is told by handshake with ECONNRESET after a FIN, by close alone after a reset",
    async () => {
      const { port, accepted } = await tlsServer();
      await (await peer.connect(port)).close();
      await until("the first is closed", () => accepted[0]?.only("close").length === 1);
      expect(accepted[0]?.only("open", "handshake", "end")).toEqual([
        "open",
        "handshake ECONNRESET",
      ]);
      await (await peer.connect(port)).reset();
      await until("the second is closed", () => accepted[1]?.has("close ECONNRESET") === true);
      expect(accepted[1]?.only("open", "handshake", "end")).toEqual(["open"]);
    },
  );

  withPython(
    "close_notify is an end, after which writing goes on; our own is sent by shutdown()",
    async () => {
      const { port, accepted } = await tlsServer();
      const client = await peer.connect(port, { tls: { ca: ca.certPem } });
      await client.sendText("question");
      await client.shutdown();
      await until("the end has come", () => accepted[0]?.has("end") === true);
      expect(accepted[0]?.socket?.write(Buffer.from("answer"))).toBe(6);
      accepted[0]?.socket?.shutdown();
      expect(await client.receive()).toMatchObject({ text: "answer", end: "close_notify" });
      await client.close();
      await until("it is closed", () => accepted[0]?.has("close") === true);
    },
  );

  withPython("after our own close_notify the peer may go on sending", async () => {
    const { port, accepted } = await tlsServer();
    const client = await peer.connect(port, { tls: { ca: ca.certPem } });
    await until("the handshake is done", () => accepted[0]?.has("handshake") === true);
    accepted[0]?.socket?.shutdown();
    expect(await client.receive()).toMatchObject({ size: 0, end: "close_notify" });
    await client.sendText("still talking");
    await until("the bytes have come", () => accepted[0]?.text === "still talking");
    await client.shutdown();
    await client.close();
    await until("it is closed", () => accepted[0]?.has("close") === true);
  });
});

describe("TLS handshakes towards endpoints", () => {
  withPython(
    "a name that does not fit fails by its code, and the endpoint sees no handshake",
    async () => {
      const server = await peer.listen({ tls: web });
      const tls = { ...trusting(ca), serverName: "other.test" };
      expect(await clientHandshake(at(server), tls)).toEqual([
        "open",
        "handshake ERR_TLS_CERT_ALTNAME_INVALID",
        "close",
      ]);
    },
  );

  withPython("an authority that is not trusted fails by its code", async () => {
    const server = await peer.listen({ tls: web });
    const other = await makeCa();
    expect(await clientHandshake(at(server), trusting(other))).toEqual([
      "open",
      "handshake UNABLE_TO_VERIFY_LEAF_SIGNATURE",
      "close",
    ]);
  });

  withPython("serverName is sent as SNI and verified, whatever address is connected", async () => {
    const server = await peer.listen({ tls: web });
    let sni: unknown;
    const events = await clientHandshake(at(server), trusting(ca), async () => {
      sni = (await server.accept()).info.sni;
    });
    expect(events).toEqual(["open", "handshake"]);
    expect(sni).toBe("web.test");
  });

  withDescriptors(
    "a connect that fails is told by close with the system's own code, without a handshake",
    async () => {
      const to = { fd: connecting(await freePort()) };
      expect(await clientHandshake(to, trusting(ca))).toEqual(["open", "close ECONNREFUSED"]);
    },
  );

  withPython(
    "an endpoint that leaves in the handshake is told with ECONNRESET, by close or by handshake",
    async () => {
      const server = await peer.listen();
      for (const [how, events] of [
        ["fin", ["open", "handshake ECONNRESET", "close"]],
        ["reset", ["open", "close ECONNRESET"]],
      ] as const) {
        const handshake = clientHandshake(at(server), trusting(ca));
        const stream = await server.accept();
        // What was not read would make a reset of it.
        if (how === "fin") await stream.receive(100);
        await stream[how]();
        expect(await handshake).toEqual([...events]);
      }
    },
  );
});

function context(options: NonNullable<Parameters<typeof createSecureContext>[0]>): TlsContext {
  return (createSecureContext(options) as unknown as { context: TlsContext }).context;
}

function trusting(authority: Ca): TlsOptions {
  return { secureContext: createTlsContext({ ca: [authority.certPem] }), serverName: "web.test" };
}

function at(server: PeerServer): { readonly hostname: string; readonly port: number } {
  return { hostname: "127.0.0.1", port: server.port };
}

/** Handlers that close when the client ends, for which s_client waits. */
function closingHandlers(): ListenHandlers {
  return { ...tlsHandlers([]), end: (socket) => socket.close() };
}

function tlsHandlers(accepted: Recorder[]): ListenHandlers {
  return {
    ...recordingHandlers(accepted),
    handshake(socket, ok, error) {
      (socket.data as Recorder).onHandshake(ok ? undefined : (error ?? new Error("failed")));
    },
  };
}

/** What a client's connection is told until its handshake is over or it is closed; `then` runs before it is ended. */
async function clientHandshake(
  to: ConnectTo,
  tls: TlsOptions,
  then: () => Promise<void> = async () => {},
): Promise<readonly string[]> {
  const recorder = new Recorder();
  const handlers: ConnectHandlers<Recorder> = {
    ...recordingConnect,
    handshake: (socket, ok, error) => {
      (socket.data as Recorder).onHandshake(ok ? undefined : (error ?? new Error("failed")));
    },
  };
  createConnect(handlers, tls)(to, recorder);
  const over = () => recorder.has("handshake") || recorder.only("close").length > 0;
  await until("the handshake is over", over);
  await then();
  recorder.socket?.terminate();
  return recorder
    .only("open", "handshake", "data", "close")
    .filter((event, index, all) => event !== "close" || all[index - 1] !== "handshake");
}

/** A port that nothing listens on. */
async function freePort(): Promise<number> {
  const listener = listen(HERE, recordingHandlers([]));
  listener.stop(true);
  return listener.port;
}
