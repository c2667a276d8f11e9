// A reader that stalls stops its writer: the bytes wait with the writer, not in the memory of the proxy.
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { cpuMsDuring, privateBytes } from "../support/peers/observed.ts";
import { proxyTo } from "../support/peers/proxy-config.ts";
import { type PythonSocket, PythonSockets } from "../support/peers/python-sockets.ts";
import { has } from "../support/peers/tools.ts";
import { Product } from "../support/product.ts";

setDefaultTimeout(60_000);
const MIB = 1024 * 1024;
const CONNECTIONS = 6;
const ENDLESS = 1024 * MIB;
// One read of Bun's takes up to half a MiB; more than a few of them is a queue without a bound.
const PER_CONNECTION = 2 * MIB;

interface Pair {
  readonly writer: PythonSocket;
  readonly reader: PythonSocket;
}

async function pairs(
  writes: "client" | "server",
  python: PythonSockets,
  product: Product,
  accept: () => Promise<PythonSocket>,
): Promise<Pair[]> {
  const made: Pair[] = [];
  for (let at = 0; at < CONNECTIONS; at++) {
    const client = await python.connect(product.port());
    const server = await accept();
    made.push(
      writes === "client" ? { writer: client, reader: server } : { writer: server, reader: client },
    );
  }
  return made;
}

describe.skipIf(!has("python3"))("a reader that stalls", () => {
  for (const writes of ["client", "server"] as const) {
    test(`stops a ${writes} that writes without end, in bounded memory, and misses nothing later`, async () => {
      await using python = new PythonSockets();
      const backend = await python.listen();
      await using product = await Product.start(proxyTo({ to: [backend.port] }));
      const all = await pairs(writes, python, product, () => backend.accept());
      const before = privateBytes(product);

      // What the kernel holds is soon full; `send` gives up when nothing is taken for a second.
      const sent = await Promise.all(all.map(({ writer }) => writer.send(ENDLESS, 1)));

      for (const { end } of sent) expect(end).toBe("timeout");
      const grown = privateBytes(product) - before;
      expect(grown).toBeLessThan(CONNECTIONS * PER_CONNECTION);
      expect(await cpuMsDuring(product, 500)).toBeLessThan(150);

      for (const { writer } of all) await writer.shutdown();
      const received = await Promise.all(all.map(({ reader }) => reader.receive()));
      for (const [at, { bytes, hash, end }] of received.entries()) {
        expect({ bytes, hash, end }).toEqual({
          bytes: sent[at]?.bytes ?? -1,
          hash: sent[at]?.hash ?? "",
          end: "eof",
        });
      }
    });
  }
});
