// Readers that stall while their endpoint sends without end: what the proxy holds for each of them. CHAOS=full has 5,000.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readings } from "../support/peers/observed.ts";
import { proxyTo } from "../support/peers/proxy-config.ts";
import { has } from "../support/peers/tools.ts";
import { Product } from "../support/product.ts";
import { until } from "../support/until.ts";
import { Ledger } from "./ledger.ts";
import { Swarm } from "./swarm.ts";

setDefaultTimeout(300_000);
const FULL = process.env["CHAOS"] === "full";
const READERS = FULL ? 5_000 : 300;
const KIB = 1024;
/** The rest of a portion, or of a read that the engine did in between, in the mean; and a session with its sockets. */
const READER_BYTES = 128 * KIB;
/**
 * Garbage of this and that: with few readers it is the larger part, as the engine collects it when it likes. What a reader
 * costs is only seen with many.
 */
const GARBAGE_BYTES = (FULL ? 32 : 192) * KIB * KIB;
/** As between hosts: for each connection of loopback the kernel would take several MiB of its own. */
const MSS = 1_460;

describe.skipIf(!has("python3"))("readers that stall", () => {
  let clients: Swarm;
  let servers: Swarm;

  beforeAll(() => {
    clients = new Swarm();
    servers = new Swarm();
  });

  afterAll(async () => {
    await clients[Symbol.asyncDispose]();
    await servers[Symbol.asyncDispose]();
  });

  test(`of ${READERS} endless streams cost at most 128 KiB each, and others are served meanwhile`, async () => {
    const { port } = await servers.serve("flood", { mss: MSS });
    const echo = await servers.serve("echo");
    const names = { "/svc/web": [`127.0.0.1:${port}`], "/svc/echo": [`127.0.0.1:${echo.port}`] };
    const config = proxyTo({ to: [] }) as { routers: { servers: object[] }[] };
    const [router] = config.routers;
    const others = [...(router?.servers ?? []), { port: 0, dstName: "/svc/echo" }];
    const routers = [{ ...router, interpreter: { kind: "io.l5d.static", names }, servers: others }];
    await using product = await Product.start({ ...config, routers });
    const visit = (count: number) =>
      clients.churn(product.port("/svc/echo"), { count, together: 20 });
    await visit(1_000);
    const ledger = await Ledger.open(product);
    const crowd = await clients.crowd(product.port("/svc/web"), READERS, { mss: MSS });
    expect(crowd.connected).toBe(READERS);
    await standsStill(product);
    const most = READERS * READER_BYTES + GARBAGE_BYTES;
    // Who does nothing collects no garbage: others are served meanwhile.
    const fallsBelow = (bytes: number): Promise<void> =>
      until(
        `private memory has grown by less than ${bytes} bytes`,
        async () => {
          expect((await visit(500)).outcomes).toEqual({ ok: 500 });
          return ledger.grownBytes < bytes;
        },
        60_000,
      );
    await fallsBelow(most);
    if (FULL)
      console.log(`${READERS} stalled: ${(ledger.grownBytes / READERS / KIB).toFixed(0)} KiB each`);
    await crowd.leave("reset");
    await fallsBelow(GARBAGE_BYTES);
    await ledger.close(200);
  });
});

/** Waits until no more bytes are taken. */
async function standsStill(product: Product): Promise<void> {
  let last = -1;
  let looks = 0;
  await until(
    "nothing moves",
    async () => {
      const sent = (await readings(product)).sum("l5d_srv_stream_tx_bytes_total");
      looks = sent === last ? looks + 1 : 0;
      last = sent;
      return sent > 0 && looks > 25;
    },
    120_000,
  );
}
