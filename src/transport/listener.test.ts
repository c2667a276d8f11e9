import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Ca, issue, makeCa } from "../../test/support/certs.ts";
import { Peer } from "../../test/support/tls/peer.ts";
import { Recorder, statesOf, TCP } from "../../test/support/tls/recorder.ts";
import { has } from "../../test/support/tls/tools.ts";
import { until } from "../../test/support/until.ts";
import { type BoundSocket, bind } from "./bind.ts";
import { libc } from "./libc.ts";
import { Listener, type OnFault } from "./listener.ts";
import { createServerTls, type ServerTls } from "./server-tls.ts";

// The fallback without FFI is in fallback.test.ts.
const withPeer = test.skipIf(libc === undefined || !has("python3"));

let peer: Peer;
let ca: Ca;
let tls: ServerTls;
const bound: BoundSocket[] = [];
const listeners: Listener[] = [];

beforeAll(async () => {
  peer = new Peer();
  ca = await makeCa();
  const { certPem, keyPem } = await issue(ca, { names: ["web.test"] });
  const defaultIdentity = { pairs: [{ certificateChainPem: certPem, privateKeyPem: keyPem }] };
  tls = createServerTls({ alpnProtocols: [], defaultIdentity, identities: [] }, Date.now);
});

afterAll(async () => {
  for (const listener of listeners) listener.close();
  for (const socket of bound) socket.close();
  await peer[Symbol.asyncDispose]();
});

function bindHere(): BoundSocket {
  const socket = bind("127.0.0.1", 0);
  bound.push(socket);
  return socket;
}

interface Parts {
  readonly accepted?: Recorder[];
  readonly onAccept?: (count: number) => void;
  readonly tls?: ServerTls;
  readonly onFault?: OnFault;
  readonly owner?: () => Recorder;
}

/** A listener that records what it accepts. */
function listener(target: BoundSocket, parts: Parts = {}): Listener {
  const { accepted = [], onAccept = () => {}, owner = () => new Recorder() } = parts;
  const made = new Listener(
    target,
    (socket) => {
      const recorder = owner();
      recorder.onOpen(socket);
      accepted.push(recorder);
      onAccept(accepted.length);
      return recorder;
    },
    parts.tls,
    parts.onFault ?? ((error) => expect(error).toBeUndefined()),
  );
  listeners.push(made);
  return made;
}

withPeer("nothing is accepted before resume, and all that waited is accepted then", async () => {
  const target = bindHere();
  const accepted: Recorder[] = [];
  const made = listener(target, { accepted });
  expect(made.accepting).toBe(false);
  const streams = await Promise.all(Array.from({ length: 5 }, () => peer.connect(target.port)));
  await streams[0]?.sendText("hello");
  expect(accepted).toEqual([]);
  expect(made.resume()).toBe(true);
  expect(made.accepting).toBe(true);
  await until("all are accepted", () => accepted.length === 5);
  await until("one has spoken", () => accepted.some(({ text }) => text === "hello"));
});

withPeer("pausing and resuming many times loses no connection", async () => {
  const target = bindHere();
  const accepted: Recorder[] = [];
  const made = listener(target, { accepted });
  for (let round = 1; round <= 10; round += 1) {
    const connecting = Promise.all(Array.from({ length: 10 }, () => peer.connect(target.port)));
    expect(made.resume()).toBe(true);
    await until("some are accepted", () => accepted.length > (round - 1) * 10);
    made.pause();
    made.pause();
    expect(made.accepting).toBe(false);
    await connecting;
    made.resume();
    await until("all are accepted", () => accepted.length === round * 10);
    made.pause();
  }
  for (const recorder of accepted) expect(recorder.only("close")).toEqual([]);
});

withPeer("pausing inside accept accepts no more than were wanted", async () => {
  const target = bindHere();
  const accepted: Recorder[] = [];
  const made = listener(target, { accepted, onAccept: (count) => count === 2 && made.pause() });
  await Promise.all(Array.from({ length: 10 }, () => peer.connect(target.port)));
  made.resume();
  await until("two are accepted", () => accepted.length === 2);
  const rest: Recorder[] = [];
  const other = listener(target, { accepted: rest });
  other.resume();
  await until("the others wait for another one", () => rest.length === 8);
  expect(accepted).toHaveLength(2);
});

withPeer(
  "several listeners of one socket share its connections, and one that closes takes none along",
  async () => {
    const target = bindHere();
    const accepted: Recorder[] = [];
    const made = [0, 1, 2].map(() => listener(target, { accepted }));
    for (const one of made) expect(one.resume()).toBe(true);
    await Promise.all(Array.from({ length: 20 }, () => peer.connect(target.port)));
    await until("all are accepted", () => accepted.length === 20);
    made[0]?.close();
    made[1]?.close();
    await Promise.all(Array.from({ length: 20 }, () => peer.connect(target.port)));
    await until("all are accepted by the last", () => accepted.length === 40);
    made[2]?.close();
    const waiting = await peer.connect(target.port);
    expect(await statesOf(target.port)).toContain(TCP.listen);
    const last = listener(target, { accepted });
    last.resume();
    await until("the one that waited is accepted", () => accepted.length === 41);
    await waiting.close();
  },
);

withPeer("closed for good, it does not resume; established connections go on", async () => {
  const target = bindHere();
  const accepted: Recorder[] = [];
  const made = listener(target, { accepted });
  made.resume();
  const stream = await peer.connect(target.port);
  await until("it is accepted", () => accepted.length === 1);
  made.close();
  expect(made.resume()).toBe(false);
  expect(made.accepting).toBe(false);
  await stream.sendText("still here");
  await until("the bytes have come", () => accepted[0]?.text === "still here");
});

withPeer("a handler that throws is told as a fault and costs its own connection only", async () => {
  class Faulty extends Recorder {
    override onData(bytes: Uint8Array): void {
      super.onData(bytes);
      if (this.text === "throw") throw new Error("a defect");
    }
  }
  const target = bindHere();
  const accepted: Recorder[] = [];
  const faults: string[] = [];
  const made = listener(target, {
    accepted,
    owner: () => new Faulty(),
    onFault: (error) => faults.push(error.message),
  });
  made.resume();
  const good = await peer.connect(target.port);
  const bad = await peer.connect(target.port);
  await bad.sendText("throw");
  expect(await bad.receive()).toMatchObject({ end: "reset" });
  expect(faults).toEqual(["a defect"]);
  await good.sendText("fine");
  await until("the other goes on", () => accepted.some(({ text }) => text === "fine"));
});

withPeer("a descriptor that is gone is answered with false, without a throw", () => {
  const target = bind("127.0.0.1", 0);
  target.close();
  const made = listener({ ...target, fd: 1_000_000 });
  expect(made.resume()).toBe(false);
  expect(made.accepting).toBe(false);
});

describe("with TLS", () => {
  withPeer("the owner is told of the handshake before any byte", async () => {
    const target = bindHere();
    const accepted: Recorder[] = [];
    const made = listener(target, { accepted, tls });
    made.resume();
    const client = { ca: ca.certPem, serverName: "web.test" };
    const stream = await peer.connect(target.port, { tls: client });
    await stream.sendText("hello");
    await until("the bytes have come", () => accepted[0]?.text === "hello");
    expect(accepted[0]?.only("open", "handshake", "data")).toEqual(["open", "handshake", "data 5"]);
  });

  withPeer("the owner is told of a failure, and then that the connection is closed", async () => {
    const target = bindHere();
    const accepted: Recorder[] = [];
    const made = listener(target, { accepted, tls });
    made.resume();
    const stream = await peer.connect(target.port);
    await stream.sendText("GET / HTTP/1.0\r\n\r\n");
    await until("it is closed", () => accepted[0]?.only("close").length === 1);
    expect(accepted[0]?.only("handshake", "data", "close")).toEqual(["handshake EPROTO", "close"]);
  });

  withPeer("connections go on across pauses, and their TLS with them", async () => {
    const target = bindHere();
    const accepted: Recorder[] = [];
    const made = listener(target, { accepted, tls });
    made.resume();
    const client = { ca: ca.certPem, serverName: "web.test" };
    const first = await peer.connect(target.port, { tls: client });
    made.pause();
    const connecting = peer.connect(target.port, { tls: client });
    await first.sendText("one");
    await until("the first is heard", () => accepted[0]?.text === "one");
    made.resume();
    const second = await connecting;
    await second.sendText("two");
    await until("the second is heard", () => accepted[1]?.text === "two");
  });
});

withPeer("an identity that OpenSSL refuses is told, and nothing is accepted", async () => {
  const { certPem } = await issue(ca, { names: ["web.test"] });
  const { keyPem } = await issue(ca, { names: ["web.test"] });
  const identity = { pairs: [{ certificateChainPem: certPem, privateKeyPem: keyPem }] };
  const refused = createServerTls(
    { alpnProtocols: [], defaultIdentity: identity, identities: [] },
    Date.now,
  );
  const told: Error[] = [];
  const made = listener(bindHere(), { tls: refused, onFault: (error) => told.push(error) });
  expect([made.resume(), made.accepting]).toEqual([false, false]);
  expect(told).toMatchObject([{ code: "ERR_OSSL_X509_KEY_VALUES_MISMATCH" }]);
});
