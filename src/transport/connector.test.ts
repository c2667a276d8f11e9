import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Ca, type Issued, issue, makeCa } from "../../test/support/certs.ts";
import type { Probed } from "../../test/support/tls/connect-probe.ts";
import { Peer } from "../../test/support/tls/peer.ts";
import { Recorder, statesTowards, TCP } from "../../test/support/tls/recorder.ts";
import { has, run } from "../../test/support/tls/tools.ts";
import { until } from "../../test/support/until.ts";
import { systemClock } from "../lib/clock.ts";
import { listen, type TlsOptions } from "./bun.ts";
import { ClientTls } from "./client-tls.ts";
import {
  type ConnectObserver,
  connectTarget,
  type ConnectTarget,
  SocketConnector,
} from "./connector.ts";
import { libc } from "./libc.ts";
import type { Socket } from "./socket.ts";

const PROBE = resolve(import.meta.dir, "../../test/support/tls/connect-probe.ts");
const withPython = test.skipIf(!has("python3"));
const withFfi = test.skipIf(!has("python3") || libc === undefined);
// Namespaces of one's own need a right that containers may withhold.
const mayUnshare =
  Bun.which("unshare") !== null &&
  Bun.spawnSync(["unshare", "-rn", "ip", "tuntap", "add", "tap0", "mode", "tap"]).exitCode === 0;
const withNamespace = test.skipIf(!mayUnshare || libc === undefined);

let peer: Peer;
let ca: Ca;
let web: Issued;
let folder: string;
let caFile: string;

beforeAll(async () => {
  peer = new Peer();
  ca = await makeCa();
  web = await issue(ca, { names: ["web.test"] });
  folder = mkdtempSync(join(tmpdir(), "linkerd-tcp-connect-"));
  caFile = join(folder, "ca.pem");
  writeFileSync(caFile, ca.certPem);
});

afterAll(async () => {
  await peer[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** Writes down the outcome and takes the socket over. */
class Observer implements ConnectObserver {
  readonly outcomes: string[] = [];
  readonly recorder = new Recorder();
  detail = "";
  socket: Socket | undefined;

  onConnected(socket: Socket): void {
    this.outcomes.push("connected");
    this.socket = socket;
    socket.data = this.recorder;
  }

  onConnectFailed(failure: string, detail: string): void {
    this.outcomes.push(failure);
    this.detail = detail;
  }
}

function connector(timeoutMs = 5_000, tls?: TlsOptions): SocketConnector {
  return new SocketConnector(tls, timeoutMs, systemClock, (error) => expect(error).toBeUndefined());
}

function local(port: number): ConnectTarget {
  return connectTarget("127.0.0.1", port);
}

/** Connects and answers the observer once it was told something. */
async function outcome(made: SocketConnector, target: ConnectTarget): Promise<Observer> {
  const observer = new Observer();
  made.connect(target, observer);
  expect(observer.outcomes).toEqual([]);
  await until("there is an outcome", () => observer.outcomes.length > 0);
  return observer;
}

function trusting(authority: Ca, name = "web.test"): TlsOptions {
  return new ClientTls().options({ dnsName: name, trustPem: [authority.certPem] });
}

async function probe(
  args: readonly (string | number)[],
  options: { readonly ffi?: boolean; readonly shell?: string } = {},
): Promise<Probed> {
  const { ffi = true, shell = 'exec "$@"' } = options;
  const command = ["sh", "-c", shell, "sh", process.execPath, "--no-env-file", PROBE];
  const env = { LINKERD_TCP_FFI: ffi ? "" : "off" };
  const { stdout, stderr } = await run([...command, ...args.map(String)], { env });
  if (stdout === "") throw new Error(stderr);
  return JSON.parse(stdout) as Probed;
}

describe("a connection", () => {
  withPython("is handed over once, open for both directions", async () => {
    const server = await peer.listen();
    const { outcomes, socket, recorder } = await outcome(connector(), local(server.port));
    const stream = await server.accept();
    expect(socket?.write(Buffer.from("hello"))).toBe(5);
    expect(await stream.receive(5)).toMatchObject({ text: "hello" });
    await stream.sendText("and back");
    await until("the answer has come", () => recorder.text === "and back");
    await stream.shutdown();
    await until("the end has come", () => recorder.has("end"));
    socket?.shutdown();
    await until("it is closed", () => recorder.has("close"));
    expect(outcomes).toEqual(["connected"]);
  });

  withPython("hands over what the endpoint said first", async () => {
    const server = await peer.listen();
    const greet = async () => {
      const stream = await server.accept();
      await stream.sendText("220 ready\r\n");
      await stream.shutdown();
    };
    const greeted = greet();
    const { recorder, socket } = await outcome(connector(), local(server.port));
    await greeted;
    await until("the end has come", () => recorder.has("end"));
    expect(recorder.text).toBe("220 ready\r\n");
    socket?.terminate();
  });

  withPython("over IPv6 is made", async () => {
    const server = await peer.listen({ host: "::1" });
    const { outcomes, socket } = await outcome(connector(), connectTarget("::1", server.port));
    expect(outcomes).toEqual(["connected"]);
    socket?.terminate();
  });

  withPython("over IPv4 is made to the address in its IPv6 form", async () => {
    const server = await peer.listen();
    const target = connectTarget("::ffff:127.0.0.1", server.port);
    const { outcomes, socket } = await outcome(connector(), target);
    expect(outcomes).toEqual(["connected"]);
    socket?.terminate();
  });

  withPython("outlives the time limit for making it", async () => {
    const server = await peer.listen();
    const { outcomes, recorder, socket } = await outcome(connector(80), local(server.port));
    const stream = await server.accept();
    const started = performance.now();
    await until("the limit has passed", () => performance.now() - started > 160);
    await stream.sendText("alive");
    await until("the bytes have come", () => recorder.text === "alive");
    expect(outcomes).toEqual(["connected"]);
    socket?.terminate();
  });

  withPython("with TLS is handed over after the handshake", async () => {
    const server = await peer.listen({ tls: web });
    const { outcomes, socket, recorder } = await outcome(
      connector(5_000, trusting(ca)),
      local(server.port),
    );
    const stream = await server.accept();
    expect(stream.info).toMatchObject({ sni: "web.test" });
    expect(socket?.write(Buffer.from("hello"))).toBe(5);
    expect(await stream.receive(5)).toMatchObject({ text: "hello" });
    await stream.sendText("and back");
    await until("the answer has come", () => recorder.text === "and back");
    expect(outcomes).toEqual(["connected"]);
    socket?.terminate();
  });
});

describe("a failure is told as", () => {
  test("refused where nothing listens", async () => {
    const { outcomes } = await outcome(connector(), local(await freePort()));
    expect(outcomes).toEqual(["refused"]);
  });

  test("refused where nothing listens, with TLS too", async () => {
    const made = connector(
      5_000,
      new ClientTls().options({ dnsName: "web.test", trustPem: [ca.certPem] }),
    );
    const { outcomes } = await outcome(made, local(await freePort()));
    expect(outcomes).toEqual(["refused"]);
  });

  withPython("timeout where nobody answers", async () => {
    const port = await peer.listenDeaf();
    const started = performance.now();
    const { outcomes } = await outcome(connector(120), local(port));
    expect(outcomes).toEqual(["timeout"]);
    expect(performance.now() - started).toBeGreaterThanOrEqual(115);
    expect(performance.now() - started).toBeLessThan(1_000);
    // Only the peer's own attempt is left.
    await until("it is ended", async () => (await pending(port)) === (libc === undefined ? 2 : 1));
  });

  withPython("timeout where the TCP connection stands and the handshake does not end", async () => {
    const server = await peer.listen({ tls: web, hold: true });
    const { outcomes } = await outcome(connector(120, trusting(ca)), local(server.port));
    expect(outcomes).toEqual(["timeout"]);
    await until("it is ended", async () => {
      return !(await statesTowards(server.port)).includes(TCP.established);
    });
  });

  for (const [what, tls] of Object.entries({
    "the name does not fit": () => ({ trust: ca, name: "other.test" }),
    "the authority is not trusted": async () => ({ trust: await makeCa(), name: "web.test" }),
  })) {
    withPython(`tls where ${what}`, async () => {
      const { trust, name } = await tls();
      const server = await peer.listen({ tls: web });
      const made = connector(5_000, trusting(trust, name));
      const { outcomes, detail } = await outcome(made, local(server.port));
      expect(outcomes).toEqual(["tls"]);
      expect(detail).not.toBe("");
      await until("the endpoint saw it fail", async () => {
        return (await server.stats()).failures.length === 1;
      });
    });
  }

  withPython("tls where the endpoint does not speak it", async () => {
    const server = await peer.listen();
    await server.echoAll();
    const { outcomes } = await outcome(connector(5_000, trusting(ca)), local(server.port));
    expect(outcomes).toEqual(["tls"]);
  });

  test("tls where the endpoint says something else and is gone by then", async () => {
    // With `end` nobody is there for the ClientHello: it is answered by a reset, behind what was said.
    using server = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: { open: (socket) => void socket.end("554 no\r\n"), data() {} },
    });
    const made = connector(5_000, trusting(ca));
    for (let attempt = 0; attempt < 20; attempt += 1) {
      const { outcomes, detail } = await outcome(made, local(server.port));
      expect([outcomes, detail]).toEqual([["tls"], expect.stringContaining("SSL")]);
    }
  });

  // A reset during the handshake looks like one before the connection stood.
  for (const [how, end, failure] of [
    ["closes", "close", "refused"],
    ["resets", "reset", "refused"],
    ["ends", "fin", "tls"],
  ] as const) {
    withPython(`${failure} where the endpoint ${how} in the middle of the handshake`, async () => {
      const server = await peer.listen();
      const ended = server.accept().then((stream) => stream[end]());
      const { outcomes } = await outcome(connector(5_000, trusting(ca)), local(server.port));
      await ended;
      expect(outcomes).toEqual([failure]);
    });
  }

  for (const [route, failure] of [
    ["unreachable", "unreachable"],
    ["throw", "unreachable"],
    ["prohibit", "other"],
  ] as const) {
    withNamespace(`${failure} where the route is of the kind ${route}`, async () => {
      const shell = `exec unshare -rn sh -c 'ip link set lo up; ip route add ${route} 192.0.2.0/24; exec "$@"' sh "$@"`;
      expect(await probe(["192.0.2.1", 80, 2_000], { shell })).toMatchObject({ outcome: failure });
    });
  }

  withNamespace("unreachable where no neighbour answers, which takes a while to know", async () => {
    const shell = `exec unshare -rn sh -c '
      ip link set lo up; ip tuntap add tap0 mode tap; ip link set tap0 up; ip addr add 192.0.2.1/24 dev tap0
      echo 20 > /proc/sys/net/ipv4/neigh/tap0/retrans_time_ms
      exec "$@"' sh "$@"`;
    const probed = await probe(["192.0.2.9", 80, 4_000], { shell });
    expect(probed).toMatchObject({ outcome: "unreachable", detail: "EHOSTUNREACH" });
  });

  withFfi("descriptors where this process has none left", async () => {
    const server = await peer.listen();
    const probed = await probe(["127.0.0.1", server.port, 2_000, "--until-failure"], {
      shell: 'ulimit -n 64; exec "$@"',
    });
    expect(probed).toMatchObject({ outcome: "descriptors", ffi: true });
    expect(probed.connected).toBeGreaterThan(10);
    expect(probed.connected).toBeLessThan(64);
  });
});

describe("abort", () => {
  withPython("ends an attempt whose answer has not come, and nobody is told", async () => {
    const port = await peer.listenDeaf();
    const observer = new Observer();
    const made = connector(60_000);
    const attempt = made.connect(local(port), observer);
    await until("it is under way", async () => (await pending(port)) === 2);
    attempt.abort();
    if (libc !== undefined) expect(await pending(port)).toBe(1);
    attempt.abort();
    await turns();
    expect(observer.outcomes).toEqual([]);
  });

  withPython("ends an attempt at once after it began", async () => {
    const server = await peer.listen();
    const observer = new Observer();
    connector().connect(local(server.port), observer).abort();
    await turns();
    expect(observer.outcomes).toEqual([]);
    const left = async () => (await statesTowards(server.port)).includes(TCP.established);
    await until("the connection is gone", async () => !(await left()));
  });

  withPython("ends an attempt in the middle of its handshake", async () => {
    const server = await peer.listen({ tls: web, hold: true });
    const observer = new Observer();
    const made = connector(60_000, trusting(ca));
    const attempt = made.connect(local(server.port), observer);
    await until("it is accepted", async () => (await server.stats()).accepted === 1);
    attempt.abort();
    await server.release();
    await until(
      "the endpoint saw it end",
      async () => (await server.stats()).failures.length === 1,
    );
    expect(observer.outcomes).toEqual([]);
  });

  test("keeps a refusal from being told", async () => {
    const observer = new Observer();
    connector()
      .connect(local(await freePort()), observer)
      .abort();
    await turns();
    expect(observer.outcomes).toEqual([]);
  });
});

withPython("a thousand attempts that come to nothing leave no descriptor behind", async () => {
  const { port } = await peer.listen();
  const closed = await freePort();
  const made = connector();
  const round = async () => {
    const refused = new Observer();
    for (let n = 0; n < 50; n += 1) {
      made.connect(local(closed), refused);
      made.connect(local(port), new Observer()).abort();
    }
    await until("all are refused", () => refused.outcomes.length === 50);
  };
  await round();
  const before = openFiles();
  for (let n = 0; n < 10; n += 1) await round();
  await until("no more are open than before", () => openFiles() <= before + 2);
});

describe("without FFI", () => {
  const off = { ffi: false };

  withPython("connections are made and failures told", async () => {
    const server = await peer.listen();
    const probed = await probe(["127.0.0.1", server.port, 2_000], off);
    expect(probed).toEqual({ outcome: "connected", detail: "", ffi: false, connected: 1 });
    const refused = await probe(["127.0.0.1", await freePort(), 2_000], off);
    expect(refused).toMatchObject({ outcome: "refused", ffi: false });
    const deaf = await probe(["127.0.0.1", await peer.listenDeaf(), 100], off);
    expect(deaf).toMatchObject({ outcome: "timeout", ffi: false });
  });

  withPython("TLS is verified", async () => {
    const server = await peer.listen({ tls: web });
    const args = ["127.0.0.1", server.port, 2_000, caFile];
    expect(await probe([...args, "web.test"], off)).toMatchObject({
      outcome: "connected",
      ffi: false,
    });
    expect(await probe([...args, "other.test"], off)).toMatchObject({ outcome: "tls", ffi: false });
    const closed = ["127.0.0.1", await freePort(), 2_000, caFile, "web.test"];
    expect(await probe(closed, off)).toMatchObject({ outcome: "refused", ffi: false });
  });
});

/** Lets the event loop turn until a later attempt has come to its end. */
async function turns(): Promise<void> {
  await outcome(connector(), local(await freePort()));
}

async function pending(port: number): Promise<number> {
  return (await statesTowards(port)).filter((state) => state === TCP.synSent).length;
}

function openFiles(): number {
  return Array.from(new Bun.Glob("*").scanSync({ cwd: "/proc/self/fd", onlyFiles: false })).length;
}

/** A port that nothing listens on. */
async function freePort(): Promise<number> {
  const nothing = { open() {}, data() {}, drain() {}, end() {}, close() {}, error() {} };
  const listener = listen({ hostname: "127.0.0.1", port: 0 }, nothing);
  listener.stop(true);
  return listener.port;
}
