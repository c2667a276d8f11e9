import { afterEach, describe, expect, test } from "bun:test";
import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { fakeControl } from "../../test/support/fake-control.ts";
import { systemClock } from "../lib/clock.ts";
import { type Logger, silentLogger } from "../telemetry/log.ts";
import type { AdminPort, Status } from "./admin-port.ts";
import { ADMIN_ROUTES } from "./routes.ts";
import { AdminServer } from "./server.ts";

const STATUS: Status = {
  version: "0.2.0",
  pid: 4321,
  state: "serving",
  uptimeSeconds: 1,
  workers: 1,
  configuration: {
    generation: 1,
    fingerprint: "0123456789abcdef",
    loadedAt: "2026-01-02T03:04:05.000Z",
    lastReload: undefined,
  },
  servers: [],
  destinations: [],
  namers: [],
  overrides: [],
  drains: [],
};

const servers: AdminServer[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

function setUp(overrides: Partial<AdminPort> = {}, ip = "127.0.0.1") {
  const calls: string[] = [];
  const errors: string[] = [];
  const clock = new FakeClock();
  const app: AdminPort = {
    metrics: () => "# HELP x y\n",
    status: () => STATUS,
    config: () => ({ routers: [] }),
    reload: () => Promise.reject(new Error("not asked for")),
    plan: () => Promise.reject(new Error("not asked for")),
    shutdown: () => calls.push("shutdown"),
    upgrade: () => Promise.resolve({ result: "done", pid: 77 }),
    handOver: (pid) => calls.push(`hand over to ${pid}`),
    abort: () => calls.push("abort"),
    control: fakeControl(),
    ...overrides,
  };
  const log: Logger = {
    ...silentLogger,
    error: (message, fields) => errors.push(`${message} ${JSON.stringify(fields?.())}`),
  };
  const server = new AdminServer({ ip, port: 0, app, log, clock });
  servers.push(server);
  return { server, calls, errors, clock };
}

interface Reply {
  readonly status: number | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

function ask(
  server: AdminServer,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Reply> {
  const { ip, port } = server.address;
  const { promise, resolve, reject } = Promise.withResolvers<Reply>();
  const sent = request({ host: ip, port, method, path, headers, agent: false }, (response) => {
    let body = "";
    response.setEncoding("utf8");
    response.on("data", (chunk: string) => (body += chunk));
    response.on("end", () =>
      resolve({ status: response.statusCode, headers: response.headers, body }),
    );
  });
  sent.on("error", reject);
  sent.end();
  return promise;
}

describe("AdminServer", () => {
  test("answers to an upgrade when it has come to an end, and hands over afterwards", async () => {
    const { server, calls, clock } = setUp();
    expect(await ask(server, "POST", "/upgrade")).toMatchObject({
      status: 200,
      body: "Process 77 has taken over; this one drains.\n",
    });
    expect(calls).toEqual([]);
    clock.advance(0);
    expect(calls).toEqual(["hand over to 77"]);
  });

  test("says why an upgrade was not tried, or failed, or broke", async () => {
    const cases: readonly (readonly [number, string, AdminPort["upgrade"]])[] = [
      [409, "No upgrade: no\n", () => Promise.resolve({ result: "refused", message: "no" })],
      [
        500,
        "The upgrade failed, and this process goes on: no\n",
        () => Promise.resolve({ result: "failed", message: "no" }),
      ],
      [500, "Something went wrong: the log says what.\n", () => Promise.reject(new Error("x"))],
    ];
    for (const [status, body, upgrade] of cases) {
      const { server, calls, clock } = setUp({ upgrade });
      expect(await ask(server, "POST", "/upgrade")).toMatchObject({ status, body });
      clock.advance(0);
      expect(calls).toEqual([]);
    }
  });

  test("answers on the port that the system gave it", async () => {
    const { server } = setUp();
    expect(server.address.ip).toBe("127.0.0.1");
    expect(server.address.port).toBeGreaterThan(0);
    expect(await ask(server, "GET", "/ping")).toMatchObject({ status: 200, body: "pong\n" });
  });

  test("listens on IPv6 as well", async () => {
    const { server } = setUp({}, "::1");
    expect(await ask(server, "GET", "/ping")).toMatchObject({ status: 200, body: "pong\n" });
  });

  test("answers reloads when they are over, with a status that says how they went", async () => {
    const configuration = { generation: 2, fingerprint: "f" };
    for (const [result, status] of [
      ["applied", 200],
      ["invalid", 422],
      ["failed", 500],
      ["refused", 409],
    ] as const) {
      const answer = { result, message: "why", problems: ["x"], configuration };
      const { server } = setUp({
        reload: () => new Promise((resolve) => setImmediate(() => resolve(answer))),
      });
      const reply = await ask(server, "POST", "/reload");
      expect([reply.status, JSON.parse(reply.body)]).toEqual([status, answer]);
      expect((await ask(server, "GET", "/reload")).status).toBe(405);
    }
    const { server, errors } = setUp();
    expect((await ask(server, "POST", "/plan")).status).toBe(500);
    expect(errors).toHaveLength(1);
  });

  test("gives each page with its type, and none that a cache or another site may keep", async () => {
    const { server } = setUp();
    for (const [path, type, body] of [
      ["/metrics", "text/plain; version=0.0.4; charset=utf-8", "# HELP x y\n"],
      ["/ping", "text/plain; charset=utf-8", "pong\n"],
      ["/config.json", "application/json; charset=utf-8", '{\n  "routers": []\n}\n'],
      ["/status.json", "application/json; charset=utf-8", `${JSON.stringify(STATUS, null, 2)}\n`],
    ] as const) {
      const reply = await ask(server, "GET", path);
      expect(reply).toMatchObject({ status: 200, body });
      expect(reply.headers).toMatchObject({
        "content-type": type,
        "content-length": String(body.length),
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "cross-origin-resource-policy": "same-origin",
      });
    }
  });

  test("gives the status page with a policy that forbids scripts", async () => {
    const { server } = setUp();
    const { headers, body } = await ask(server, "GET", "/?from=bookmark");
    expect(headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(headers["content-security-policy"]).toStartWith(
      "default-src 'none'; style-src 'sha256-",
    );
    expect(body).toStartWith("<!doctype html>");
  });

  test("answers HEAD as GET, without a body", async () => {
    const { server } = setUp();
    for (const { path } of ADMIN_ROUTES.filter(({ method }) => method === "GET")) {
      const get = await ask(server, "GET", path);
      const head = await ask(server, "HEAD", path);
      expect(head).toMatchObject({ status: 200, body: "" });
      for (const name of ["content-type", "content-length", "cache-control"])
        expect(head.headers[name]).toBe(get.headers[name]);
    }
  });

  test("refuses a wrong method on a known path and names the right ones", async () => {
    const { server, calls, clock } = setUp();
    for (const { path } of ADMIN_ROUTES) {
      const right = ADMIN_ROUTES.filter((route) => route.path === path).map(({ method }) => method);
      const allowed = right.map((method) => (method === "GET" ? "GET, HEAD" : method)).join(", ");
      const methods = ["GET", "POST", "PUT", "DELETE", "OPTIONS"];
      for (const wrong of methods.filter((method) => !right.some((one) => one === method))) {
        const reply = await ask(server, wrong, path);
        expect([path, wrong, reply.status, reply.headers.allow]).toEqual([
          path,
          wrong,
          405,
          allowed,
        ]);
      }
    }
    expect((await ask(server, "HEAD", "/shutdown")).status).toBe(405);
    clock.advance(1000);
    expect(calls).toEqual([]);
  });

  test("does not know other paths", async () => {
    const { server } = setUp();
    for (const path of ["/favicon.ico", "/metrics/", "//metrics", "/Metrics", "/%6detrics", "/a/b"])
      expect([path, (await ask(server, "GET", path)).status]).toEqual([path, 404]);
    expect((await ask(server, "POST", "/nothing")).status).toBe(404);
  });

  test("answers a shutdown before it begins", async () => {
    const { server, calls, clock } = setUp();
    expect(await ask(server, "POST", "/shutdown")).toMatchObject({ status: 200 });
    expect(calls).toEqual([]);
    clock.advance(0);
    expect(calls).toEqual(["shutdown"]);
  });

  test("passes an abort on", async () => {
    const { server, calls, clock } = setUp();
    await ask(server, "POST", "/abort");
    clock.advance(0);
    expect(calls).toEqual(["abort"]);
  });

  test("refuses what web pages of others send", async () => {
    const { server, calls, clock } = setUp();
    const host = `localhost:${server.address.port}`;
    const refused: Record<string, string>[] = [
      { origin: "http://evil.example" },
      { origin: "null" },
      { host, origin: "http://localhost:1" },
      { "sec-fetch-site": "cross-site" },
    ];
    for (const headers of refused)
      expect((await ask(server, "POST", "/abort", headers)).status).toBe(403);
    for (const path of ["/", "/metrics", "/config.json", "/nothing"]) {
      const reply = await ask(server, "GET", path, { host: "evil.example" });
      expect(reply.status).toBe(403);
      expect(reply.body).toContain(`localhost:${server.address.port}`);
    }
    clock.advance(0);
    expect(calls).toEqual([]);
    expect((await ask(server, "POST", "/abort", { host, origin: `http://${host}` })).status).toBe(
      200,
    );
  });

  test("answers 500 without details when the application throws, and logs them", async () => {
    const { server, errors } = setUp({
      metrics() {
        throw new Error("secret detail");
      },
    });
    const reply = await ask(server, "GET", "/metrics");
    expect(reply.status).toBe(500);
    expect(reply.body).not.toContain("secret");
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain("secret detail");
    expect((await ask(server, "GET", "/ping")).status).toBe(200);
  });

  test("logs what goes wrong after an answer", async () => {
    const { server, errors, clock } = setUp({
      shutdown() {
        throw new Error("cannot stop");
      },
    });
    await ask(server, "POST", "/shutdown");
    clock.advance(0);
    expect(errors[0]).toContain("cannot stop");
  });

  test("says so when its port is taken", () => {
    const { port } = setUp().server.address;
    const again = (): AdminServer =>
      new AdminServer({
        ip: "127.0.0.1",
        port,
        app: {} as AdminPort,
        log: silentLogger,
        clock: systemClock,
      });
    expect(again).toThrow(expect.objectContaining({ code: "EADDRINUSE" }));
  });

  test("frees its port and ends idle connections when it stops, and stops once only", async () => {
    const { server } = setUp();
    await ask(server, "GET", "/ping");
    await server.stop();
    await server.stop();
    expect(ask(server, "GET", "/ping")).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });

  test("has answered in full even if the process ends with the shutdown", async () => {
    const script = `
      import { AdminServer } from ${JSON.stringify(join(import.meta.dir, "server.ts"))};
      import { systemClock } from ${JSON.stringify(join(import.meta.dir, "../lib/clock.ts"))};
      import { silentLogger } from ${JSON.stringify(join(import.meta.dir, "../telemetry/log.ts"))};
      const app = { shutdown: () => process.exit(0) };
      const server = new AdminServer({ ip: "127.0.0.1", port: 0, app, log: silentLogger, clock: systemClock });
      console.log(server.address.port);`;
    for (let times = 0; times < 10; times++) {
      const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" });
      const { value } = await child.stdout.getReader().read();
      const port = Number(new TextDecoder().decode(value));
      const reply = await fetch(`http://127.0.0.1:${port}/shutdown`, { method: "POST" });
      expect(await reply.text()).toBe("Shutting down.\n");
      expect(await child.exited).toBe(0);
    }
  });
});

describe("ADMIN_ROUTES", () => {
  test("have a summary each and no path twice", () => {
    const keys = ADMIN_ROUTES.map(({ method, path }) => `${method} ${path}`);
    expect(new Set(keys).size).toBe(keys.length);
    for (const { summary } of ADMIN_ROUTES) expect(summary).toMatch(/^[A-Z`].*\.$/);
  });
});
