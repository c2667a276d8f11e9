// Against real sockets: what we rely on in Bun's.
import { afterEach, describe, expect, test } from "bun:test";
import { readdirSync, readlinkSync } from "node:fs";
import { until } from "../../../test/support/until.ts";
import type { Address } from "../../lib/address.ts";
import { framed } from "./frames.ts";
import { type MessageListener, type SendMessage, systemTransport } from "./transport.ts";

const { udp, tcp } = systemTransport;
const QUERY = new Uint8Array([1, 2, 3]);
const at = (port: number): Address => ({ ip: "127.0.0.1", port });

let messages: number[][] = [];
let failures: string[] = [];
const listener: MessageListener = {
  message: (bytes) => messages.push([...bytes]),
  failed: (code) => failures.push(code),
};
const cleanUp: (() => void)[] = [];

afterEach(() => {
  for (const end of cleanUp.splice(0)) end();
  messages = [];
  failures = [];
});

/** Sends `QUERY` and listens until the end of the test. */
function send(how: SendMessage, to: Address): () => void {
  const close = how(to, QUERY, listener);
  cleanUp.push(close);
  return close;
}

async function udpServer(
  replies: readonly Uint8Array[],
): Promise<{ port: number; from: number[] }> {
  const from: number[] = [];
  const socket = await Bun.udpSocket({
    hostname: "127.0.0.1",
    socket: {
      data(it, _bytes, port, address) {
        from.push(port);
        for (const reply of replies) it.send(reply, port, address);
      },
    },
  });
  cleanUp.push(() => socket.close());
  return { port: socket.port, from };
}

function tcpServer(data: (socket: Bun.Socket, bytes: Uint8Array) => void): number {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data } });
  cleanUp.push(() => server.stop(true));
  return server.port;
}

const openSockets = (): number =>
  readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith("socket:");
    } catch {
      return false;
    }
  }).length;

describe("over UDP", () => {
  test("gives every datagram of the server", async () => {
    const { port } = await udpServer([new Uint8Array([9]), new Uint8Array(4_000)]);
    send(udp, at(port));
    await until("both are there", () => messages.length === 2);
    expect(messages.map(({ length }) => length)).toEqual([1, 4_000]);
  });

  test("sends each query from another port", async () => {
    const { port, from } = await udpServer([]);
    for (let index = 0; index < 20; index++) send(udp, at(port));
    await until("all are there", () => from.length === 20);
    expect(new Set(from).size).toBe(20);
  });

  test("does not take what comes from elsewhere", async () => {
    const { port, from } = await udpServer([]);
    send(udp, at(port));
    await until("the query is there", () => from.length === 1);
    let refused = false;
    const error = (): void => {
      refused = true;
    };
    const other = await Bun.udpSocket({ hostname: "127.0.0.1", socket: { error } });
    cleanUp.push(() => other.close());
    other.send(new Uint8Array([6]), from[0] ?? 0, "127.0.0.1");
    // The kernel finds no socket that would take it.
    await until("it was refused", () => refused);
    expect(messages).toEqual([]);
  });

  test("tells that nobody listens there", async () => {
    const server = await Bun.udpSocket({ hostname: "127.0.0.1" });
    const { port } = server;
    server.close();
    send(udp, at(port));
    await until("it failed", () => failures.length > 0);
    expect(failures).toEqual(["ECONNREFUSED"]);
  });

  test("tells that an address cannot be used", async () => {
    send(udp, { ip: "nonsense", port: 53 });
    await until("it failed", () => failures.length > 0);
    expect(messages).toEqual([]);
  });
});

describe("over TCP", () => {
  test("sends the query framed and gives messages, however they are cut", async () => {
    const seen: number[] = [];
    const port = tcpServer((socket, bytes) => {
      seen.push(...bytes);
      const answer = Buffer.concat([framed(new Uint8Array(60_000)), framed(new Uint8Array([5]))]);
      socket.write(answer.subarray(0, 1));
      socket.write(answer.subarray(1));
    });
    send(tcp, at(port));
    await until("both are there", () => messages.length === 2);
    expect(seen).toEqual([0, 3, 1, 2, 3]);
    expect(messages.map(({ length }) => length)).toEqual([60_000, 1]);
  });

  test("tells that the server hung up, and that nobody listens", async () => {
    send(tcp, at(tcpServer((socket) => void socket.end())));
    await until("it failed", () => failures.length > 0);
    const dead = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    dead.stop(true);
    send(tcp, at(dead.port));
    await until("it failed too", () => failures.length > 1);
    expect(failures).toEqual(["it hung up", "ECONNREFUSED"]);
  });
});

describe("a query that was closed", () => {
  test.each([
    ["UDP", udp],
    ["TCP", tcp],
  ])("over %s leaves no socket behind and tells nothing, whenever it was", async (_, how) => {
    const port = how === tcp ? tcpServer(() => {}) : (await udpServer([])).port;
    const before = openSockets();
    const early = Array.from({ length: 20 }, () => send(how, at(port)));
    for (const close of early) close();
    const late = Array.from({ length: 20 }, () => send(how, at(port)));
    await until("they are open", () => openSockets() >= before + 20);
    const heard = messages.length;
    for (const close of late) close();
    await until("they are gone", () => openSockets() <= before);
    expect(messages.length).toBe(heard);
    expect(failures).toEqual([]);
  });
});
