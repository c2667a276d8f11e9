// The embedded namerd as a user runs it: a child process, asked by curl, by many watchers, and by the proxy.
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Etcd } from "../support/peers/etcd.ts";
import { has } from "../support/peers/tools.ts";
import { Product, type ProductOptions } from "../support/product.ts";
import { head, RawConnection } from "../support/raw-http.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const scratch = mkdtempSync(join(tmpdir(), "l5d-namerd-it-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const MAIN = resolve(import.meta.dir, "../../src/main.ts");
const IN_MEMORY = { kind: "io.l5d.inMemory", namespaces: { default: "/svc => /#/io.l5d.fs;" } };

function config(storage: object = IN_MEMORY): object {
  return {
    admin: { port: 0 },
    storage,
    namers: [{ kind: "io.l5d.fs", rootDir: "." }],
    interfaces: [{ kind: "io.l5d.httpController", port: 0 }],
  };
}

async function startNamerd(options: ProductOptions = {}, storage?: object): Promise<Product> {
  return await Product.start(config(storage), { ...options, words: ["namerd"] });
}

const urlOf = (namerd: Product, path: string): string =>
  `http://127.0.0.1:${namerd.port()}/api/1${path}`;

async function put(namerd: Product, ns: string, dtab: string): Promise<number> {
  const headers = { "content-type": "application/dtab" };
  const request = { method: "PUT", headers, body: dtab };
  return (await fetch(urlOf(namerd, `/dtabs/${ns}`), request)).status;
}

describe("linkerd-tcp namerd", () => {
  test("serves names, metrics and its state, and ends when it is told to", async () => {
    await using namerd = await startNamerd({ files: { web: "10.0.0.1 80\n" } });
    const resolved = await fetch(urlOf(namerd, "/resolve/default?path=/svc/web"));
    expect(await resolved.json()).toMatchObject({ addrs: [{ ip: "10.0.0.1", port: 80 }] });
    expect(await put(namerd, "web", "/a=>/b")).toBe(204);
    expect(await (await namerd.admin("/admin/ping")).text()).toBe("pong");
    expect(await namerd.metric("l5d_namerd_namespaces")).toBe(2);
    expect(await namerd.metric("l5d_namerd_requests_total", { endpoint: "dtabs" })).toBe(1);
    expect(await namerd.metric("l5d_namerd_store_writes_total", { result: "done" })).toBe(1);
    expect(await (await namerd.admin("/admin/metrics.json")).json()).toMatchObject({
      l5d_namerd_namespaces: 2,
    });
    expect(await (await namerd.admin("/")).text()).toContain("Namespaces:\n  default\n  web\n");
    expect(await (await namerd.admin("/config.json")).json()).toEqual(config());
    const watch = await RawConnection.open(namerd.port());
    watch.send(head("GET", "/api/1/dtabs?watch=1"));
    await watch.ends("]\n\r\n");
    expect((await namerd.admin("/admin/shutdown")).status).toBe(405);
    const bye = await namerd.admin("/admin/shutdown", { method: "POST" });
    expect(await bye.text()).toBe("quitting\n");
    expect(await namerd.process.exited).toBe(0);
    await watch.gone();
  });

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    test(`ends in good order on ${signal}, whoever watches`, async () => {
      await using namerd = await startNamerd();
      const watch = await RawConnection.open(namerd.port());
      watch.send(head("GET", "/api/1/resolve/default?path=/svc/web&watch=1"));
      await watch.ends('{"type":"neg"}\n\r\n');
      namerd.process.kill(signal);
      expect(await namerd.process.exited).toBe(0);
      await watch.gone();
    });
  }

  test.skipIf(!has("curl"))("is followed by curl", async () => {
    await using namerd = await startNamerd({ files: { web: "10.0.0.1 80\n" } });
    const url = urlOf(namerd, "/resolve/default?path=/svc/web&watch=true");
    const curl = Bun.spawn(["curl", "-sN", url], { stdout: "pipe" });
    let text = "";
    const reading = (async () => {
      for await (const bytes of curl.stdout) text += new TextDecoder().decode(bytes);
    })();
    await until("the first line comes", () => text.includes("10.0.0.1"));
    writeFileSync(join(namerd.folder, "web"), "10.0.0.2 81\n");
    await until("the second line comes", () => text.includes("10.0.0.2"));
    rmSync(join(namerd.folder, "web"));
    await until("the end comes", () => text.endsWith('{"type":"neg"}\n'));
    curl.kill();
    await reading;
  });

  test("feeds the proxy", async () => {
    const backend = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("hi") });
    await using namerd = await startNamerd({ files: { web: `127.0.0.1 ${backend.port}\n` } });
    await using proxy = await Product.start({
      admin: { port: 0 },
      routers: [
        {
          label: "default",
          interpreter: {
            kind: "io.l5d.namerd.http",
            baseUrl: `http://127.0.0.1:${namerd.port()}`,
          },
          servers: [{ port: 0, dstName: "/svc/web" }],
        },
      ],
    });
    const answer = await fetch(`http://127.0.0.1:${proxy.port()}/`);
    expect(await answer.text()).toBe("hi");
    await backend.stop(true);
  });
});

/** Runs the program to its end. */
async function run(
  words: readonly string[],
  input = "",
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const child = Bun.spawn([process.execPath, "--no-env-file", MAIN, ...words], {
    cwd: scratch,
    stdin: Buffer.from(input),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { code: await child.exited, out, err };
}

describe("the configuration of namerd", () => {
  test("is checked without listening, from a file or from standard input", async () => {
    const good = await run(["namerd", "--check", "-"], JSON.stringify(config()));
    expect([good.code, good.err]).toEqual([0, ""]);
    expect(good.out).toContain("The configuration is good.\n");
    const bad = await run(["namerd", "-"], '{"storage": {"kind": "io.l5d.inMemry"}}');
    expect(bad.code).toBe(78);
    expect(bad.err).toContain(
      '<stdin>:1:22: error: storage.kind: expected one of "io.l5d.inMemory", "io.l5d.sqlite", "io.l5d.etcd", ' +
        'found "io.l5d.inMemry"; did you mean "io.l5d.inMemory"?',
    );
    expect((await run(["namerd", "none.yml"])).code).toBe(66);
  });

  test("may name storage that cannot be used, or an address that is taken", async () => {
    writeFileSync(join(scratch, "text.db"), "no database at all".repeat(99));
    const storage = { kind: "io.l5d.sqlite", path: "text.db" };
    const unusable = await run(["namerd", "-"], JSON.stringify(config(storage)));
    expect([unusable.code, unusable.err]).toEqual([
      66,
      expect.stringContaining("text.db: it cannot be used as storage"),
    ]);
    await using namerd = await startNamerd();
    const interfaces = [{ kind: "io.l5d.httpController", port: namerd.port() }];
    const taken = await run(["namerd", "-"], JSON.stringify({ ...config(), interfaces }));
    expect(taken.code).toBe(71);
    expect(taken.err).toContain(`Cannot listen on 127.0.0.1:${namerd.port()}`);
  });

  test("may be left out: then there is an example", async () => {
    const child = Bun.spawn([process.execPath, "--no-env-file", MAIN, "namerd"], {
      cwd: scratch,
      stdout: "pipe",
      stderr: "pipe",
    });
    // On a machine where its well-known ports are taken it says so.
    const out = new Response(child.stdout).text();
    const err = new Response(child.stderr).text();
    await until("it makes its folder", () => existsSync(join(scratch, "tmp.discovery/default")));
    await using _ = { [Symbol.asyncDispose]: async () => void child.kill("SIGKILL") };
    const file = readFileSync(join(scratch, "tmp.discovery/default"), "utf8");
    expect(file).toEndWith("127.0.0.1 8080\n");
    const up = (): Promise<boolean> =>
      fetch("http://127.0.0.1:9991/config.json")
        .then((response) => response.text())
        .then((text) => text.includes(scratch))
        .catch(() => false);
    await until("it serves, or has ended", async () => child.exitCode !== null || (await up()));
    if (child.exitCode === null) {
      const url = "http://127.0.0.1:4180/api/1/resolve/default?path=/svc/default";
      expect(await (await fetch(url)).json()).toMatchObject({ addrs: [{ port: 8080 }] });
      child.kill();
      expect(await out).toContain("curl -sN 'http://127.0.0.1:4180/api/1/resolve/default");
      expect(await child.exited).toBe(0);
    } else expect(await err).toContain("Cannot listen on 127.0.0.1:");
  });
});

const KILLS = 6;

test("no write that was answered is lost when the process is killed", async () => {
  const path = join(scratch, "killed.db");
  const storage = { kind: "io.l5d.sqlite", path };
  let last = -1;
  let answered = -1;
  for (let round = 0; round < KILLS; round += 1) {
    await using namerd = await startNamerd({}, storage);
    const found = await fetch(urlOf(namerd, "/dtabs/counter"), {
      headers: { accept: "text/plain" },
    });
    // What was sent and not answered may be there, or not.
    const kept = found.status === 404 ? -1 : Number(/\d+/.exec(await found.text())?.[0]);
    expect(kept).toBeGreaterThanOrEqual(answered);
    expect(kept).toBeLessThanOrEqual(last);
    answered = kept;
    last = kept;
    const wanted = last + 20 + round * 7;
    const writing = (async () => {
      for (;;) {
        last += 1;
        if ((await put(namerd, "counter", `/n=>/${last}`)) !== 204) return;
        answered = last;
      }
    })().catch(() => {});
    await until("it is in the midst of writing", () => answered >= wanted);
    namerd.process.kill("SIGKILL");
    await writing;
  }
  expect(answered).toBeGreaterThan(KILLS * 20);
});

/** The private memory of a process, in kB. */
function privateKb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1]);
}

test.skipIf(!has("python3"))(
  "1,000 watchers of a name take less than 100 MB and hear of a change within a second",
  async () => {
    await using namerd = await startNamerd({ files: { web: "10.0.0.1 80\n" } });
    const script = resolve(import.meta.dir, "../support/peers/watchers.py");
    const target = "/api/1/resolve/default?path=/svc/web&watch=true";
    const peer = Bun.spawn(["python3", script, String(namerd.port()), target], {
      stdin: "pipe",
      stdout: "pipe",
    });
    await using _ = { [Symbol.asyncDispose]: async () => void peer.kill() };
    let answers = "";
    void (async () => {
      for await (const bytes of peer.stdout) answers += new TextDecoder().decode(bytes);
    })();
    const tell = (text: string): void => {
      peer.stdin.write(`${text}\n`);
      peer.stdin.flush();
    };
    const lines = (): readonly string[] => answers.trimEnd().split("\n");
    tell("open 1000");
    await until("all have the first value", () => answers.endsWith("\n"), 30_000);
    expect(answers).toStartWith("open ");
    expect(await namerd.metric("l5d_namerd_watchers", { endpoint: "resolve" })).toBe(1_000);
    const slowest: number[] = [];
    for (let round = 2; round < 7; round += 1) {
      tell(`wait 10.0.0.${round}"`);
      writeFileSync(join(namerd.folder, "web"), `10.0.0.${round} 80\n`);
      await until("all have the next value", () => lines().length === round, 30_000);
      const [, max] = /^all \S+ (\S+)$/.exec(lines().at(-1) ?? "") ?? [];
      slowest.push(Number(max));
    }
    const memory = privateKb(namerd.process.pid);
    console.log(`1,000 watchers: ${memory} kB, updates within ${slowest.join(", ")} s`);
    expect(Math.max(...slowest)).toBeLessThan(1);
    expect(memory).toBeLessThan(100_000);
  },
);

test.skipIf(!has("etcd"))(
  "several namerds share one truth in etcd, and lose none of it when one is killed",
  async () => {
    await using etcd = await Etcd.start();
    const storage = { kind: "io.l5d.etcd", endpoints: etcd.baseUrls };
    const files = { a: "10.0.0.1 80\n", b: "10.0.0.2 80\n" };
    await using first = await startNamerd({ files }, storage);
    await using second = await startNamerd({ files }, storage);
    expect(await put(first, "default", "/svc=>/#/io.l5d.fs/a")).toBe(204);
    const watch = await RawConnection.open(second.port());
    watch.send(head("GET", "/api/1/resolve/default?path=/svc&watch=1"));
    await watch.ends('"10.0.0.1","port":80,"meta":{}}],"meta":{}}\n\r\n');
    const times: number[] = [];
    for (const [ip, file] of [
      ["10.0.0.2", "b"],
      ["10.0.0.1", "a"],
      ["10.0.0.2", "b"],
    ] as const) {
      watch.text = "";
      const begunMs = performance.now();
      expect(await put(first, "default", `/svc=>/#/io.l5d.fs/${file}`)).toBe(204);
      await until("the other's watcher hears of it", () => watch.text.includes(ip));
      times.push(performance.now() - begunMs);
    }
    console.log(`a watcher of another namerd hears after ${times.map(Math.round).join(", ")} ms`);
    expect(Math.max(...times)).toBeLessThan(1_000);
    const etag = async (namerd: Product): Promise<string | null> =>
      (await fetch(urlOf(namerd, "/dtabs/default"))).headers.get("etag");
    const version = await etag(first);
    expect(await etag(second)).toBe(version);
    first.process.kill("SIGKILL");
    await first.process.exited;
    const update = await fetch(urlOf(second, "/dtabs/default"), {
      method: "PUT",
      headers: { "content-type": "application/dtab", "if-match": version ?? "" },
      body: "/svc=>/#/io.l5d.fs/a",
    });
    expect(update.status).toBe(204);
    await until("its watcher hears of it", () => watch.text.includes("10.0.0.1"));
    watch.close();
  },
);
