// Hosts that vanish without a word: what the kernel is asked to watch over, and what comes of it.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readings } from "../support/peers/observed.ts";
import { proxyTo } from "../support/peers/proxy-config.ts";
import { PythonSockets } from "../support/peers/python-sockets.ts";
import { has } from "../support/peers/tools.ts";
import { Product } from "../support/product.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const PROBED = { keepAliveIdleSecs: 1, keepAliveIntervalSecs: 1, keepAliveProbes: 2 };

/** Runs `ip`; answers whether that worked. */
function ip(...words: readonly string[]): boolean {
  return Bun.spawnSync(["ip", ...words]).exitCode === 0;
}

/** The timers of connections that fit, as `ss` tells them. */
function timers(filter: string): string[] {
  const { stdout } = Bun.spawnSync(["ss", "-Htno", "state", "established", filter]);
  const lines = stdout.toString().trim().split("\n");
  return lines.map((line) => /timer:\((\w+),/.exec(line)?.[1] ?? "none");
}

describe.skipIf(!has("python3") || !has("ss"))("TCP keepalive", () => {
  let python: PythonSockets;

  beforeAll(() => {
    python = new PythonSockets();
  });

  afterAll(() => python[Symbol.asyncDispose]());

  test.concurrent(
    "is on for clients at once and for endpoints of connections that last, unless it is off",
    async () => {
      const [on, off] = [await python.serve("hold"), await python.serve("hold")];
      const without = { socketOptions: { keepAlive: false } };
      await using probing = await Product.start(proxyTo({ to: [on.port] }));
      await using silent = await Product.start(
        proxyTo({ to: [off.port], server: without, client: without }),
      );
      await python.crowd(probing.port(), 2);
      await python.crowd(silent.port(), 2);
      await until("both have their connections", async () => {
        const [a, b] = [await on.stats(), await off.stats()];
        return a.active === 2 && b.active === 2;
      });
      expect(timers(`( sport = :${probing.port()} )`)).toEqual(["keepalive", "keepalive"]);
      expect(timers(`( dport = :${on.port} )`)).toEqual(["none", "none"]);
      await until(
        "connections to endpoints are watched over",
        () => timers(`( dport = :${on.port} )`).every((timer) => timer === "keepalive"),
        20_000,
      );
      expect(timers(`( sport = :${silent.port()} )`)).toEqual(["none", "none"]);
      expect(timers(`( dport = :${off.port} )`)).toEqual(["none", "none"]);
    },
  );
});

let made = 0;

/** Another host: a network namespace with a cable to this one. */
class OtherHost implements Disposable {
  readonly here: string;
  readonly there: string;
  readonly name: string;
  readonly works: boolean;

  constructor() {
    made += 1;
    const network = `10.${200 + (made % 50)}.${process.pid % 250}`;
    this.name = `lt${process.pid}n${made}`;
    this.here = `${network}.1`;
    this.there = `${network}.2`;
    const { name, here, there } = this;
    this.works =
      ip("netns", "add", name) &&
      ip("link", "add", `${name}a`, "type", "veth", "peer", "name", `${name}b`, "netns", name) &&
      ip("addr", "add", `${here}/24`, "dev", `${name}a`) &&
      ip("link", "set", `${name}a`, "up") &&
      ip("-n", name, "addr", "add", `${there}/24`, "dev", `${name}b`) &&
      ip("-n", name, "link", "set", `${name}b`, "up") &&
      ip("-n", name, "link", "set", "lo", "up");
  }

  sockets(): PythonSockets {
    const env = { SOCKETS_LISTEN: this.there, SOCKETS_TARGET: this.here };
    return new PythonSockets(["ip", "netns", "exec", this.name], env);
  }

  vanish(): void {
    ip("-n", this.name, "link", "set", `${this.name}b`, "down");
  }

  [Symbol.dispose](): void {
    ip("netns", "del", this.name);
    ip("link", "del", `${this.name}a`);
  }
}

function canMakeHosts(): boolean {
  if (Bun.which("ip") === null) return false;
  using host = new OtherHost();
  return host.works;
}

describe.skipIf(!has("python3") || !canMakeHosts())("a host that vanishes", () => {
  test.concurrent(
    "is noticed by keepalive while nothing moves, as client and as endpoint",
    async () => {
      using host = new OtherHost();
      await using near = new PythonSockets();
      await using far = host.sockets();
      const [nearEnd, farEnd] = [await near.serve("hold"), await far.serve("hold")];
      const names = {
        "/svc/near": [`127.0.0.1:${nearEnd.port}`],
        "/svc/far": [`${host.there}:${farEnd.port}`],
      };
      const servers = [
        { port: 0, dstName: "/svc/far" },
        { port: 0, ip: host.here, dstName: "/svc/near", socketOptions: PROBED },
      ];
      const client = { kind: "io.l5d.global", socketOptions: PROBED };
      const interpreter = { kind: "io.l5d.static", names };
      const routers = [{ label: "test", interpreter, servers, client }];
      await using product = await Product.start({ admin: { port: 0 }, routers });
      const local = await near.crowd(product.port("/svc/far"), 1);
      await far.crowd(product.port("/svc/near"), 1);
      await until("both stand", async () => {
        const [a, b] = [await nearEnd.stats(), await farEnd.stats()];
        return a.active === 1 && b.active === 1;
      });
      await until(
        "the endpoint is watched over",
        () => timers(`( dport = :${farEnd.port} )`)[0] === "keepalive",
        20_000,
      );
      host.vanish();
      expect((await local.ends(30)).ends).toEqual({ ECONNRESET: 1 });
      await until("the near endpoint is told", async () => (await nearEnd.stats()).failed === 1);
      await until("both are counted", async () => {
        const page = await readings(product);
        const count = (reason: string) => page.sum("l5d_srv_close_reason_total", { reason });
        return count("upstream_lost") === 1 && count("client_lost") === 1;
      });
    },
  );

  test.concurrent("is noticed by the user timeout while something is under way to it", async () => {
    using host = new OtherHost();
    await using near = new PythonSockets();
    await using far = host.sockets();
    const listener = await near.listen();
    const server = { ip: host.here, socketOptions: { keepAlive: false, userTimeoutMs: 1_500 } };
    await using product = await Product.start(proxyTo({ to: [listener.port], server }));
    await far.crowd(product.port(), 1);
    const endpoint = await listener.accept();
    await endpoint.write("hello");
    host.vanish();
    await endpoint.write("is anybody there?");
    const { end, ms } = await endpoint.receive();
    expect(end).toBe("ECONNRESET");
    expect(ms).toBeLessThan(20_000);
    await until("it is counted", async () => {
      const page = await readings(product);
      return page.sum("l5d_srv_close_reason_total", { reason: "client_lost" }) === 1;
    });
  });
});
