import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Peer, type PeerStream } from "../../test/support/tls/peer.ts";
import { type Recorder, recordingHandlers } from "../../test/support/tls/recorder.ts";
import { has } from "../../test/support/tls/tools.ts";
import { until } from "../../test/support/until.ts";
import { type BunListener, descriptorOf, listen, writeMetReset } from "./bun.ts";
import { libc } from "./libc.ts";
import { kept, PORTION_BYTES, readPortion } from "./portions.ts";
import type { Socket } from "./socket.ts";

/** Connects, and ends by FIN or by a reset a little later. */
const ENDING = `
import socket, struct, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
time.sleep(0.3)
if sys.argv[2] == "reset":
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
s.close()
`;

const withPeer = describe.skipIf(libc === undefined || !has("python3"));

withPeer("readPortion()", () => {
  const peer = new Peer();
  const accepted: Recorder[] = [];
  const children: Bun.Subprocess[] = [];
  let listener: BunListener;

  beforeAll(() => {
    listener = listen({ hostname: "127.0.0.1", port: 0 }, recordingHandlers(accepted));
  });

  afterAll(async () => {
    listener.stop(true);
    for (const child of children) child.kill();
    await peer[Symbol.asyncDispose]();
  });

  /** An accepted socket that the engine does not read, and its peer. */
  async function paused(): Promise<{ own: Recorder; socket: Socket; client: PeerStream }> {
    const client = await peer.connect(listener.port);
    await until("it is accepted", () => accepted.length > 0);
    const own = accepted.pop();
    if (own?.socket === undefined) throw new Error("nothing was accepted");
    own.socket.pause();
    return { own, socket: own.socket, client };
  }

  /** Waits for what is not `none`. */
  async function next(socket: Socket): Promise<Uint8Array | "lost"> {
    let read: ReturnType<typeof readPortion> = "none";
    await until("something has come", () => (read = readPortion(socket)) !== "none");
    return read as Uint8Array | "lost";
  }

  test("reads no more than a portion, and the engine reads what follows", async () => {
    const { own, socket, client } = await paused();
    expect(readPortion(socket)).toBe("none");
    await client.sendText("x".repeat(PORTION_BYTES));
    await client.sendText("y");
    let got = 0;
    while (got < PORTION_BYTES) {
      const bytes = await next(socket);
      expect(bytes.length).toBeLessThanOrEqual(PORTION_BYTES - got);
      expect(String.fromCharCode(Number(bytes.at(-1)))).toBe("x");
      got += bytes.length;
    }
    socket.resume();
    await until("the engine has read the rest", () => own.text === "y");
  }, 20_000);

  test("leaves the end of the stream to the engine", async () => {
    const { own, socket, client } = await paused();
    await client.sendText("last");
    await client.shutdown();
    expect(Buffer.from((await next(socket)) as Uint8Array).toString()).toBe("last");
    expect(readPortion(socket)).toBe("none");
    socket.resume();
    await until("the engine tells the end", () => own.has("end"));
  });

  /** Accepts one that will end soon. Whoever waits for that without a turn of the loop finds it before the engine does. */
  async function ending(how: "reset" | "fin"): Promise<{ own: Recorder; socket: Socket }> {
    children.push(Bun.spawn(["python3", "-c", ENDING, String(listener.port), how]));
    await until("it is accepted", () => accepted.length > 0);
    const own = accepted.pop();
    if (own?.socket === undefined) throw new Error("nothing was accepted");
    own.socket.pause();
    return { own, socket: own.socket };
  }

  /** Asks again and again, without a turn of the loop. */
  function spin(done: () => boolean): void {
    const deadlineMs = performance.now() + 3_000;
    while (!done() && performance.now() < deadlineMs);
  }

  test("says that a connection is lost, and nothing of one that is closed", async () => {
    const { own, socket } = await ending("reset");
    let read = readPortion(socket);
    spin(() => (read = readPortion(socket)) !== "none");
    expect(read).toBe("lost");
    socket.resume();
    await until("the engine takes it for a good end", () => own.has("end"));
    socket.terminate();
    expect(readPortion(socket)).toBe("none");
  });

  test("a write that meets a reset is told from one after an end in good order", async () => {
    const cut = await ending("reset");
    spin(() => cut.socket.write(Buffer.from("x")) < 0);
    expect(writeMetReset()).toBe(true);
    const left = await ending("fin");
    spin(() => libc?.peerHasClosed(descriptorOf(left.socket)) === true);
    spin(() => left.socket.write(Buffer.from("x")) < 0);
    expect(writeMetReset()).toBe(false);
  });
});

describe("kept()", () => {
  test("copies what would keep much more alive, and nothing else", () => {
    const bytes = new Uint8Array(1_000);
    const most = bytes.subarray(400);
    const least = bytes.subarray(600);
    expect(kept(most)).toBe(most);
    expect(kept(least)).toEqual(least);
    expect(kept(least).buffer.byteLength).toBe(400);
  });

  test.skipIf(libc === undefined)("copies portions, which the next one overwrites", () => {
    const portion = libc?.portion ?? new Uint8Array(0);
    expect(kept(portion).buffer).not.toBe(portion.buffer);
  });
});
