import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { FakeNameService } from "../../../test/support/fake-name-service.ts";
import { NamerdServer } from "../../../test/support/namerd-server.ts";
import { ask } from "../../../test/support/raw-http.ts";
import type { BoundName } from "../../naming/tree.ts";

const FORM = "Content-Type: application/x-www-form-urlencoded";
const JSON_TYPE = "Content-Type: application/json";
const service = new FakeNameService();
let server: NamerdServer;

beforeAll(async () => {
  server = await NamerdServer.start({ service });
});
afterAll(() => server[Symbol.asyncDispose]());

const shown = (answer: string): readonly string[] => [
  answer.slice(9, 12),
  answer.split("\r\n\r\n")[1] ?? "",
];

async function post(target: string, type: string, body: string): Promise<readonly string[]> {
  return shown(await ask(server.port, "POST", `/api/1/${target}`, [type], body));
}

describe("what a request brings itself", () => {
  const longPath = `/${"p".repeat(16 * 1024)}`;
  const longDtab = `/a=>/${"y".repeat(64 * 1024)}`;
  const noPath = ["400", "Invalid path: it is longer than 16 KiB."];
  const noDtab = ["400", "Invalid dtab: it is longer than 64 KiB."];

  test.each(["bind/x", "resolve/x"])("is refused where it is too long: %s", async (target) => {
    expect(await post(target, FORM, `path=${longPath}`)).toEqual(noPath);
    expect(await post(target, FORM, `path=/a&dtab=${encodeURIComponent(longDtab)}`)).toEqual(
      noDtab,
    );
  });

  test("is refused where it is too long: addr and delegate", async () => {
    expect(await post("addr/x", FORM, `path=${longPath}`)).toEqual(noPath);
    for (const target of ["delegate", "delegate/x"]) {
      const body = (path: string, dtab: string): string => JSON.stringify({ path, dtab });
      expect(await post(target, JSON_TYPE, body(longPath, ""))).toEqual(noPath);
      expect(await post(target, JSON_TYPE, body("/a", longDtab))).toEqual(noDtab);
    }
  });

  test("may be as long as that", async () => {
    const path = longPath.slice(0, -1);
    const answer = post(
      "resolve/x",
      FORM,
      `path=${path}&dtab=${encodeURIComponent(longDtab.slice(0, 64 * 1024))}`,
    );
    service.tree(path, { state: "ok", value: { kind: "neg" } });
    expect(await answer).toEqual(["200", '{"type":"neg"}\n']);
  });
});

test("a tree that would be too long an answer is a 500 that says so, and the end of a watch", async () => {
  const name: BoundName = { id: "/#/x/web", residual: ["c".repeat(20_000)] };
  const branches = Array.from({ length: 1_000 }, () => ({ weight: 1, name }));
  service.hosts(name.id, 1);
  service.tree("/wide", {
    state: "ok",
    value: {
      kind: "union",
      branches: branches.map(({ weight }) => ({ weight, tree: { kind: "leaf", value: name } })),
    },
  });
  const place = { path: "/wide", dentry: undefined };
  service.explained = {
    ...place,
    kind: "alt",
    trees: branches.map(() => ({ ...place, kind: "leaf", bound: name })),
  };
  const text = "The answer would be longer than 16 MiB.\n";
  for (const target of ["bind/x?path=/wide", "delegate/x?path=/wide"]) {
    expect(shown(await ask(server.port, "GET", `/api/1/${target}`))).toEqual(["500", text]);
  }
  const watch = await ask(server.port, "GET", "/api/1/bind/x?path=/wide&watch=true");
  expect(watch).toStartWith("HTTP/1.1 200 OK\r\n");
  expect(watch).toEndWith(`\r\n${text}\r\n0\r\n\r\n`);
});
