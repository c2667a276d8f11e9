// Thousands of clients that begin a TLS handshake and do not go on, on a server that ends TLS. CHAOS=full has 10,000, or 9,000
// where the limit of 20,000 descriptors can't be raised: a session is counted as two from the start.
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { issue, makeCa } from "../support/certs.ts";
import { readings } from "../support/peers/observed.ts";
import { proxyTo } from "../support/peers/proxy-config.ts";
import { PythonScript } from "../support/peers/python-script.ts";
import { has } from "../support/peers/tools.ts";
import { Product } from "../support/product.ts";
import { identityFiles } from "../support/tls/config.ts";
import { clientHello, GROUPS, TLS_1_3 } from "../support/tls/raw-hello.ts";
import { Ledger } from "./ledger.ts";
import { Swarm } from "./swarm.ts";

setDefaultTimeout(400_000);
const FULL = process.env["CHAOS"] === "full";
const MANY_FILES = "ulimit -n 40000";
const canHaveMany = Bun.spawnSync(["sh", "-c", `${MANY_FILES} 2>/dev/null`]).exitCode === 0;
const MOST = canHaveMany ? 10_000 : 9_000;
const STUCK = FULL ? MOST : 1_000;
const GOOD = FULL ? 500 : 100;
const NAME = "web.test";
/** A session with its socket, and a handshake that is half done: buffers, keys, what was said. */
const STUCK_BYTES = 40 * 1024;
/** Garbage of this and that. */
const GARBAGE_BYTES = 24 << 20;
describe.skipIf(!has("python3"))("handshakes that are not gone on with", () => {
  test(`of ${STUCK} clients leave others unharmed, cost little, and are cut at their deadline`, async () => {
    await using servers = new Swarm();
    const { port } = await servers.serve("echo");
    const ca = await makeCa();
    const { identity, files } = identityFiles("web", await issue(ca, { names: [NAME] }));
    const tls = { defaultIdentity: identity, handshakeTimeoutMs: FULL ? 60_000 : 8_000 };
    await using product = await Product.start(
      proxyTo({ to: [port], server: { tls, connectTimeoutMs: 0 } }),
      { files: { ...files, "ca.pem": ca.certPem }, ...(canHaveMany ? { before: MANY_FILES } : {}) },
    );
    const hello = clientHello({
      versions: [TLS_1_3],
      ciphers: [0x1301],
      groups: [GROUPS.X25519],
      serverName: NAME,
    }).toString("hex");
    const caFile = join(product.folder, "ca.pem");
    const clients = (stuck: number, good: number) =>
      new PythonScript(
        "half-handshakes.py",
        ...[product.port(), stuck, good].map(String),
        ...[caFile, NAME, hello],
      );
    {
      await using warming = clients(0, 300);
      await warming.report("warm", (report) => "good" in report, 120_000);
    }
    const ledger = await Ledger.open(product);
    await using crowd = clients(STUCK, GOOD);
    const { answered } = await crowd.report("they are stuck", (one) => "stuck" in one, 120_000);
    expect(answered).toBe(STUCK / 2);
    const { good, slowest } = await crowd.report(
      "others are served",
      (one) => "good" in one,
      120_000,
    );
    expect(good).toBe(GOOD);
    const grownBytes = ledger.grownBytes;
    if (FULL)
      console.log(
        `${STUCK} stuck: ${(grownBytes / (1 << 20)).toFixed(1)} MiB, slowest ${slowest} s`,
      );
    expect(Number(slowest)).toBeLessThan(5);
    expect(grownBytes).toBeLessThan(STUCK * STUCK_BYTES + GARBAGE_BYTES);
    const { ends, left } = await crowd.report("they are cut", (one) => "ends" in one, 200_000);
    expect([ends, left]).toEqual([{ reset: STUCK }, 0]);
    await ledger.close(48);
    const page = await readings(product);
    expect(page.sum("l5d_srv_close_reason_total", { reason: "handshake_timeout" })).toBe(STUCK);
  });
});
