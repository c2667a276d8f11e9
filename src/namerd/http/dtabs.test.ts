import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FakeClock } from "../../../test/support/fake-clock.ts";
import { FakeNameService } from "../../../test/support/fake-name-service.ts";
import { NamerdServer } from "../../../test/support/namerd-server.ts";
import { ask, head, RawConnection } from "../../../test/support/raw-http.ts";
import { type Dtab, parseDtab } from "../../naming/dtab.ts";
import { Names } from "../names.ts";
import { memoryStore } from "../stores/memory-store.ts";
import { acceptedType, readDtab } from "./dtab-text.ts";
import { Dtabs } from "./dtabs.ts";
import { readParams } from "./params.ts";

let server: NamerdServer;
const DTABS = "/api/1/dtabs";

beforeAll(async () => {
  server = await NamerdServer.start({ namespaces: { default: "/svc => /#/io.l5d.fs" } });
});
afterAll(() => server[Symbol.asyncDispose]());

const empty = (status: string): string =>
  `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`;
const NO_CONTENT = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";

async function put(ns: string, body: string, ...headers: readonly string[]): Promise<string> {
  return await ask(server.port, "PUT", `${DTABS}/${ns}`, headers, body);
}

const TEXT = "Content-Type: application/dtab";

describe("/dtabs", () => {
  test("follows the reference through an update with a version", async () => {
    const get = (): Promise<string> => ask(server.port, "GET", `${DTABS}/default`);
    expect(await get()).toBe(
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: AAAAAAAAAAE=\r\nConnection: close\r\n" +
        'Content-Length: 42\r\n\r\n[{"prefix":"/svc","dst":"/#/io.l5d.fs"}]\n'.replace("42", "41"),
    );
    const body = "/svc => /host";
    expect(await put("default", body, TEXT, "If-Match: AAAAAAAAAAE=")).toBe(NO_CONTENT);
    const mismatch = empty("412 Precondition Failed");
    expect(await put("default", body, TEXT, "If-Match: AAAAAAAAAAE=")).toBe(mismatch);
    expect(await put("default", body, TEXT, "If-Match: yolo")).toBe(mismatch);
    expect(await put("default", body, TEXT, "If-Match: *")).toBe(mismatch);
    expect(await put("default", body, TEXT, 'If-Match: "AAAAAAAAAAI="')).toBe(NO_CONTENT);
    expect(await put("missing", body, TEXT, "If-Match: AAAAAAAAAAE=")).toBe(empty("404 Not Found"));
    expect(await put("new", body, TEXT)).toBe(NO_CONTENT);
    expect(await ask(server.port, "HEAD", `${DTABS}/new`)).toBe(
      "HTTP/1.1 200 OK\r\nETag: AAAAAAAAAAE=\r\nConnection: close\r\n\r\n",
    );
    const post = (ns: string, ...headers: readonly string[]): Promise<string> =>
      ask(server.port, "POST", `${DTABS}/${ns}`, headers, "[]");
    expect(await post("new", "Content-Type: application/json")).toBe(empty("409 Conflict"));
    expect(await post("new2")).toBe(empty("400 Bad Request"));
    expect(await ask(server.port, "GET", DTABS)).toEndWith('\r\n\r\n["default","new"]\n');
    expect(await ask(server.port, "DELETE", `${DTABS}/new`)).toBe(NO_CONTENT);
    expect(await ask(server.port, "DELETE", `${DTABS}/new`)).toBe(empty("404 Not Found"));
    expect(await ask(server.port, "HEAD", `${DTABS}/new`)).toStartWith(
      "HTTP/1.1 404 Not Found\r\n",
    );
    expect(await ask(server.port, "GET", `${DTABS}/new`)).toBe(empty("404 Not Found"));
    expect(await ask(server.port, "PATCH", `${DTABS}/default`)).toBe(empty("404 Not Found"));
    await server.store.delete("default");
  });

  test("writes a dtab in the type that is asked for", async () => {
    await put("types", "/svc=>0.9*/a&.1*/b ; /x/*=>!;", TEXT);
    const get = async (...headers: readonly string[]): Promise<string> => {
      const answer = await ask(server.port, "GET", `${DTABS}/types`, headers);
      return `${/Content-Type: (.*)\r/.exec(answer)?.[1]} ${answer.split("\r\n\r\n")[1]}`;
    };
    const json =
      'application/json [{"prefix":"/svc","dst":"0.90*/a & 0.10*/b"},{"prefix":"/x/*","dst":"!"}]\n';
    const text = "/svc=>0.90*/a & 0.10*/b;/x/*=>!\n";
    expect(await get()).toBe(json);
    expect(await get("Accept: */*")).toBe(json);
    expect(await get("Accept: text/html, text/plain;q=0.1, application/json")).toBe(
      `text/plain ${text}`,
    );
    expect(await get("Accept: application/dtab; charset=utf-8")).toBe(`application/dtab ${text}`);
    await server.store.delete("types");
  });

  test("refuses what it cannot read, and says why", async () => {
    const json = "Content-Type: application/json";
    const why = async (body: string, ...headers: readonly string[]): Promise<string> => {
      const answer = await put("bad", body, ...headers);
      expect(answer).toStartWith("HTTP/1.1 400 Bad Request\r\n");
      return answer.split("\r\n\r\n")[1] ?? "";
    };
    expect(await why("/a=>/b", "Content-Type: text/css")).toBe('Invalid Content-Type "text/css". ');
    expect(await why("/a=/b", TEXT)).toBe("'=>' expected but '=' found at '/a[=]/b'");
    expect(await why("[null]", json)).toBe("The dtab contains invalid dentries: [null]");
    expect(await why("{}", json)).toBe("The dtab must be a list of dentries.");
    expect(await why("[", json)).toBe("The dtab is not JSON.");
    const extra = '[{"prefix":"/a","dst":"/b","x":1}]';
    expect(await why(extra, json)).toContain("Dentry 0 must be an object");
    expect(await why('[{"prefix":"/a","dst":"/b;/c=>/d"}]', json)).toContain("';' found");
    expect(await why("/a=>/\xff", TEXT)).not.toBe("");
    expect(await ask(server.port, "GET", `${DTABS}/bad`)).toStartWith("HTTP/1.1 404");
  });

  test("a watch tells each change once, without an ETag, and waits for what is not there", async () => {
    const watch = await RawConnection.open(server.port);
    watch.send(head("GET", `${DTABS}/watched?watch=true`));
    const start =
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    expect(await watch.ends("\r\n\r\n")).toBe(start);
    await put("watched", "/a=>/b", TEXT);
    const first = '[{"prefix":"/a","dst":"/b"}]\n';
    expect(await watch.ends("\n\r\n")).toBe(`${start}1d\r\n${first}\r\n`);
    // Neither the same dtab again nor its end says anything.
    await put("watched", "/a => /b", TEXT);
    await server.store.delete("watched");
    await put("watched", "/a=>/c", TEXT);
    expect(await watch.ends('/c"}]\n\r\n')).toBe(
      `${start}1d\r\n${first}\r\n1d\r\n[{"prefix":"/a","dst":"/c"}]\n\r\n`,
    );
    watch.close();
    await server.store.delete("watched");
  });

  test("a watch of the list tells of namespaces that come and go", async () => {
    const watch = await RawConnection.open(server.port);
    watch.send(head("GET", `${DTABS}?watch=1`));
    await watch.ends("3\r\n[]\n\r\n");
    await server.store.put("b", []);
    await watch.ends('6\r\n["b"]\n\r\n');
    await server.store.put("a", []);
    await watch.ends('a\r\n["a","b"]\n\r\n');
    await server.store.delete("b");
    await watch.ends('6\r\n["a"]\n\r\n');
    watch.close();
    await server.store.delete("a");
  });

  test("names a namespace as it stands in the path, undecoded", async () => {
    await put("a%2Fb/c", "", TEXT);
    expect(await ask(server.port, "GET", DTABS)).toEndWith('["a%2Fb/c"]\n');
    expect(await put("n".repeat(256), "", TEXT)).toContain("1 to 255 characters");
    await server.store.delete("a%2Fb/c");
  });
});

describe("readDtab()", () => {
  test("gives a dtab or a reason for any bytes", () => {
    const bytes = fc.oneof(
      fc.uint8Array(),
      fc.string().map((text) => new TextEncoder().encode(text)),
      fc.json().map((text) => new TextEncoder().encode(text)),
    );
    const type = fc.constantFrom("application/json", "text/plain");
    fc.assert(
      fc.property(bytes, type, (body, media) => {
        const read = readDtab(body, media as "application/json" | "text/plain");
        expect(read.ok ? Array.isArray(read.dtab) : read.message !== "").toBe(true);
      }),
    );
  });
});

test("acceptedType() takes any header", () => {
  fc.assert(
    fc.property(fc.string(), (header) => {
      expect(["application/json", "application/dtab", "text/plain"]).toContain(
        acceptedType(header),
      );
    }),
  );
});

test("all who watch a dtab are sent one line, made once for each media type", async () => {
  const store = memoryStore(new Map([["x", readDtabText("/svc=>/a")]]));
  const names = new Names(new FakeNameService(), store, new FakeClock());
  const dtabs = new Dtabs(store, names, () => {});
  const lines: Uint8Array[] = [];
  const gone = new AbortController();
  for (const accept of [undefined, undefined, "text/plain", "text/plain"]) {
    const params = readParams("watch=1");
    if (params === undefined) throw new Error("no parameters");
    const answer = await dtabs.namespace(
      {
        method: "GET",
        path: "",
        params,
        header: () => accept,
        body: new Uint8Array(),
        signal: gone.signal,
      },
      "x",
    );
    if (answer.kind === "watch") answer.follow({ send: (line) => lines.push(line), end() {} });
  }
  await new Promise((resolve) => setImmediate(resolve));
  expect(lines.length).toBe(4);
  expect(lines[1] === lines[0] && lines[3] === lines[2]).toBe(true);
  expect(new TextDecoder().decode(lines[2])).toBe("/svc=>/a\n");
  gone.abort();
  names.stop();
});

function readDtabText(text: string): Dtab {
  const parsed = parseDtab(text);
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.dtab;
}
