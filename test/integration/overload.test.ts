// A process that bears too much: what becomes of new connections, and of those that are open.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readings } from "../support/peers/observed.ts";
import { proxyTo } from "../support/peers/proxy-config.ts";
import { PythonSockets } from "../support/peers/python-sockets.ts";
import { Starvation } from "../support/peers/starvation.ts";
import { has } from "../support/peers/tools.ts";
import { Product } from "../support/product.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const REFUSING = "overload lasts: new connections are refused";

describe.skipIf(!has("python3"))("overload", () => {
  let python: PythonSockets;

  beforeAll(() => {
    python = new PythonSockets();
  });

  afterAll(() => python[Symbol.asyncDispose]());

  for (const workers of [1, 2]) {
    test(`keeps new connections out and serves those that are open (${workers} workers)`, async () => {
      const backend = await python.serve("greet", "a");
      const top = { workers, overload: { maxLoopLagMs: 50 } };
      await using product = await Product.start(proxyTo({ to: [backend.port], top }));
      const old = await python.connect(product.port());
      expect(await old.receive(2)).toMatchObject({ text: "a\n" });
      const starvation = new Starvation(product);
      await product.line(
        ({ msg }) => msg === "overload: the event loop lags, new connections wait",
      );
      await product.line(({ msg }) => msg === REFUSING);
      const newcomer = await python.connect(product.port());
      expect(await newcomer.receive(2)).toMatchObject({ bytes: 0, end: "ECONNRESET" });
      const page = await readings(product);
      expect(page.sum("l5d_overloaded", { cause: "loop_lag" })).toBeGreaterThanOrEqual(1);
      expect(page.sum("l5d_srv_limited_total", { rule: "overload" })).toBeGreaterThanOrEqual(1);
      expect(page.sum("l5d_srv_close_reason_total", { reason: "overload" })).toBeGreaterThanOrEqual(
        1,
      );
      // Meanwhile the old connection is served as well as can be.
      const echoed = old.receive(3_000_000, 50);
      expect((await old.send(3_000_000, 50)).hash).toBe((await echoed).hash);
      starvation.stop();
      await until("it is over", async () => {
        return (await readings(product)).sum("l5d_overloaded", { cause: "loop_lag" }) === 0;
      });
      expect((await python.visit(product.port(), 3)).lines).toEqual({ a: 3 });
    });
  }

  test("of memory stops accepting too; a dry run only says so", async () => {
    const backend = await python.serve("greet", "a");
    const start = (dryRun: boolean) => {
      const overload = { maxMemoryMb: 1, dryRun };
      return Product.start(proxyTo({ to: [backend.port], top: { overload } }));
    };
    const tooMuch = "overload: too much memory is used, new connections wait";
    await using product = await start(false);
    expect(await product.line(({ msg }) => msg === tooMuch)).toMatchObject({ limitMb: 1 });
    await product.line(({ msg }) => msg === REFUSING);
    const newcomer = await python.connect(product.port());
    expect(await newcomer.receive(2)).toMatchObject({ bytes: 0, end: "ECONNRESET" });
    await using dry = await start(true);
    await dry.line(({ msg }) => msg === tooMuch);
    expect((await python.visit(dry.port(), 3)).lines).toEqual({ a: 3 });
    expect((await readings(dry)).sum("l5d_overloaded", { cause: "memory" })).toBe(1);
  });
});
