// The same proxy where the C library cannot be called: workers listen for themselves, and Bun alone connects.
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { proxyTo } from "../support/peers/proxy-config.ts";
import { PythonSockets } from "../support/peers/python-sockets.ts";
import { has } from "../support/peers/tools.ts";
import { Product } from "../support/product.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(20_000);
const env = { LINKERD_TCP_FFI: "off" };

describe.skipIf(!has("python3"))("without the C library", () => {
  test("connections are accepted from the moment the log says ready", async () => {
    await using python = new PythonSockets();
    const backend = await python.serve("greet", "a");
    for (let round = 0; round < 3; round++) {
      await using product = await Product.start(proxyTo({ to: [backend.port] }), { env });
      expect(await python.visit(product.port(), 5)).toMatchObject({ lines: { a: 5 } });
    }
  });

  test("clients notice nothing of endpoints that refuse, and bytes arrive intact", async () => {
    await using python = new PythonSockets();
    const backend = await python.serve("echo");
    const to = [await python.deadPort(), backend.port];
    await using product = await Product.start(proxyTo({ to }), { env });
    const accepts = async (): Promise<boolean> => {
      const socket = await python.connect(product.port()).catch(() => undefined);
      await socket?.close();
      return socket !== undefined;
    };
    await until("connections are accepted", accepts);
    const args = { port: product.port(), count: 200, threads: 20, size: 100_000 };
    expect(await python.call("churn", args)).toEqual({ ok: 200 });
  });
});
