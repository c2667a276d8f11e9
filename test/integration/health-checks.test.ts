// Active health checks over real sockets, against Python servers: each kind, and what follows from what it finds.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Behaviour, CheckedServer } from "../support/peers/checked-server.ts";
import { proxyTo, proxyWith } from "../support/peers/proxy-config.ts";
import { PythonSockets } from "../support/peers/python-sockets.ts";
import { has } from "../support/peers/tools.ts";
import { Product } from "../support/product.ts";
import { reloadWith } from "../support/reload.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(40_000);
/** No check times out for want of a processor. */
const FAST = { intervalMs: 100, timeoutMs: 10_000, rise: 1, fall: 1 };
/** A minute between checks: no second one comes in a test. */
const ONCE = { ...FAST, intervalMs: 60_000 };

/** A proxy to `to` whose endpoints are checked so. */
function checking(
  to: readonly number[],
  healthCheck: unknown,
  more: object = {},
): Promise<Product> {
  return Product.start(proxyTo({ to, client: { healthCheck }, ...more }));
}

const unhealthy = (product: Product) => product.metric("l5d_health_unhealthy_endpoints");

async function reasons(product: Product): Promise<readonly (string | undefined)[]> {
  const status = (await (await product.admin("/status.json")).json()) as {
    destinations: { endpoints: { state: string; reason?: string }[] }[];
  };
  return status.destinations.flatMap(({ endpoints }) => endpoints.map(({ reason }) => reason));
}

describe.skipIf(!has("python3"))("healthCheck", () => {
  let python: PythonSockets;

  beforeAll(() => {
    python = new PythonSockets();
  });

  afterAll(() => python[Symbol.asyncDispose]());

  test("checks that a reload brings end connections of before to endpoints that they find unhealthy", async () => {
    const [a, b] = await Promise.all([python.serve("greet", "a"), python.serve("greet", "b")]);
    const config = (client: Readonly<Record<string, unknown>>) =>
      proxyTo({ to: [a.port, b.port], client });
    await using product = await Product.start(config({}));
    const crowd = await python.crowd(product.port(), 10);
    const { lines } = await crowd.lines(15);
    expect(Object.keys(lines).toSorted()).toEqual(["a", "b"]);
    // As roles do: unhealthy until a check has passed, and cut.
    const healthCheck = { kind: "exchange", expect: "a", ...FAST };
    const more = { initially: "unhealthy", onUnhealthy: "cut" };
    expect(
      (await reloadWith(product, config({ healthCheck: { ...healthCheck, ...more } }))).result,
    ).toBe("applied");
    const cut = { reason: "endpoint_unhealthy" };
    await until("those to b are gone", async () => {
      return (await product.metric("l5d_srv_close_reason_total", cut)) === lines["b"];
    });
    expect(await product.metric("l5d_srv_active")).toBe(lines["a"]);
    await crowd.end("fin");
  });

  test("tcp: an endpoint that is down gets no connection, before any client has tried it; it comes back", async () => {
    const [a, b] = await Promise.all([python.serve("greet", "a"), python.serve("greet", "b")]);
    await using product = await checking(
      [a.port, b.port],
      { kind: "tcp", ...FAST },
      { top: { workers: 2 } },
    );
    await b.stop();
    await until("b is out", async () => (await unhealthy(product)) === 1);
    const { reason } = await product.line(({ msg }) => msg === "endpoint unhealthy");
    expect(reason).toStartWith("refused: ");
    // The message to the workers may be on its way.
    await until(
      "workers know",
      async () => Object.keys((await python.visit(product.port(), 10)).lines).length === 1,
    );
    const failures = await product.metric("l5d_balancer_connection_failure_total");
    expect((await python.visit(product.port(), 30)).lines).toEqual({ a: 30 });
    expect(await product.metric("l5d_balancer_connection_failure_total")).toBe(failures);

    const again = await python.serve("greet", "b", b.port);
    await until("b is in", async () => (await unhealthy(product)) === 0);
    await until(
      "both serve",
      async () => Object.keys((await python.visit(product.port(), 10)).lines).length === 2,
    );
    await Promise.all([a.stop(), again.stop()]);
  });

  test.each<[string, object, Behaviour, string | undefined]>([
    [
      "http, 204",
      { kind: "http", path: "/health?full=1", host: "web.local" },
      { kind: "answer", reply: "HTTP/1.1 204 No Content\r\n\r\n" },
      undefined,
    ],
    [
      "http, byte by byte, after 100",
      { kind: "http" },
      { kind: "answer", parts: [..."HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 302 Found\r\n"] },
      undefined,
    ],
    [
      "http, 503",
      { kind: "http" },
      { kind: "answer", reply: "HTTP/1.1 503 Busy\r\n\r\n" },
      "status 503",
    ],
    [
      "http, of a list",
      { kind: "http", expectStatus: [401, "2xx"] },
      { kind: "answer", reply: "HTTP/1.1 302 Found\r\n\r\n" },
      "status 302",
    ],
    [
      "http, to something else",
      { kind: "http" },
      { kind: "answer", reply: "220 smtp\r\n" },
      "no HTTP: 220 smtp",
    ],
    ["http, never answered", { kind: "http" }, { kind: "silent" }, "timeout: no status came"],
    ["http, flooded", { kind: "http" }, { kind: "flood" }, "it said more than 65536 bytes; "],
    [
      "exchange",
      { kind: "exchange", send: "PING\\r\\n", expect: "+PONG\\r\\n" },
      { kind: "answer", parts: ["+PO", "NG\r", "\n"] },
      undefined,
    ],
    [
      "exchange, another reply",
      { kind: "exchange", send: "PING\\r\\n", expect: "+PONG" },
      { kind: "answer", reply: "-ERR no\r\n" },
      "it said -ERR no\\r\\n",
    ],
    [
      "exchange, a greeting by a pattern",
      { kind: "exchange", expect: "/^220 .*esmtp/i" },
      { kind: "greet", reply: "220 mx ESMTP ready\r\n" },
      undefined,
    ],
    [
      "exchange, a greeting that never fits",
      { kind: "exchange", expect: "/esmtp/" },
      { kind: "greet", reply: "554 no\r\n" },
      "timeout: it said 554 no\\r\\n",
    ],
    [
      "exchange, closed",
      { kind: "exchange", expect: "220" },
      { kind: "close" },
      "it closed the connection; it said nothing",
    ],
    [
      "exchange, reset",
      { kind: "exchange", send: "x\\n", expect: "220" },
      { kind: "reset" },
      "it reset the connection; it said nothing",
    ],
    [
      "tls, to a server without it",
      { kind: "tls", tls: { dnsName: "web.local" } },
      { kind: "answer", reply: "what?\r\n" },
      "tls: ",
    ],
    [
      "redis, to something else",
      { kind: "redis" },
      { kind: "answer", reply: "HTTP/1.1 400 Bad\r\n" },
      "no reply of Redis: HTTP/1.1 400 Bad",
    ],
    [
      "postgres, to something else",
      { kind: "postgres", user: "x" },
      { kind: "greet", reply: "220 mx\r\n" },
      "no PostgreSQL: 220 mx\\r\\n",
    ],
  ])("%s", async (_, keys, behaviour, reason) => {
    await using server = await CheckedServer.start(behaviour);
    await using product = await checking([server.port], {
      ...keys,
      ...ONCE,
      ...(reason?.startsWith("timeout") && { timeoutMs: 500 }),
    });
    const line = await product.line(({ msg }) => /^endpoint (?:un)?healthy$/.test(msg));
    if (reason === undefined) expect(line.msg).toBe("endpoint healthy");
    else expect(line["reason"]).toStartWith(reason);
    const [shown] = await reasons(product);
    expect(shown).toBe(line["reason"] as string | undefined);
  });

  test("a request names the path and the host, and comes after a PROXY header where endpoints expect one", async () => {
    await using server = await CheckedServer.start({
      kind: "answer",
      reply: "HTTP/1.1 200 OK\r\n\r\n",
    });
    const healthCheck = { kind: "http", path: "/up", ...ONCE };
    await using product = await Product.start(
      proxyTo({ to: [server.port], client: { healthCheck, proxyProtocol: { version: 1 } } }),
    );
    await product.line(({ msg }) => msg === "endpoint healthy");
    const [head = ""] = (await server.stats()).heads;
    expect(head).toStartWith("PROXY UNKNOWN\r\n");
    await using other = await CheckedServer.start({
      kind: "answer",
      reply: "HTTP/1.1 200 OK\r\n\r\n",
    });
    // Another port is another program: no header.
    const port = {
      healthCheck: { ...healthCheck, port: other.port },
      proxyProtocol: { version: 2 },
    };
    await using second = await Product.start(proxyTo({ to: [server.port], client: port }));
    await second.line(({ msg }) => msg === "endpoint healthy");
    expect((await other.stats()).heads[0]).toStartWith(
      `GET /up HTTP/1.1\r\nHost: 127.0.0.1:${other.port}\r\n`,
    );
  });

  test("an address is checked once, however many workers and destinations ask for it", async () => {
    await using server = await CheckedServer.start({ kind: "greet", reply: "hello\n" });
    const names = ["/svc/a", "/svc/b", "/svc/c"];
    const endpoint = [`127.0.0.1:${server.port}`];
    const router = (label: string) => ({
      label,
      interpreter: {
        kind: "io.l5d.static",
        names: Object.fromEntries(names.map((name) => [name, endpoint])),
      },
      servers: names.map((dstName) => ({ port: 0, dstName })),
      client: {
        kind: "io.l5d.global",
        healthCheck: { kind: "exchange", expect: "hello", ...FAST },
      },
    });
    await using product = await Product.start({
      admin: { port: 0 },
      workers: 3,
      routers: [router("one"), router("two")],
    });
    const passed = (dst: string, rt: string) =>
      product.metric("l5d_health_checks_total", { dst, rt, result: "passed" });
    await until("ten checks", async () => ((await passed("/svc/a", "one")) ?? 0) >= 10);
    const { accepted } = await server.stats();
    const counted = (await passed("/svc/c", "two")) ?? 0;
    expect(counted).toBeGreaterThanOrEqual(10);
    // One more may have begun.
    expect(Math.abs(accepted - counted)).toBeLessThanOrEqual(3);
    const lines = product.log.filter(({ msg }) => msg === "endpoint healthy");
    expect(lines.map((line) => line["dst"])).toEqual(["/svc/a, /svc/b, /svc/c and 3 more"]);
  });

  test("initially: unhealthy keeps clients waiting until a check has passed, and the start is not held up", async () => {
    const port = await python.freePort();
    const healthCheck = { kind: "tcp", ...FAST, initially: "unhealthy" };
    const server = { connectTimeoutMs: 30_000 };
    await using product = await checking([port], healthCheck, { server });
    const client = await python.connect(product.port());
    await until("a client waits", async () => (await product.metric("l5d_balancer_waiters")) === 1);
    await product.line(({ msg }) => msg === "endpoint unhealthy");
    expect(await product.metric("l5d_balancer_connection_attempts_total")).toBe(0);
    await using _ = await CheckedServer.start({ kind: "greet", reply: "hello\n" }, port);
    expect((await client.receive(6)).text).toBe("hello\n");
    await client.close();
  });

  test("an address that answers nothing times out, and does not keep others from being checked", async () => {
    const hole = await python.blackHole();
    await using server = await CheckedServer.start({ kind: "close" });
    const healthCheck = { kind: "tcp", ...FAST, timeoutMs: 500 };
    await using product = await checking([hole.port, server.port], healthCheck);
    const line = await product.line(({ msg }) => msg === "endpoint unhealthy");
    expect(line["endpoint"]).toBe(`127.0.0.1:${hole.port}`);
    expect(line["reason"]).toBe("timeout: no connection");
    const passed = () => product.metric("l5d_health_checks_total", { result: "passed" });
    await until("the other one is checked", async () => ((await passed()) ?? 0) > 3);
  });

  for (const onUnhealthy of ["keep", "cut"]) {
    test(`onUnhealthy: ${onUnhealthy}`, async () => {
      await using checked = await CheckedServer.start({ kind: "greet", reply: "up" });
      const [a, b] = await Promise.all([python.serve("echo"), python.serve("echo")]);
      const healthCheck = {
        kind: "exchange",
        expect: "up",
        port: checked.port,
        ...FAST,
        onUnhealthy,
      };
      await using product = await checking([a.port, b.port], healthCheck, {
        client: { healthCheck, minConnections: 2 },
      });
      await product.line(({ msg }) => msg === "endpoint healthy");
      const client = await python.connect(product.port());
      await client.write("ping");
      expect((await client.receive(4)).text).toBe("ping");
      await checked.behave({ kind: "greet", reply: "down" });
      await product.line(({ msg }) => msg === "endpoint unhealthy");
      // Warm connections go with the endpoint, whatever becomes of those of clients.
      await until(
        "no warm connection",
        async () => (await product.metric("l5d_balancer_connection_warm")) === 0,
      );
      if (onUnhealthy === "cut") expect((await client.receive()).end).toBe("ECONNRESET");
      else {
        await client.write("pong");
        expect((await client.receive(4)).text).toBe("pong");
        await client.close();
      }
      await Promise.all([a.stop(), b.stop()]);
    });
  }

  test("an endpoint that leaves its name is checked no more", async () => {
    await using server = await CheckedServer.start({ kind: "greet", reply: "up" });
    await using other = await CheckedServer.start({ kind: "greet", reply: "up" });
    const healthCheck = { kind: "exchange", expect: "up", ...FAST };
    const interpreter = { kind: "io.l5d.fs", rootDir: "." };
    await using product = await Product.start(proxyWith(interpreter, { client: { healthCheck } }), {
      files: { web: `127.0.0.1:${server.port}\n127.0.0.1:${other.port}\n` },
    });
    const checked = () => product.metric("l5d_health_checked_endpoints");
    await until(
      "both are checked",
      async () => (await server.stats()).accepted > 1 && (await checked()) === 2,
    );
    writeFileSync(join(product.folder, "next"), `127.0.0.1:${other.port}\n`);
    renameSync(join(product.folder, "next"), join(product.folder, "web"));
    await until("one is checked", async () => (await checked()) === 1);
    const before = (await server.stats()).accepted;
    const others = (await other.stats()).accepted;
    await until(
      "the other one is checked on",
      async () => (await other.stats()).accepted > others + 5,
    );
    expect((await server.stats()).accepted).toBeLessThanOrEqual(before + 1);
  });
});
