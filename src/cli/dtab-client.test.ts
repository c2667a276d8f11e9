import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { dtab, type DtabAction } from "./dtab.ts";
import { DtabClient, NamerdError } from "./dtab-client.ts";
import { until } from "../../test/support/until.ts";
import { EXIT } from "./exit-codes.ts";

let answer: () => Response = () => new Response("[]");
/** Methods and paths as they came, escapes and all. */
let asked: string[] = [];
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  idleTimeout: 0,
  fetch: ({ method, url }) => {
    asked.push(`${method} ${url.replace(/^https?:\/\/[^/]*/, "")}`);
    return answer();
  },
});
const baseUrl = `http://127.0.0.1:${server.port}`;
const client = new DtabClient(baseUrl);

beforeEach(() => {
  asked = [];
  answer = () => new Response("[]");
});
afterAll(() => server.stop(true));

async function run(
  action: DtabAction,
  json = false,
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  let [out, err] = ["", ""];
  const output = { out: (text: string) => (out += text), err: (text: string) => (err += text) };
  return { code: await dtab({ baseUrl, json, action }, output), out, err };
}

const said = (value: unknown): void => {
  answer = () => Response.json(value, { headers: { etag: "AAE=" } });
};

describe("a namespace in a URL", () => {
  test("keeps its slashes and escapes, and nothing in it ends the path", async () => {
    for (const [namespace, path] of [
      ["a/b", "a/b"],
      ["a b", "a%20b"],
      ["a%20b", "a%20b"],
      ["50%", "50%25"],
      ["a?b#c", "a%3Fb%23c"],
      ["a\\b", "a%5Cb"],
      ["a:b", "a:b"],
      ["..a", "..a"],
      ["...", "..."],
      ["é\ud800", "%C3%A9%EF%BF%BD"],
    ] as const) {
      await client.get(namespace);
      await client.put(namespace, "/a=>/b", undefined);
      await client.delete(namespace);
      await client.delegate(namespace, "/x");
      const at = `/api/1/dtabs/${path}`;
      expect(asked.splice(0)).toEqual([
        `GET ${at}`,
        `PUT ${at}`,
        `DELETE ${at}`,
        `GET /api/1/delegate/${path}?path=%2Fx`,
      ]);
    }
  });

  test("has no segment that leads elsewhere; nothing is asked then", async () => {
    for (const namespace of [".", "..", "a/../b", "a/.", "%2e", ".%2E", "../x"]) {
      expect((await run({ action: "get", namespace })).err).toContain("can be no namespace");
      expect((await run({ action: "delete", namespace })).code).toBe(EXIT.refused);
    }
    expect(asked).toEqual([]);
  });

  test("reaches the server below /dtabs, or is refused, whatever it is", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary" }), async (namespace) => {
        asked = [];
        const refused = await client.delete(namespace).then(
          () => false,
          (error: unknown) => error instanceof NamerdError && error.code === "BAD_NAME",
        );
        expect(asked.length).toBe(refused ? 0 : 1);
        if (!refused) expect(asked[0]).toStartWith("DELETE /api/1/dtabs/");
      }),
    );
  });
});

describe("what a server sends", () => {
  test("is printed without what a terminal would obey, and escaped in JSON", async () => {
    const names = ["ok", "\u001b[31mred\u0007", "a\nb", "\u009bx"];
    said(names);
    expect((await run({ action: "list" })).out).toBe("ok\n [31mred \na b\n x\n");
    const listed = await run({ action: "list" }, true);
    expect(listed.out).not.toContain("\u001b");
    expect(JSON.parse(listed.out)).toEqual(names);
    said([{ prefix: "/a", dst: "/b\u001b[2J\nHACK" }]);
    const got = await run({ action: "get", namespace: "x" });
    expect(got.out).toBe("# version AAE=\n/a => /b [2J HACK ;\n");
  });

  test("is garbage where it is no name or no dentry", async () => {
    for (const names of [["a", { x: 1 }], [null], [1], { a: 1 }]) {
      said(names);
      expect(await run({ action: "list" })).toMatchObject({ code: EXIT.refused, out: "" });
    }
    for (const dentry of [{ prefix: 5 }, { prefix: "/a" }, { prefix: "/a", dst: 1 }, null, "x"]) {
      said([{ prefix: "/a", dst: "/b" }, dentry]);
      const got = await run({ action: "get", namespace: "x" });
      expect(got).toMatchObject({ code: EXIT.refused, out: "" });
      expect(got.err).toContain(`expected a dentry, namerd sent ${JSON.stringify(dentry)}`);
    }
  });

  test("is garbage where it is nested so deeply that printing it would fail", async () => {
    const nested = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);
    const delegate: DtabAction = { action: "delegate", namespace: "x", path: "/x" };
    for (const action of [delegate, { action: "get", namespace: "x" } as const]) {
      answer = () => new Response(nested(200_000));
      for (const json of [false, true]) {
        const { code, err } = await run(action, json);
        expect([code, err]).toEqual([EXIT.refused, expect.stringContaining("1000 levels")]);
      }
    }
    answer = () => new Response(nested(900));
    expect((await run(delegate, true)).out).toBe(`${nested(900)}\n`);
  });

  test("may be long: a hundred thousand rules are shown", async () => {
    said(Array.from({ length: 100_000 }, (_, n) => ({ prefix: `/svc/${n}`, dst: "/host" })));
    expect((await run({ action: "get", namespace: "x" })).out.split("\n").length).toBe(100_002);
  });

  test.each([200, 500])("is read up to 16 MiB, and is garbage then (status %d)", async (status) => {
    let sent = 0;
    let stopped = false;
    answer = () =>
      new Response(
        new ReadableStream({
          pull(controller) {
            sent += 1_048_576;
            controller.enqueue(new Uint8Array(1_048_576).fill(0x5b));
          },
          cancel() {
            stopped = true;
          },
        }),
        { status },
      );
    const failed = await client.get("x").catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: "GARBAGE", message: expect.stringContaining("16777216") });
    expect(sent).toBeGreaterThan(16 * 1_048_576);
    await until("the server to be told", () => stopped);
  });
});
