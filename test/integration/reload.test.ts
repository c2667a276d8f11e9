// A configuration that changes under load: what is lost (nothing), what is touched (what differs), and what is not.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readings } from "../support/peers/observed.ts";
import { type PythonServer, PythonSockets } from "../support/peers/python-sockets.ts";
import { SteadyClients } from "../support/peers/steady.ts";
import { has } from "../support/peers/tools.ts";
import { Product } from "../support/product.ts";
import { freePort, post, reloadWith, rewrite, touched } from "../support/reload.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

interface Endpoint {
  readonly address: string;
  readonly connections: number;
  readonly connects: number;
  readonly state: string;
}

interface StatusPage {
  readonly state: string;
  readonly configuration: { readonly generation: number; readonly fingerprint: string };
  readonly servers: readonly { readonly address: string; readonly dstName: string }[];
  readonly destinations: readonly {
    readonly path: string;
    readonly router: string;
    readonly resolution: string;
    readonly endpoints: readonly Endpoint[];
  }[];
}

describe.skipIf(!has("python3"))("a reload", () => {
  let python: PythonSockets;
  let a: PythonServer;
  let b: PythonServer;

  beforeAll(async () => {
    python = new PythonSockets();
    [a, b] = await Promise.all([python.serve("echo", "a"), python.serve("echo", "b")]);
  });

  afterAll(async () => {
    await python[Symbol.asyncDispose]();
  });

  /** One router with a dtab; `web` goes to a and b by weight. */
  function config(
    options: {
      readonly weights?: readonly [number, number];
      readonly web?: object;
      readonly servers?: readonly object[];
      readonly client?: object;
      readonly top?: object;
    } = {},
  ) {
    const { weights = [1, 1], web = {}, servers = [], client = {}, top = {} } = options;
    return {
      admin: { port: 0 },
      workers: 2,
      routers: [
        {
          label: "r",
          dtab: `/svc/web => ${weights[0]} * /$/inet/127.0.0.1/${a.port} & ${weights[1]} * /$/inet/127.0.0.1/${b.port}; /svc/b => /$/inet/127.0.0.1/${b.port};`,
          servers: [{ port: 0, dstName: "/svc/web", ...web }, ...servers],
          client: { kind: "io.l5d.global", ...client },
        },
      ],
      ...top,
    };
  }

  async function status(product: Product): Promise<StatusPage> {
    return (await (await product.admin("/status.json")).json()) as StatusPage;
  }

  test("loses no connection in twenty of them under load, and counters never go back", async () => {
    await using product = await Product.start(config());
    await using clients = await SteadyClients.start([{ port: product.port() }], 3, 10);
    const extra = freePort();
    let accepts = 0;
    for (let round = 0; round < 20; round += 1) {
      const answer = await reloadWith(
        product,
        config({
          weights: [1 + (round % 3), 1],
          web: {
            connectTimeoutMs: 5_000 + round,
            maxConcurrency: 1_000 + round,
            dstName: round % 5 === 4 ? "/svc/b" : "/svc/web",
          },
          servers: round % 2 === 0 ? [{ port: extra, dstName: "/svc/b" }] : [],
          client: {
            connectTimeoutMs: 2_000 + round,
            loadBalancer: { kind: ["p2c", "ewma", "roundRobin", "maglev"][round % 4] },
          },
        }),
      );
      expect(answer.result).toBe("applied");
      const counted = (await readings(product)).sum("l5d_srv_accepts_total", {
        srv_addr: `127.0.0.1:${product.port()}`,
      });
      expect(counted).toBeGreaterThanOrEqual(accepts);
      accepts = counted;
    }
    const report = await clients.stop();
    expect(report).toMatchObject({ held: 10, failures: {} });
    expect(report.asked).toBeGreaterThan(20);
    await until("all is counted", async () => {
      const page = await readings(product);
      return (
        page.sum("l5d_srv_accepts_total", { srv_addr: `127.0.0.1:${product.port()}` }) >=
        report.asked + 10
      );
    });
    expect((await readings(product)).sum("l5d_reloads_total", { result: "applied" })).toBe(20);
    expect((await status(product)).configuration.generation).toBe(21);
    expect(product.log.filter(({ msg }) => msg === "defect")).toEqual([]);
  });

  test("touches nothing that is the same: endpoints, counters and connections stay", async () => {
    await using product = await Product.start(config());
    const client = await python.connect(product.port());
    await client.write("x");
    expect(await client.receive(1)).toMatchObject({ text: "x" });
    const before = await status(product);
    expect(await reloadWith(product, config())).toMatchObject({ status: 200, result: "unchanged" });
    const answer = await reloadWith(
      product,
      config({ servers: [{ port: 0, dstName: "/svc/b" }], top: { reloadOnChange: true } }),
    );
    expect(touched(answer)).toEqual(["added server 127.0.0.1:0", "added destination /svc/b"]);
    const after = await status(product);
    expect(after.destinations[0]).toEqual({
      ...before.destinations[0],
      ageSeconds: expect.any(Number),
    } as never);
    await client.write("y");
    expect(await client.receive(1)).toMatchObject({ text: "y" });
    await client.close();
  });

  test("changes nothing when the file is wrong, and says what is", async () => {
    await using product = await Product.start(config());
    const before = await status(product);
    const answer = await reloadWith(product, { ...config({ weights: [5, 1] }), banana: 1 });
    expect(answer).toMatchObject({ status: 422, result: "invalid" });
    expect(answer.problems?.[0]).toMatch(/config\.yml:\d+:\d+: error: banana: unknown key/);
    const after = await status(product);
    expect(after.configuration).toMatchObject(before.configuration);
    expect(after.servers).toEqual(before.servers);
    expect(await product.metric("l5d_reloads_total", { result: "invalid" })).toBe(1);
    expect(await product.metric("l5d_reload_successful")).toBe(0);
    await product.line(({ level, module }) => level === "error" && module === "reload");
    rewrite(product, "routers: [");
    expect((await post(product, "/plan")).status).toBe(422);
    expect((await reloadWith(product, config({ weights: [5, 1] }))).result).toBe("applied");
    expect(await product.metric("l5d_reload_successful")).toBe(1);
  });

  test("changes nothing when an address is in use, and says which", async () => {
    await using product = await Product.start(config());
    const before = await status(product);
    const free = freePort();
    const next = config({
      weights: [3, 1],
      servers: [
        { port: free, dstName: "/svc/b" },
        { port: a.port, dstName: "/svc/b" },
      ],
    });
    const answer = await reloadWith(product, next);
    expect(answer).toMatchObject({ status: 500, result: "failed" });
    expect(answer.message).toContain(`127.0.0.1:${a.port}: the address is in use`);
    const after = await status(product);
    expect(after.configuration).toMatchObject(before.configuration);
    expect(after.servers).toEqual(before.servers);
    expect(after.destinations.map(({ path }) => path)).toEqual(["/svc/web"]);
    // What was bound before the failure is given back.
    expect(python.connect(free)).rejects.toThrow("ECONNREFUSED");
  });

  test("lets connections of a server that is removed end by themselves, and its series with them", async () => {
    const port = freePort();
    await using product = await Product.start(config({ servers: [{ port, dstName: "/svc/b" }] }));
    const client = await python.connect(port);
    await client.write("x");
    expect(await client.receive(1)).toMatchObject({ text: "x" });
    const planned = await (rewrite(product, config()), post(product, "/plan"));
    expect(planned).toMatchObject({ status: 200, result: "planned" });
    expect(touched(planned)).toEqual([
      `removed server 127.0.0.1:${port}`,
      "removed destination /svc/b",
    ]);
    expect(planned.plan?.items.map(({ connections }) => connections)).toEqual([1, 1]);
    expect(await post(product, "/reload")).toMatchObject({ result: "applied" });
    expect(python.connect(port)).rejects.toThrow("ECONNREFUSED");
    const leaving = (await status(product)).destinations.find(({ path }) => path === "/svc/b");
    expect(leaving?.resolution).toBe("removed");
    expect(leaving?.endpoints).toMatchObject([{ connections: 1, state: "retired" }]);
    await client.write("y");
    expect(await client.receive(1)).toMatchObject({ text: "y" });
    await client.close();
    await until("nothing is left of it", async () => {
      const text = await (await product.admin("/metrics")).text();
      return !text.includes(`127.0.0.1:${port}`) && !text.includes('dst="/svc/b"');
    });
    expect((await status(product)).destinations.map(({ path }) => path)).toEqual(["/svc/web"]);
  });

  test("takes a destination back that has connections, with its endpoints as they were", async () => {
    const port = freePort();
    const both = config({ servers: [{ port, dstName: "/svc/b" }] });
    await using product = await Product.start(both);
    const client = await python.connect(port);
    await client.write("x");
    await client.receive(1);
    for (let round = 0; round < 3; round += 1) {
      expect((await reloadWith(product, config())).result).toBe("applied");
      expect((await reloadWith(product, both)).result).toBe("applied");
    }
    const connected = await python.connect(port);
    await connected.write("z");
    expect(await connected.receive(1)).toMatchObject({ text: "z" });
    await until("its endpoint has both connections", async () => {
      const now = (await status(product)).destinations.filter(({ path }) => path === "/svc/b");
      return now.length === 1 && now[0]?.endpoints[0]?.connections === 2;
    });
    await client.write("y");
    expect(await client.receive(1)).toMatchObject({ text: "y" });
    await Promise.all([client.close(), connected.close()]);
  });

  test("hands a listening socket over to the router that takes its place", async () => {
    await using product = await Product.start(config());
    const port = freePort();
    const under = (label: string) => ({
      ...config(),
      routers: [{ ...config({ web: { port } }).routers[0], label }],
    });
    expect((await reloadWith(product, under("first"))).result).toBe("applied");
    await using clients = await SteadyClients.start([{ port }], 2, 5);
    for (const label of ["second", "first", "third"]) {
      expect((await reloadWith(product, under(label))).result).toBe("applied");
    }
    expect(await clients.stop()).toMatchObject({ held: 5, failures: {} });
  });

  test("keeps loads and connections when the balancer is of another kind", async () => {
    await using product = await Product.start(config({ top: { workers: 1 } }));
    const clients = await Promise.all(
      Array.from({ length: 6 }, () => python.connect(product.port())),
    );
    const loads = async () =>
      (await status(product)).destinations[0]?.endpoints
        .map(({ address, connections }) => `${address} ${connections}`)
        .sort();
    await until(
      "all are connected",
      async () => (await product.metric("l5d_endpoint_connections")) === 6,
    );
    const before = await loads();
    const answer = await reloadWith(
      product,
      config({ client: { loadBalancer: { kind: "leastConnections" } }, top: { workers: 1 } }),
    );
    expect(answer.plan?.items[0]).toMatchObject({
      change: "changed",
      kind: "destination",
      connections: 6,
      settings: [{ setting: "loadBalancer.kind", from: '"p2c"', to: '"leastConnections"' }],
    });
    expect(await loads()).toEqual(before as string[]);
    await Promise.all(clients.map((client) => client.close()));
  });

  test("tells what waits for the next start, each time, until then", async () => {
    await using product = await Product.start(config());
    const next = config({
      top: { workers: 1, bufferSizeBytes: 1024, admin: { port: freePort() } },
    });
    for (let round = 0; round < 2; round += 1) {
      const answer = await reloadWith(product, next);
      expect(answer.plan?.atNextStart).toEqual([
        { setting: "bufferSizeBytes", from: "16384", to: "1024" },
        { setting: "workers", from: "2", to: "1" },
        expect.objectContaining({ setting: "admin.port" }),
      ] as never);
    }
    expect(await product.metric("l5d_workers")).toBe(2);
  });

  test("is asked for by SIGHUP too, as often as it likes", async () => {
    await using product = await Product.start(config());
    rewrite(product, config({ weights: [2, 1] }));
    product.process.kill("SIGHUP");
    product.process.kill("SIGHUP");
    await product.line(({ msg, generation }) => msg === "reload is over" && generation === 2);
  });

  test("is refused while the process shuts down", async () => {
    await using product = await Product.start(config());
    const client = await python.connect(product.port());
    await client.write("x");
    await client.receive(1);
    product.process.kill("SIGTERM");
    await product.line(({ msg }) => msg === "shutting down");
    const answer = await reloadWith(product, config({ weights: [2, 1] }));
    expect(answer).toMatchObject({
      status: 409,
      result: "refused",
      message: "the process is draining",
    });
    await client.close();
    expect(await product.process.exited).toBe(0);
  });

  test("is refused without a file", async () => {
    await using product = await Product.start("", {
      words: ["-l", "127.0.0.1:0", "-a", "127.0.0.1:0", "-n", "127.0.0.1:1", "/svc/web"],
      ...{ before: 'set -- "$1" "$2" "$3" "$4" "$5" "$6" "$7" "$8" "$9" "${10}"' },
    });
    const answer = await post(product, "/reload");
    expect(answer).toMatchObject({ status: 409, result: "refused" });
    expect(answer.message).toContain("no configuration file");
    product.process.kill("SIGHUP");
    await product.line(({ msg }) => msg === "reload is refused");
  });

  test("follows the file where that is asked for, and tries a wrong one once", async () => {
    await using product = await Product.start(config({ top: { reloadOnChange: true } }));
    const reloads = async (result: string) => await product.metric("l5d_reloads_total", { result });
    rewrite(product, config({ weights: [2, 1], top: { reloadOnChange: true } }));
    await until("it is loaded", async () => (await reloads("applied")) === 1);
    rewrite(product, "nonsense");
    await until("it is refused", async () => (await reloads("invalid")) === 1);
    rewrite(product, config({ weights: [3, 1], top: { reloadOnChange: true } }));
    await until("it is loaded", async () => (await reloads("applied")) === 2);
    expect(await reloads("invalid")).toBe(1);
  });
});
