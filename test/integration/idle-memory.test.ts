// What an idle proxy holds: none of the code that its configuration does not ask for, and so little memory. What a reload
// asks for is there when it is in effect.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Product } from "../support/product.ts";
import { reloadWith } from "../support/reload.ts";
import { Peer, type PeerServer } from "../support/tls/peer.ts";
import { has } from "../support/tls/tools.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const SRC = join(import.meta.dir, "../../src/");

/** Runs in each thread of the product before all else: writes again and again which modules there are. */
const PROBE = `
  import { renameSync, writeFileSync } from "node:fs";
  const thread = Bun.isMainThread ? "control" : "worker";
  const path = \`\${import.meta.dir}/\${process.pid}-\${thread}.json\`;
  const Plain = globalThis.Worker;
  globalThis.Worker = class extends Plain {
    constructor(url, options) {
      super(url, { ...options, preload: [import.meta.path] });
    }
  };
  let known = 0;
  setInterval(() => {
    const modules = Object.keys(require.cache);
    if (modules.length === known) return;
    known = modules.length;
    writeFileSync(\`\${path}.new\`, JSON.stringify(modules));
    renameSync(\`\${path}.new\`, path);
  }, 20).unref();
`;

/** Starts the product, with what tells of its modules. */
function start(config: unknown): Promise<Product> {
  return Product.start(config, {
    files: { "probe.ts": PROBE },
    before: `export BUN_OPTIONS="--preload=$PWD/probe.ts"`,
  });
}

type Thread = "control" | "worker";

/** The modules of a thread, as paths below src, as they are now or were a moment ago. */
function modulesOf({ folder, process }: Product, thread: Thread): readonly string[] {
  const name = `${process.pid}-${thread}.json`;
  if (!readdirSync(folder).includes(name)) return [];
  const modules = JSON.parse(readFileSync(join(folder, name), "utf8")) as readonly string[];
  return modules.filter((path) => path.startsWith(SRC)).map((path) => path.slice(SRC.length));
}

/** Private memory, in bytes. */
function privateBytes({ process }: Product): number {
  const status = readFileSync(`/proc/${process.pid}/status`, "utf8");
  return 1024 * Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1]);
}

/** Beginnings of paths that a thread of an idle proxy with one server has no use for. */
const UNUSED = {
  control: [
    "admission/",
    "app/names-on-demand.ts",
    "balancer/",
    "cli/args.ts",
    "cli/check.ts",
    "cli/ctl",
    "cli/dtab",
    "cli/help.ts",
    "cli/namerd.ts",
    "config/load.ts",
    "config/schema",
    "control/limits.ts",
    "control/name-cache.ts",
    "discovery/consul/",
    "discovery/dns/",
    "discovery/etcd/",
    "discovery/fs/",
    "discovery/k8s/",
    "discovery/namerd/",
    "health/",
    "namerd/",
    "proxy/",
  ],
  worker: [
    "admission/admission.ts",
    "admission/limits-memory.ts",
    "admission/shared-limits.ts",
    "admission/source-table.ts",
    "app/",
    "balancer/aperture.ts",
    "balancer/ewma.ts",
    "balancer/least-connections.ts",
    "balancer/rendezvous.ts",
    "balancer/round-robin.ts",
    "cli/",
    "config/",
    "control/",
    "discovery/",
    "proxy/proxy-protocol/decode",
    "proxy/proxy-protocol/incoming.ts",
    "router/lookups.ts",
    "transport/client-tls.ts",
  ],
} satisfies Record<Thread, readonly string[]>;

describe.skipIf(!has("python3"))("an idle proxy", () => {
  let peer: Peer;
  let endpoint: PeerServer;

  beforeAll(async () => {
    peer = new Peer();
    endpoint = await peer.listen();
  });

  afterAll(() => peer[Symbol.asyncDispose]());

  function config({ server = {}, client = {} } = {}) {
    return {
      admin: { port: 0 },
      workers: 1,
      routers: [
        {
          label: "r",
          interpreter: {
            kind: "io.l5d.static",
            names: { "/svc/web": [`127.0.0.1:${endpoint.port}`] },
          },
          servers: [{ port: 0, ip: "127.0.0.1", dstName: "/svc/web", ...server }],
          client: { kind: "io.l5d.global", ...client },
        },
      ],
    };
  }

  test("holds no code that it has no use for", async () => {
    await using product = await start(config());
    for (const thread of ["control", "worker"] as const) {
      const lastOfIt = { control: "app/app.ts", worker: "worker/data-plane.ts" }[thread];
      await until("the thread has told", () => modulesOf(product, thread).includes(lastOfIt));
      const held = modulesOf(product, thread).filter((path) =>
        UNUSED[thread].some((beginning) => path.startsWith(beginning)),
      );
      expect(held).toEqual([]);
    }
  });

  // 12 MB in the median of many starts. What must never be there at all takes 2 MB and more: node:tls, node:util with
  // node:fs in a worker, the libraries of the schema.
  test.skipIf(process.platform !== "linux")("holds less than 15 MB for itself", async () => {
    await using product = await Product.start(config());
    await until("it has come to rest", () => privateBytes(product) < 15e6, 30_000);
  });

  test("loads what a reload asks for before it is in effect", async () => {
    await using product = await start(config());
    const before = await peer.connect(product.port());
    await before.sendText("still here\n");
    const stream = await endpoint.accept();
    const changed = config({
      server: { limits: { deny: ["127.0.0.1"] } },
      client: { loadBalancer: { kind: "aperture" }, tls: { dnsName: "web.test" } },
    });
    const answer = await reloadWith(product, changed);
    expect(answer).toMatchObject({ status: 200 });
    const refused = await peer.connect(product.port());
    expect((await refused.receive(1)).end).not.toBe("");
    const needed = ["admission/admission.ts", "balancer/aperture.ts", "transport/client-tls.ts"];
    await until("they are told", () => {
      const modules = modulesOf(product, "worker");
      return needed.every((path) => modules.includes(path));
    });
    expect(await stream.receive(11)).toMatchObject({ text: "still here\n" });
    const trusting = config({ server: { proxyProtocol: { trusted: ["127.0.0.1"] } } });
    expect(await reloadWith(product, trusting)).toMatchObject({ status: 200 });
    const told = await peer.connect(product.port());
    await told.sendText("PROXY TCP4 203.0.113.9 198.51.100.7 5000 443\r\nhello\n");
    const plain = await endpoint.accept();
    expect(await plain.receive(6)).toMatchObject({ text: "hello\n" });
    expect(product.log.filter(({ msg }) => msg === "defect")).toEqual([]);
  });
});
