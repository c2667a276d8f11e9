// What malformed, slow and huge requests do to the admin server, over raw sockets: nothing to the others.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createConnection, type Socket } from "node:net";
import { fakeControl } from "../../test/support/fake-control.ts";
import { systemClock } from "../lib/clock.ts";
import { silentLogger } from "../telemetry/log.ts";
import type { AdminPort } from "./admin-port.ts";
import { AdminServer } from "./server.ts";

const calls: string[] = [];
let server: AdminServer;

beforeAll(() => {
  const app: AdminPort = {
    metrics: () => "x 1\n".repeat(1_000_000),
    status: () => ({
      version: "",
      pid: 4321,
      state: "serving",
      uptimeSeconds: 0,
      workers: 1,
      configuration: {
        generation: 1,
        fingerprint: "0123456789abcdef",
        loadedAt: "2026-01-02T03:04:05.000Z",
        lastReload: undefined,
      },
      servers: [],
      destinations: [],
      namers: [],
      overrides: [],
      drains: [],
    }),
    config: () => null,
    reload: () => Promise.reject(new Error("not asked for")),
    plan: () => Promise.reject(new Error("not asked for")),
    shutdown: () => calls.push("shutdown"),
    upgrade: () => Promise.resolve({ result: "refused", message: "" }),
    handOver() {},
    abort: () => calls.push("abort"),
    control: fakeControl(),
  };
  server = new AdminServer({
    ip: "127.0.0.1",
    port: 0,
    app,
    log: silentLogger,
    clock: systemClock,
  });
});

afterAll(() => server.stop());

async function connect(): Promise<Socket> {
  const socket = createConnection(server.address.port, "127.0.0.1");
  // Whether it ends with FIN or with a reset is all one here.
  socket.on("error", () => {});
  await new Promise((resolve) => socket.once("connect", resolve));
  return socket;
}

/** All that comes back until the server closes. */
function received(socket: Socket): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = "";
  socket.on("data", (chunk) => (text += chunk.toString("latin1")));
  socket.once("close", () => resolve(text));
  return promise;
}

async function exchange(...parts: readonly (string | Uint8Array)[]): Promise<string> {
  const socket = await connect();
  const answer = received(socket);
  for (const part of parts) socket.write(part);
  return answer;
}

function get(path: string, ...headers: readonly string[]): string {
  const head = [`GET ${path} HTTP/1.1`, `Host: localhost:${server.address.port}`, ...headers];
  return `${head.join("\r\n")}\r\n\r\n`;
}

async function expectAlive(): Promise<void> {
  expect(await exchange(get("/ping", "Connection: close"))).toEndWith("\r\n\r\npong\n");
}

describe("AdminServer under abuse", () => {
  test.each([
    ["null bytes", "\0\0\0\r\n\r\n"],
    ["words", "hello there\r\n\r\n"],
    ["TLS", Buffer.from("16030100a5010000a10303", "hex")],
    ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["a request without Host", "GET / HTTP/1.1\r\n\r\n"],
    [
      "two lengths",
      "POST /abort HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    [
      "a huge announced body",
      "POST /abort HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n",
    ],
  ])("ends a connection that brings %s, with an error at most", async (_, bytes) => {
    expect(await exchange(bytes)).toMatch(/^(HTTP\/1.1 4\d\d .*\r\nConnection: close\r\n\r\n)?$/);
    await expectAlive();
  });

  test("ends a connection that brings random bytes", async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const bytes = Uint8Array.from({ length: 500 }, (_, at) => (at * at * seed * 31 + seed) % 251);
      await exchange(bytes, "\r\n\r\n");
    }
    await expectAlive();
  });

  test("refuses heads of a megabyte, in one field or in many", async () => {
    const field = get("/ping", `X: ${"a".repeat(1 << 20)}`);
    const fields = get("/ping", ...Array.from({ length: 50_000 }, (_, at) => `X-Number-${at}: 1`));
    const path = get(`/${"a".repeat(1 << 20)}`);
    for (const huge of [field, fields, path])
      expect(await exchange(huge)).toMatch(/^(HTTP\/1.1 4\d\d |$)/);
    await expectAlive();
  });

  test("takes no host from the request line and none that comes twice", async () => {
    const absolute = await exchange(
      "GET http://localhost/ping HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    );
    expect(absolute).toStartWith("HTTP/1.1 403");
    expect(await exchange(get("/ping", "Host: evil.example", "Connection: close"))).toStartWith(
      "HTTP/1.1 4",
    );
  });

  test("answers HTTP/1.0 without Host, as simple health checks ask", async () => {
    expect(await exchange("GET /ping HTTP/1.0\r\n\r\n")).toEndWith("pong\n");
  });

  test("does nothing for a POST whose head is not complete", async () => {
    const socket = await connect();
    const closed = received(socket);
    socket.end(`POST /abort HTTP/1.1\r\nHost: localhost:${server.address.port}\r\n`);
    await closed;
    await expectAlive();
    expect(calls).toEqual([]);
  });

  test("goes on answering while a thousand connections idle and others send half a request", async () => {
    const idle = await Promise.all(Array.from({ length: 1000 }, connect));
    for (const socket of idle.slice(0, 500)) socket.write("GET /metrics HTTP/1.1\r\nHo");
    await expectAlive();
    for (const socket of idle) socket.destroy();
    await expectAlive();
  });

  test("goes on answering while clients do not read what they asked for", async () => {
    const lazy = await Promise.all(Array.from({ length: 10 }, connect));
    for (const socket of lazy) {
      socket.pause();
      socket.write(get("/metrics"));
    }
    await expectAlive();
    for (const socket of lazy) socket.destroy();
  });

  // Bun's times are fixed: half a minute for a fact that changes only with Bun is for CI.
  test.skipIf(process.env["CI"] === undefined)(
    "ends connections that send nothing, half a request, or a byte at a time",
    async () => {
      const [idle, half, drip] = [await connect(), await connect(), await connect()];
      half.write("GET /ping HTTP/1.1\r\nHo");
      drip.write(get("/ping").slice(0, -2));
      const stop = systemClock.every(500, () => drip.write("X: y\r\n"));
      await Promise.all([idle, half, drip].map(received));
      stop();
    },
    40_000,
  );
});
