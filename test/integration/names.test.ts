// Names end to end: a dtab and namers in the proxy, or a namerd beside it, over real sockets.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PythonSockets, type PythonServer } from "../support/peers/python-sockets.ts";
import { Product } from "../support/product.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const disco = mkdtempSync(join(tmpdir(), "l5d-names-"));
const python = new PythonSockets();
let a: PythonServer;
let b: PythonServer;

beforeAll(async () => {
  a = await python.serve("greet", "a");
  b = await python.serve("greet", "b");
  write("a", a);
  write("b", b);
});
afterAll(async () => {
  await python[Symbol.asyncDispose]();
  rmSync(disco, { recursive: true, force: true });
});

/** Puts a server into a file of the folder, as a deployment does it: at once. */
function write(name: string, server: PythonServer): void {
  writeFileSync(join(disco, `.${name}.new`), `127.0.0.1 ${server.port}\n`);
  renameSync(join(disco, `.${name}.new`), join(disco, name));
}

const NAMERS = [{ kind: "io.l5d.fs", rootDir: disco }];

function proxy(dtab: string): object {
  return {
    admin: { port: 0 },
    namers: NAMERS,
    routers: [{ label: "r", dtab, servers: [{ port: 0, dstName: "/svc/web" }] }],
  };
}

/** Which servers answered `count` connections. */
async function visits(product: Product, count: number): Promise<Readonly<Record<string, number>>> {
  const lines: Record<string, number> = {};
  for (let done = 0; done < count; done += 500) {
    const report = await python.visit(product.port(), Math.min(500, count - done));
    for (const [name, times] of Object.entries(report.lines))
      lines[name] = (lines[name] ?? 0) + times;
  }
  return lines;
}

const SPLIT = "/svc/web => 0.9 * /#/io.l5d.fs/a & 0.1 * /#/io.l5d.fs/b ;";

describe("a dtab in the proxy", () => {
  test("splits 10,000 connections 90 to 10 within 2 %, while others are held", async () => {
    await using product = await Product.start(proxy(SPLIT));
    await until(
      "both are known",
      async () => (await product.metric("l5d_resolver_endpoints", { dst: "/svc/web" })) === 2,
    );
    const held = await python.crowd(product.port(), 200);
    await held.lines(15);
    const { a: toA = 0, b: toB = 0 } = await visits(product, 10_000);
    expect(toA + toB).toBe(10_000);
    expect(Math.abs(toA - 9_000)).toBeLessThan(200);
    await held.end("fin");
  });

  test("uses an alternative while the first is not there, and goes back when it returns", async () => {
    write("first", b);
    await using product = await Product.start(
      proxy("/svc/web => /#/io.l5d.fs/first | /#/io.l5d.fs/a ;"),
    );
    expect(await visits(product, 5)).toEqual({ b: 5 });
    unlinkSync(join(disco, "first"));
    await until("the alternative serves", async () => (await visits(product, 1))["a"] === 1);
    expect(await visits(product, 20)).toEqual({ a: 20 });
    write("first", b);
    await until("the first serves again", async () => (await visits(product, 1))["b"] === 1);
    expect(await visits(product, 20)).toEqual({ b: 20 });
  });

  test("keeps connections of a branch that goes, and sends it no new ones", async () => {
    write("first", b);
    await using product = await Product.start(
      proxy("/svc/web => /#/io.l5d.fs/first | /#/io.l5d.fs/a ;"),
    );
    const held = await python.connect(product.port());
    expect(await held.receive(2)).toMatchObject({ text: "b\n" });
    unlinkSync(join(disco, "first"));
    await until("the alternative serves", async () => (await visits(product, 1))["a"] === 1);
    await held.write("still here");
    expect(await held.receive(10)).toMatchObject({ text: "still here" });
  });
});

describe("a namerd beside the proxy", () => {
  test("keeps the split of its dtab, and changes it while connections stand", async () => {
    await using namerd = await Product.start(
      {
        admin: { port: 0 },
        storage: { kind: "io.l5d.inMemory", namespaces: { default: SPLIT } },
        namers: NAMERS,
        interfaces: [{ kind: "io.l5d.httpController", port: 0 }],
      },
      { words: ["namerd"] },
    );
    const baseUrl = `http://127.0.0.1:${namerd.port()}`;
    const interpreter = { kind: "io.l5d.namerd.http", baseUrl };
    await using product = await Product.start({
      admin: { port: 0 },
      routers: [{ label: "r", interpreter, servers: [{ port: 0, dstName: "/svc/web" }] }],
    });
    const { a: toA = 0, b: toB = 0 } = await visits(product, 2_000);
    expect(toA + toB).toBe(2_000);
    expect(Math.abs(toB - 200)).toBeLessThan(80);
    const put = await fetch(`${baseUrl}/api/1/dtabs/default`, {
      method: "PUT",
      headers: { "content-type": "application/dtab" },
      body: "/svc/web => /#/io.l5d.fs/b",
    });
    expect(put.status).toBe(204);
    await until("the new dtab is in effect", async () => {
      const all = await visits(product, 10);
      return all["b"] === 10;
    });
    expect(await visits(product, 50)).toEqual({ b: 50 });
  });
});
