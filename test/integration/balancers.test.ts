// The kinds of `loadBalancer` over real sockets: clients with addresses of their own, and two workers that must agree.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { proxyTo } from "../support/peers/proxy-config.ts";
import {
  type PythonServer,
  type PythonSocket,
  PythonSockets,
  type ServerMode,
} from "../support/peers/python-sockets.ts";
import { has } from "../support/peers/tools.ts";
import { Product } from "../support/product.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(40_000);
const WORKERS = { top: { workers: 2 } };

describe.skipIf(!has("python3"))("loadBalancer", () => {
  let python: PythonSockets;

  beforeAll(() => {
    python = new PythonSockets();
  });

  afterAll(() => python[Symbol.asyncDispose]());

  function serve(mode: ServerMode, names: readonly string[]): Promise<readonly PythonServer[]> {
    return Promise.all(names.map((name) => python.serve(mode, name)));
  }

  function start(servers: readonly PythonServer[], loadBalancer: unknown): Promise<Product> {
    const to = servers.map(({ port }) => port);
    return Product.start(proxyTo({ to, client: { loadBalancer }, ...WORKERS }));
  }

  /** The name of the server that a client from `source` meets. */
  async function greeting(product: Product, source: string): Promise<string> {
    const client = await python.connect(product.port(), source);
    const { text } = await client.receive(2);
    await client.close();
    return text.trim();
  }

  test("maglev: a client meets the same endpoint each time, on every worker, also when others go", async () => {
    const servers = await serve("greet", ["a", "b", "c", "d"]);
    // Without a bound: a connection that is just ending would send the next client elsewhere, rightly.
    await using product = await start(servers, { kind: "maglev", maxLoadFactor: 0 });
    const sources = Array.from({ length: 64 }, (_, index) => `127.0.0.${index + 2}`);
    const meet = async () => {
      const names = new Map<string, string>();
      for (const source of sources) names.set(source, await greeting(product, source));
      return names;
    };
    const first = await meet();
    expect(new Set(first.values())).toEqual(new Set(["a", "b", "c", "d"]));
    for (let round = 0; round < 4; round += 1) expect(await meet()).toEqual(first);

    await servers[0]?.stop();
    const without = await meet();
    for (const [source, name] of without) {
      if (first.get(source) === "a") expect(["b", "c", "d"]).toContain(name);
      else expect(name).toBe(first.get(source) ?? "");
    }
    expect(await meet()).toEqual(without);
    await Promise.all(servers.slice(1).map((server) => server.stop()));
  });

  for (const kind of ["leastConnections", "heap"]) {
    test(`${kind}: fills up the endpoints evenly, whichever worker makes the connection`, async () => {
      const servers = await serve("greet", ["a", "b", "c"]);
      await using product = await start(servers, { kind });
      const active = () =>
        Promise.all(servers.map(async (server) => (await server.stats()).active));
      const clients: { readonly client: PythonSocket; readonly name: string }[] = [];
      const sum = async () => (await active()).reduce((all, each) => all + each, 0);
      const open = async (count: number) => {
        const before = await sum();
        for (let n = 1; n <= count; n += 1) {
          const client = await python.connect(product.port());
          clients.push({ client, name: (await client.receive(2)).text.trim() });
          await until(`${before + n} are open`, async () => (await sum()) === before + n);
        }
      };
      await open(30);
      expect(await active()).toEqual([10, 10, 10]);
      for (const { client, name } of clients) if (name === "b") await client.close();
      await until(
        "the proxy knows",
        async () => (await product.metric("l5d_balancer_connection_open")) === 20,
      );
      await open(10);
      expect(clients.slice(30).map(({ name }) => name)).toEqual(Array(10).fill("b"));
      await Promise.all(servers.map((server) => server.stop()));
    });
  }

  for (const loadBalancer of [
    { kind: "p2c", maxEffort: 5 },
    { kind: "ewma" },
    { kind: "aperture" },
    { kind: "roundRobin" },
    { kind: "maglev", maxLoadFactor: 0 },
  ]) {
    test(`${loadBalancer.kind}: serves everyone`, async () => {
      const servers = await serve("greet", ["a", "b", "c"]);
      await using product = await start(servers, loadBalancer);
      const report = await python.visit(product.port(), 60);
      const served = Object.values(report.lines).reduce((sum, count) => sum + count, 0);
      expect([served, report.silent]).toEqual([60, 0]);
      await Promise.all(servers.map((server) => server.stop()));
    });
  }
});
