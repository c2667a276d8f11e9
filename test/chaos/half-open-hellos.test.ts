// Thousands of clients that begin a TLS hello and do not go on, on a server that passes TLS on. CHAOS=full has 9,000: a
// session is counted as two descriptors from the start, and 20,000 are what a container commonly has.
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readings } from "../support/peers/observed.ts";
import { proxyTo } from "../support/peers/proxy-config.ts";
import { PythonScript } from "../support/peers/python-script.ts";
import { has } from "../support/peers/tools.ts";
import { Product } from "../support/product.ts";
import { helloRecords } from "../support/tls/hello-bytes.ts";
import { Ledger } from "./ledger.ts";
import { Swarm } from "./swarm.ts";

setDefaultTimeout(300_000);
const FULL = process.env["CHAOS"] === "full";
const STUCK = FULL ? 9_000 : 1_500;
const GOOD = FULL ? 500 : 100;
/** A session that reads a hello, with its socket and half a hello. */
const STUCK_BYTES = 8 * 1024;
/** Garbage of this and that. */
const GARBAGE_BYTES = 24 << 20;

describe.skipIf(!has("python3"))("hellos that are not gone on with", () => {
  test(`of ${STUCK} clients leave others unharmed, cost little, and are cut at their deadline`, async () => {
    await using servers = new Swarm();
    const { port } = await servers.serve("echo");
    const server = { passthrough: { helloTimeoutMs: FULL ? 30_000 : 8_000 }, connectTimeoutMs: 0 };
    await using product = await Product.start(proxyTo({ to: [port], server }));
    const hello = helloRecords({ serverName: "web.test", alpn: ["h2"] }).toString("hex");
    const clients = (stuck: number, good: number) =>
      new PythonScript("hellos.py", String(product.port()), String(stuck), String(good), hello);
    {
      await using warming = clients(0, 300);
      await warming.report("warm", (report) => "good" in report);
    }
    const ledger = await Ledger.open(product);
    await using crowd = clients(STUCK, GOOD);
    await crowd.report("they are stuck", (report) => "stuck" in report);
    const { good, slowest } = await crowd.report("the others are served", (one) => "good" in one);
    expect(good).toBe(GOOD);
    if (FULL)
      console.log(
        `${STUCK} stuck: ${(ledger.grownBytes / (1 << 20)).toFixed(1)} MiB, slowest ${slowest} s`,
      );
    expect(Number(slowest)).toBeLessThan(5);
    expect(ledger.grownBytes).toBeLessThan(STUCK * STUCK_BYTES + GARBAGE_BYTES);
    const { ends, left } = await crowd.report("they are cut", (report) => "ends" in report);
    expect([ends, left]).toEqual([{ reset: STUCK }, 0]);
    await ledger.close(48);
    const page = await readings(product);
    expect(page.sum("l5d_srv_close_reason_total", { reason: "hello_timeout" })).toBe(STUCK);
  });
});
