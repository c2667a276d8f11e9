// Health checks by role against real Redis servers: clients reach the master, whichever it is.
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { proxyTo } from "../support/peers/proxy-config.ts";
import { PythonSockets } from "../support/peers/python-sockets.ts";
import { Redis, redisCli } from "../support/peers/redis.ts";
import { has } from "../support/peers/tools.ts";
import { Product } from "../support/product.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(40_000);
const FAST = { intervalMs: 100, timeoutMs: 10_000 };

interface Status {
  readonly destinations: readonly {
    readonly endpoints: readonly { readonly state: string; readonly reason?: string }[];
  }[];
}

describe.skipIf(!has("redis-server") || !has("redis-cli") || !has("python3"))("redis", () => {
  test("clients reach the master; when another one takes over, they are cut and reach that one", async () => {
    await using a = await Redis.start();
    await using b = await Redis.replicaOf(a);
    await using python = new PythonSockets();
    const healthCheck = { kind: "redis", ...FAST };
    const config = proxyTo({ to: [a.port, b.port], client: { healthCheck }, top: { workers: 2 } });
    await using product = await Product.start(config);
    const portOfMaster = async () =>
      (await redisCli(product.port(), "CONFIG", "GET", "port")).split("\n")[1];

    for (let count = 0; count < 10; count += 1) expect(await portOfMaster()).toBe(`${a.port}`);
    const held = await python.connect(product.port());
    await held.write("PING\r\n");
    expect((await held.receive(7)).text).toBe("+PONG\r\n");

    await b.cli("REPLICAOF", "NO", "ONE");
    await a.cli("REPLICAOF", "127.0.0.1", `${b.port}`);
    const { end } = await held.receive();
    expect(end).toBe("ECONNRESET");
    await until("the new master is known", async () => (await portOfMaster()) === `${b.port}`);
    for (let count = 0; count < 10; count += 1) expect(await portOfMaster()).toBe(`${b.port}`);

    const cut = { reason: "endpoint_unhealthy" };
    expect(await product.metric("l5d_srv_close_reason_total", cut)).toBe(1);
    const status = (await (await product.admin("/status.json")).json()) as Status;
    const states = status.destinations.flatMap(({ endpoints }) => endpoints);
    expect(states.map(({ state, reason }) => reason ?? state).toSorted()).toEqual([
      "it is a replica",
      "ready",
    ]);
  });

  test("without a master clients wait, and replicas get nothing", async () => {
    await using a = await Redis.start();
    await using b = await Redis.replicaOf(a);
    const healthCheck = { kind: "redis", ...FAST };
    const to = [b.port];
    await using product = await Product.start(
      proxyTo({ to, client: { healthCheck }, server: { connectTimeoutMs: 30_000 } }),
    );
    await product.line(({ msg }) => msg === "endpoint unhealthy");
    const waiting = redisCli(product.port(), "ROLE");
    await until("a client waits", async () => (await product.metric("l5d_balancer_waiters")) === 1);
    expect(await product.metric("l5d_balancer_connection_attempts_total")).toBe(0);
    await b.cli("REPLICAOF", "NO", "ONE");
    expect(await waiting).toStartWith("master");
  });

  test("logs in, as `default` or as a user who may not ask for ROLE", async () => {
    const user = ["--user", ..."checker on >of-checker resetchannels -@all +info".split(" ")];
    await using a = await Redis.start("--requirepass", "of-default", ...user);
    const check = (keys: object) => ({ kind: "redis", ...FAST, ...keys });
    const names = {
      "/svc/default": check({ passwordFile: "default" }),
      "/svc/user": check({ user: "checker", passwordFile: "checker" }),
      "/svc/none": check({}),
      "/svc/wrong": check({ passwordFile: "checker" }),
    };
    await using product = await Product.start(
      {
        admin: { port: 0 },
        routers: [
          {
            label: "test",
            interpreter: {
              kind: "io.l5d.static",
              names: Object.fromEntries(
                Object.keys(names).map((name) => [name, [`127.0.0.1:${a.port}`]]),
              ),
            },
            servers: Object.keys(names).map((dstName) => ({ port: 0, dstName })),
            client: {
              kind: "io.l5d.static",
              configs: Object.entries(names).map(([prefix, healthCheck]) => ({
                prefix,
                healthCheck,
              })),
            },
          },
        ],
      },
      { files: { default: "of-default\n", checker: "of-checker\n" } },
    );
    const healthy = (dst: string) =>
      product.line((line) => line.msg === "endpoint healthy" && line["dst"] === dst);
    await Promise.all([healthy("/svc/default"), healthy("/svc/user")]);
    const why = async (dst: string) =>
      (await product.line((line) => line.msg === "endpoint unhealthy" && line["dst"] === dst))[
        "reason"
      ];
    expect(await why("/svc/none")).toMatch(/^Redis says: NOAUTH .*give passwordFile$/);
    expect(await why("/svc/wrong")).toStartWith("Redis says: WRONGPASS");
    expect(await (await product.admin("/config.json")).text()).not.toContain("of-default");
  });

  test("role: replica takes the replicas", async () => {
    await using a = await Redis.start();
    await using b = await Redis.replicaOf(a);
    const healthCheck = { kind: "redis", role: "replica", ...FAST };
    await using product = await Product.start(
      proxyTo({ to: [a.port, b.port], client: { healthCheck } }),
    );
    await product.line(({ msg }) => msg === "endpoint healthy");
    for (let count = 0; count < 6; count += 1)
      expect(await redisCli(product.port(), "ROLE")).toStartWith("slave");
  });
});
