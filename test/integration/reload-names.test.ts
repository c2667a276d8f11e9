// Names across reloads: who is asked anew, who is not, and what stays while there is no answer.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FakeNamerd } from "../support/fake-namerd.ts";
import { type PythonServer, PythonSockets } from "../support/peers/python-sockets.ts";
import { has } from "../support/peers/tools.ts";
import { Product } from "../support/product.ts";
import { reloadWith, touched } from "../support/reload.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

interface Endpoints {
  readonly router: string;
  readonly path: string;
  readonly branches: readonly { readonly id: string }[];
  readonly endpoints: readonly {
    readonly address: string;
    readonly connections: number;
    readonly connects: number;
    readonly state: string;
  }[];
}

describe.skipIf(!has("python3"))("names, when the configuration is reloaded", () => {
  let python: PythonSockets;
  let a: PythonServer;
  let b: PythonServer;

  beforeAll(async () => {
    python = new PythonSockets();
    [a, b] = await Promise.all([python.serve("greet", "a"), python.serve("greet", "b")]);
  });

  afterAll(async () => {
    await python[Symbol.asyncDispose]();
  });

  async function destination(product: Product, router: string): Promise<Endpoints | undefined> {
    const page = (await (await product.admin("/status.json")).json()) as {
      readonly destinations: readonly Endpoints[];
    };
    return page.destinations.find((one) => one.router === router);
  }

  test("a router of a namerd is left alone by what changes in another router, and in namers", async () => {
    using namerd = FakeNamerd.start();
    namerd.bind("/svc/web", `127.0.0.1:${a.port}`);
    const config = (round: number) => ({
      admin: { port: 0 },
      namers: [
        { kind: "io.l5d.static", prefix: "/n", names: { "/x": [`127.0.0.1:${1000 + round}`] } },
      ],
      routers: [
        {
          label: "remote",
          interpreter: { kind: "io.l5d.namerd.http", baseUrl: namerd.baseUrl },
          servers: [{ port: 0, dstName: "/svc/web" }],
        },
        {
          label: "local",
          dtab: `/svc/x => ${round + 1} * /#/n/x & /$/inet/127.0.0.1/${b.port};`,
          servers: [{ port: 0, dstName: "/svc/x", connectTimeoutMs: 1000 + round }],
        },
      ],
    });
    await using product = await Product.start(config(0));
    await until("it is resolved", async () => {
      return (await destination(product, "remote"))?.endpoints.length === 1;
    });
    const before = await destination(product, "remote");
    const asked = namerd.requests.length;
    for (let round = 1; round <= 5; round += 1) {
      expect(touched(await reloadWith(product, config(round)))).toEqual([
        "changed server 127.0.0.1:" + product.port("/svc/x"),
        "changed router local",
        "changed namer /#/n",
      ]);
      await until("the namer has its new address", async () => {
        const addresses = (await destination(product, "local"))?.endpoints
          .filter(({ state }) => state !== "retired")
          .map(({ address }) => address);
        return addresses?.includes(`127.0.0.1:${1000 + round}`) === true;
      });
    }
    expect(namerd.requests.length).toBe(asked);
    expect(namerd.openStreams()).toBeGreaterThan(0);
    expect(await destination(product, "remote")).toMatchObject({
      branches: before?.branches as never,
      endpoints: before?.endpoints as never,
    });
  });

  test("a namer that is called otherwise gives the same endpoints, with their loads and counts", async () => {
    const config = (name: string, port: number) => ({
      admin: { port: 0 },
      namers: [
        { kind: "io.l5d.static", prefix: `/${name}`, names: { "/x": [`127.0.0.1:${port}`] } },
      ],
      routers: [
        {
          label: "r",
          dtab: `/svc => /#/${name};`,
          servers: [{ port: 0, dstName: "/svc/x" }],
        },
      ],
    });
    await using product = await Product.start(config("old", a.port));
    const client = await python.connect(product.port());
    expect(await client.receive(1)).toMatchObject({ text: "a" });
    expect((await reloadWith(product, config("new", a.port))).result).toBe("applied");
    await until("it is bound anew", async () => {
      return (await destination(product, "r"))?.branches[0]?.id === "/#/new/x";
    });
    expect((await destination(product, "r"))?.endpoints).toMatchObject([
      { connections: 1, connects: 1, state: "ready" },
    ]);
    // The new rules lead nowhere: what was good stays.
    const { routers, ...rest } = config("new", a.port);
    const nowhere = { ...rest, routers: [{ ...routers[0], dtab: "/svc => /#/nobody;" }] };
    expect((await reloadWith(product, nowhere)).result).toBe("applied");
    await product.line(({ msg }) => msg === "keeping the last good binding");
    const again = await python.connect(product.port());
    expect(await again.receive(1)).toMatchObject({ text: "a" });
    await Promise.all([client.close(), again.close()]);
  });

  test("a router changes from a file to a namerd and on to a list without a moment without endpoints", async () => {
    using namerd = FakeNamerd.start();
    namerd.bind("/svc/web", `127.0.0.1:${a.port}`);
    const config = (interpreter: object) => ({
      admin: { port: 0 },
      routers: [{ label: "r", interpreter, servers: [{ port: 0, dstName: "/svc/web" }] }],
    });
    const files = { kind: "io.l5d.fs", rootDir: "names" };
    const product = await Product.start(config(files), {
      before: "mkdir -p names",
      waitUntilServing: false,
    });
    await using _ = product;
    mkdirSync(join(product.folder, "names"), { recursive: true });
    writeFileSync(join(product.folder, "names", "web"), `127.0.0.1 ${a.port}\n`);
    await product.line(({ msg }) => msg === "ready");
    const client = await python.connect(product.port());
    expect(await client.receive(1)).toMatchObject({ text: "a" });
    for (const interpreter of [
      { kind: "io.l5d.namerd.http", baseUrl: namerd.baseUrl },
      { kind: "io.l5d.static", names: { "/svc/web": [`127.0.0.1:${a.port}`] } },
      { kind: "io.l5d.namerd.http", baseUrl: "http://127.0.0.1:1" },
    ]) {
      expect((await reloadWith(product, config(interpreter))).result).toBe("applied");
      const report = await python.visit(product.port(), 20);
      expect(report.lines).toEqual({ a: 20 });
    }
    // One entry all the way: it has counted everybody, and still has the first of all.
    await until("the visitors have left", async () => {
      const [endpoint, ...others] = (await destination(product, "r"))?.endpoints ?? [];
      return others.length === 0 && endpoint?.connections === 1 && endpoint.connects === 61;
    });
    await client.close();
  });
});
