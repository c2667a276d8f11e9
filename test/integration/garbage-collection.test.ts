// The engine collects garbage all the time: what the C library is given must stay where it is.
import { expect, setDefaultTimeout, test } from "bun:test";
import { readings } from "../support/peers/observed.ts";
import { proxyTo } from "../support/peers/proxy-config.ts";
import { PythonSockets } from "../support/peers/python-sockets.ts";
import { has } from "../support/peers/tools.ts";
import { Product } from "../support/product.ts";

setDefaultTimeout(60_000);
const LOOKS = 1_500;

test.skipIf(!has("python3"))(
  "a product that collects garbage all the time lives on, whatever it asks of the system",
  async () => {
    await using python = new PythonSockets();
    const { port } = await python.serve("greet", "here");
    const client = { minConnections: 2 };
    const env = { BUN_JSC_collectContinuously: "1" };
    await using product = await Product.start(proxyTo({ to: [port], client }), { env });
    const crowd = await python.visit(product.port(), 100);
    for (let looks = 0; looks < LOOKS; looks += 1) await readings(product);
    expect(product.process.exitCode).toBeNull();
    expect(crowd.lines).toEqual({ here: 100 });
    expect((await python.visit(product.port(), 100)).lines).toEqual({ here: 100 });
  },
);
