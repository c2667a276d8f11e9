// What a proxy owes its two peers: every byte, in order, and every way in which a connection can end. The peers are
// Python's and Node's sockets, not Bun's.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { FEW_FILES, readings } from "../support/peers/observed.ts";
import { proxyTo } from "../support/peers/proxy-config.ts";
import {
  type PythonListener,
  type PythonSocket,
  PythonSockets,
} from "../support/peers/python-sockets.ts";
import { has } from "../support/peers/tools.ts";
import { Product } from "../support/product.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(40_000);
const PEERS = join(import.meta.dir, "../support/peers");
const KIB = 1024;
const MIB = 1024 * KIB;

describe.skipIf(!has("python3"))("a relayed connection", () => {
  let python: PythonSockets;
  let backend: PythonListener;
  let product: Product;
  let filesAtStart: number;

  beforeAll(async () => {
    python = new PythonSockets();
    backend = await python.listen();
    product = await Product.start(proxyTo({ to: [backend.port] }));
    filesAtStart = product.openFiles();
  });

  afterAll(async () => {
    await product[Symbol.asyncDispose]();
    await python[Symbol.asyncDispose]();
  });

  /** A connection through the proxy, both ends in hand. */
  async function pair(): Promise<{ readonly client: PythonSocket; readonly server: PythonSocket }> {
    const client = await python.connect(product.port());
    return { client, server: await backend.accept() };
  }

  for (const size of [0, 1, 16_383, 16_384, 16_385, 64 * KIB, MIB, 64 * MIB]) {
    test(`carries ${size} bytes each way at once, unchanged`, async () => {
      const { client, server } = await pair();
      const sendAll = async (socket: PythonSocket) => {
        const sent = await socket.send(size);
        await socket.shutdown();
        return sent;
      };
      const [fromClient, fromServer, atServer, atClient] = await Promise.all([
        sendAll(client),
        sendAll(server),
        server.receive(),
        client.receive(),
      ]);
      expect(atServer).toMatchObject({ bytes: size, hash: fromClient.hash, end: "eof" });
      expect(atClient).toMatchObject({ bytes: size, hash: fromServer.hash, end: "eof" });
      await Promise.all([client.close(), server.close()]);
    });
  }

  test("lets the server answer after the client has ended its direction", async () => {
    const { client, server } = await pair();
    await client.send(1_000);
    await client.shutdown();
    expect(await server.receive()).toMatchObject({ bytes: 1_000, end: "eof" });
    const [sent, received] = await Promise.all([
      server.send(MIB).then(async (sent) => {
        await server.close();
        return sent;
      }),
      client.receive(),
    ]);
    expect(received).toMatchObject({ bytes: MIB, hash: sent.hash, end: "eof" });
    await client.close();
  });

  test("lets the client go on after the server has ended its direction", async () => {
    const { client, server } = await pair();
    await server.send(1_000);
    await server.shutdown();
    expect(await client.receive()).toMatchObject({ bytes: 1_000, end: "eof" });
    const [sent, received] = await Promise.all([
      client.send(MIB).then(async (sent) => {
        await client.close();
        return sent;
      }),
      server.receive(),
    ]);
    expect(received).toMatchObject({ bytes: MIB, hash: sent.hash, end: "eof" });
    await server.close();
  });

  test("stays open while nobody says or ends anything", async () => {
    const { client, server } = await pair();
    expect(await client.receive(1, 0.5)).toMatchObject({ end: "timeout" });
    await server.write("x");
    expect(await client.receive(1)).toMatchObject({ bytes: 1 });
    await Promise.all([client.close(), server.close()]);
  });

  test("passes a client's reset on as a reset", async () => {
    const { client, server } = await pair();
    await client.write("hello");
    await server.receive(5);
    await client.reset();
    expect(await server.receive()).toMatchObject({ bytes: 0, end: "ECONNRESET" });
  });

  test("passes a server's reset on as a reset", async () => {
    const { client, server } = await pair();
    await client.write("hello");
    await server.receive(5);
    await server.reset();
    expect(await client.receive()).toMatchObject({ bytes: 0, end: "ECONNRESET" });
  });

  test("delivers what a peer sent before its reset, then the reset", async () => {
    for (const who of ["client", "server"] as const) {
      const { client, server } = await pair();
      const [writer, reader] = who === "client" ? [client, server] : [server, client];
      // Once a byte has come through, both connections stand.
      await client.write("x");
      await server.receive(1);
      const { hash } = await writer.send(64 * KIB);
      await writer.reset();
      expect(await reader.receive()).toMatchObject({ bytes: 64 * KIB, hash, end: "ECONNRESET" });
    }
  });

  for (const who of ["client", "server"] as const) {
    test(`passes a ${who}'s reset on as a reset though bytes for it are met first`, async () => {
      const { client, server } = await pair();
      const [leaver, stayer] = who === "client" ? [client, server] : [server, client];
      await client.write("x");
      await server.receive(1);
      // The proxy is to find both at once: its write takes the error away from the read behind it.
      await product.halt();
      await stayer.write("more");
      await leaver.reset();
      product.process.kill("SIGCONT");
      expect(await stayer.receive()).toMatchObject({ bytes: 0, end: "ECONNRESET" });
    });
  }

  test("resets a server whose client resets while it reads nothing", async () => {
    const { client, server } = await pair();
    expect(await server.send(256 * MIB, 0.5)).toMatchObject({ end: "timeout" });
    await client.reset();
    expect((await server.receive()).end).toBe("ECONNRESET");
  });

  test("gives a client that reads late the bytes that came before a server's reset, then the reset", async () => {
    const { client, server } = await pair();
    const sent = await server.send(256 * MIB, 0.5);
    expect(sent.end).toBe("timeout");
    await server.reset();
    const received = await client.receive();
    expect(received.end).toBe("ECONNRESET");
    expect(received.bytes).toBeGreaterThan(0);
    expect(received.bytes).toBeLessThanOrEqual(sent.bytes);
  });

  test("tells a client that goes on sending to a server that has closed", async () => {
    const { client, server } = await pair();
    await server.close();
    expect(await client.receive()).toMatchObject({ end: "eof" });
    const { end } = await client.send(256 * MIB);
    expect(["ECONNRESET", "EPIPE"]).toContain(end);
  });

  test("gives the client the first word of a server that speaks first", async () => {
    const { client, server } = await pair();
    await server.write("220 ready\r\n");
    expect(await client.receive(11)).toMatchObject({ text: "220 ready\r\n" });
    await Promise.all([client.close(), server.close()]);
  });

  test("leaves no descriptor and no session behind, whatever the order of the ends", async () => {
    const { client, server } = await pair();
    await Promise.all([client.close(), server.close()]);
    await until("all sessions have ended", async () => {
      return (await readings(product)).sum("l5d_srv_active") === 0;
    });
    await until(
      "all descriptors are closed",
      () => product.openFiles() <= filesAtStart + FEW_FILES,
    );
    const page = await readings(product);
    expect(page.sum("l5d_srv_accepts_total")).toBe(
      page.sum("l5d_srv_closes_total") + page.sum("l5d_srv_failures_total"),
    );
    expect(page.sum("l5d_srv_close_reason_total", { reason: "internal" })).toBe(0);
    expect(page.sum("l5d_srv_close_reason_total", { reason: "client_reset" })).toBe(4);
  });

  for (const who of ["client", "server"] as const) {
    test(`ends at once when a ${who} goes on sending to a peer that has closed`, async () => {
      await using product = await Product.start(proxyTo({ to: [backend.port] }));
      const client = await python.connect(product.port());
      const server = await backend.accept();
      const [writer, reader] = who === "client" ? [client, server] : [server, client];
      // The kernel gives windows of many MiB to connections that have proved fast.
      await Promise.all([writer.send(128 * MIB), reader.receive(128 * MIB)]);
      // The proxy is to find all of it at once: bytes to carry, then the end of the reader, who takes none of them.
      await product.halt();
      await writer.send(8 * MIB, 0.5);
      await reader.close();
      product.process.kill("SIGCONT");
      expect(await writer.receive()).toMatchObject({ end: "eof" });
      const { end } = await writer.send(256 * MIB, 3);
      expect(["ECONNRESET", "EPIPE"]).toContain(end);
      await until("the session has ended", async () => {
        return (await readings(product)).sum("l5d_srv_active") === 0;
      });
      // Bytes were lost: that is no end in good order.
      expect((await readings(product)).sum("l5d_srv_failures_total")).toBe(1);
    });
  }

  test("is one of two hundred at a time from Node to Node, all intact", async () => {
    const echo = Bun.spawn(["node", join(PEERS, "node-echo.mjs")], { stdout: "pipe" });
    try {
      const { value } = await echo.stdout.getReader().read();
      const port = Number(new TextDecoder().decode(value));
      await using product = await Product.start(proxyTo({ to: [port], top: { workers: 2 } }));
      const script = join(PEERS, "node-crowd.mjs");
      const crowd = Bun.spawn(["node", script, String(product.port()), "200", "200000"]);
      expect(await crowd.stdout.json()).toEqual({ ok: 200 });
    } finally {
      echo.kill();
    }
  });

  for (const size of [1, 10 * KIB, MIB]) {
    test(`delivers ${size} bytes that a client sent and ended before its endpoint was reached`, async () => {
      const hole = await python.blackHole();
      await using product = await Product.start(proxyTo({ to: [hole.port] }));
      const client = await python.connect(product.port());
      const sending = client.send(size).then(async (sent) => {
        await client.shutdown();
        return sent;
      });
      await until("the bytes have been seen", async () => {
        const rx = (await readings(product)).sum("l5d_srv_stream_rx_bytes_total");
        return rx >= Math.min(size, 16 * KIB);
      });
      const listener = await hole.openUp();
      const server = await listener.accept();
      const received = await server.receive();
      expect(received).toMatchObject({ bytes: size, hash: (await sending).hash, end: "eof" });
      await server.write("thanks");
      await server.close();
      expect(await client.receive()).toMatchObject({ text: "thanks", end: "eof" });
    });
  }
});
