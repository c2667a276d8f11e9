// The log of the whole product: what its lines tell.
import { expect, setDefaultTimeout, test } from "bun:test";
import { proxyTo } from "../support/peers/proxy-config.ts";
import { Product } from "../support/product.ts";

setDefaultTimeout(30_000);

test("lines of the balancer and of the proxy say which destination and which server they are about", async () => {
  // Port 1 refuses.
  const config = proxyTo({ to: [1], server: { connectTimeoutMs: 300 } });
  await using product = await Product.start(config, { env: { LINKERD_TCP_LOG: "debug" } });
  const port = product.port();
  const client = await Bun.connect({ hostname: "127.0.0.1", port, socket: { data() {} } });
  expect(await product.line(({ msg }) => msg === "connect failed")).toMatchObject({
    module: "balancer",
    rt: "test",
    dst: "/svc/web",
    endpoint: "127.0.0.1:1",
  });
  expect(await product.line(({ msg }) => msg === "connection closed")).toMatchObject({
    module: "proxy",
    srv: `127.0.0.1:${port}`,
    reason: "connect_timeout",
  });
  client.end();
});

test("a module that does not exist is warned of, with the one that was meant", async () => {
  const env = { LINKERD_TCP_LOG: "info,balancr=debug" };
  await using product = await Product.start(proxyTo({ to: [1] }), { env });
  expect(await product.line(({ level }) => level === "warn")).toMatchObject({
    module: "cli",
    msg: "LINKERD_TCP_LOG: there is no module balancr; did you mean balancer?",
  });
});
