import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { NamerdServer } from "../../../test/support/namerd-server.ts";
import { ask, head, RawConnection } from "../../../test/support/raw-http.ts";

let server: NamerdServer;

beforeAll(async () => {
  server = await NamerdServer.start({
    namespaces: { fs: "/svc=>/#/io.l5d.fs" },
    files: { web: "10.0.0.1 80\n", w2: "10.0.0.2 80 * 1.5\n", empty: "", bad: "x\n" },
  });
});
afterAll(() => server[Symbol.asyncDispose]());

const WEB = '{"type":"bound","addrs":[{"ip":"10.0.0.1","port":80,"meta":{}}],"meta":{}}';
const W2 =
  '{"type":"bound","addrs":[{"ip":"10.0.0.2","port":80,"meta":{"endpoint_addr_weight":1.5}}],"meta":{}}';
const NEG = '{"type":"neg"}';
const BAD = '{"type":"failed","cause":"malformed address: x"}';
const EMPTY = '{"type":"bound","addrs":[],"meta":{}}';
const FS = "/svc=>/#/io.l5d.fs";

/** A rule set, a path, the answer of `resolve`, and that of `bind` where it says more. */
const VECTORS: readonly (readonly [string, string, string, string?])[] = [
  [
    FS,
    "/svc/web",
    WEB,
    `{"type":"leaf","bound":{"addr":${WEB},"id":"/#/io.l5d.fs/web","path":"/"}}`,
  ],
  [
    FS,
    "/svc/web/extra",
    WEB,
    `{"type":"leaf","bound":{"addr":${WEB},"id":"/#/io.l5d.fs/web","path":"/extra"}}`,
  ],
  [FS, "/svc/w2", W2],
  [FS, "/svc/none", NEG, NEG],
  [FS, "/svc/empty", EMPTY],
  [FS, "/svc/bad", BAD],
  [FS, "/#/io.l5d.fs/web", WEB],
  [`${FS};/svc/none=>/#/io.l5d.fs/web`, "/svc/none", WEB],
  ["/svc=>/#/io.l5d.fs/web;/svc=>~", "/svc", WEB],
  ["/svc=>/#/io.l5d.fs/web;/svc=>!", "/svc", NEG, '{"type":"fail"}'],
  ["/svc=>/#/io.l5d.fs/web;/svc=>$", "/svc", NEG, '{"type":"empty"}'],
  ["/svc=>/#/io.l5d.fs/bad;/svc=>/#/io.l5d.fs/none", "/svc", BAD],
  ["/svc=>1*/#/io.l5d.fs/web & 9*/#/io.l5d.fs/none", "/svc", WEB],
  ["/svc/*=>/#/io.l5d.fs/web", "/svc", NEG],
  ["/svc/*=>/#/io.l5d.fs/web", "/svc/a", WEB],
  [
    "/svc=>/$/inet/127.1/8080",
    "/svc/foo",
    '{"type":"bound","addrs":[{"ip":"127.0.0.1","port":8080,"meta":{}}],"meta":{}}',
  ],
  [
    "/svc=>9*/#/io.l5d.fs/web & 0*/#/io.l5d.fs/w2",
    "/svc",
    WEB,
    `{"type":"union","union":[{"weight":9.0,"tree":{"type":"leaf","bound":{"addr":${WEB.replace(/\{\}\}$/, '{"namer_nametree_weight":9.0}}')},` +
      `"id":"/#/io.l5d.fs/web","path":"/"}}},{"weight":0.0,"tree":{"type":"leaf","bound":{"addr":` +
      `${W2.replace(/\{\}\}$/, '{"namer_nametree_weight":0.0}}')},"id":"/#/io.l5d.fs/w2","path":"/"}}}]}`,
  ],
];

let count = 0;
/** A new namespace with that dtab, as its name. */
async function namespace(dtab: string): Promise<string> {
  const name = `n${++count}`;
  await fetch(server.url(`/dtabs/${name}`), {
    method: "PUT",
    headers: { "content-type": "application/dtab" },
    body: dtab,
  });
  return name;
}

const query = (path: string, more = ""): string => `?path=${encodeURIComponent(path)}${more}`;

describe("/resolve and /bind", () => {
  for (const [dtab, path, resolved, bound] of VECTORS) {
    test(`${path} by ${dtab}`, async () => {
      const ns = await namespace(dtab);
      const answer = await ask(server.port, "GET", `/api/1/resolve/${ns}${query(path)}`);
      expect(answer).toBe(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n" +
          `Content-Length: ${resolved.length + 1}\r\n\r\n${resolved}\n`,
      );
      const extra = query(path, `&dtab=${encodeURIComponent(dtab)}`);
      const byRequest = await ask(server.port, "GET", `/api/1/resolve/nowhere${extra}`);
      expect(byRequest).toBe(answer);
      if (bound === undefined) return;
      expect(await ask(server.port, "GET", `/api/1/bind/${ns}${query(path)}`)).toBe(
        `HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${bound.length + 1}\r\n\r\n${bound}\n`,
      );
    });
  }

  test("a namespace that is not there has an empty dtab", async () => {
    const of = async (path: string): Promise<string> =>
      await (await fetch(server.url(`/resolve/nope${query(path)}`))).text();
    expect(await of("/svc/web")).toBe(`${NEG}\n`);
    expect(await of("/#/io.l5d.fs/web")).toBe(`${WEB}\n`);
  });

  test("a split is drawn anew for each request, in proportion to its weights", async () => {
    const ns = await namespace("/svc=>9*/#/io.l5d.fs/web & 1*/#/io.l5d.fs/w2");
    const counts = new Map<string, number>();
    for (let i = 0; i < 400; i += 1) {
      const text = await (await fetch(server.url(`/resolve/${ns}${query("/svc")}`))).text();
      counts.set(text, (counts.get(text) ?? 0) + 1);
    }
    const web = counts.get(`${WEB}\n`) ?? 0;
    expect(web + (counts.get(`${W2}\n`) ?? 0)).toBe(400);
    // Five standard deviations of 6.
    expect(Math.abs(web - 360)).toBeLessThan(30);
  });

  const error =
    "HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
  for (const [dtab, line] of [
    ["/svc=>/svc", "Max recursion level: 100 reached in Namer lookup"],
    ["/svc=>/$/no.such.Cls", "no.such.Cls"],
  ] as const) {
    test(`what fails is an empty 500, and the end of a watch: ${dtab}`, async () => {
      const ns = await namespace(dtab);
      for (const endpoint of ["resolve", "bind"]) {
        const target = `/api/1/${endpoint}/${ns}${query("/svc")}`;
        expect(await ask(server.port, "GET", target)).toBe(error);
        const watch = await ask(server.port, "GET", `${target}&watch=true`);
        expect(watch.split("\r\n\r\n")[0]).toStartWith("HTTP/1.1 200 OK\r\n");
        const length = (line.length + 1).toString(16);
        expect(watch).toEndWith(`\r\n\r\n${length}\r\n${line}\n\r\n0\r\n\r\n`);
      }
    });
  }

  test("what cannot be read is a 400 that says why", async () => {
    const ns = await namespace(FS);
    const why = async (target: string): Promise<string> => {
      const answer = await ask(server.port, "GET", `/api/1/${target}`);
      expect(answer).toStartWith("HTTP/1.1 400 Bad Request\r\n");
      expect(answer).not.toContain("Content-Type");
      return answer.split("\r\n\r\n")[1] ?? "";
    };
    const invalid = "Invalid path: invalid / '/' expected but 'i' found at '[i]nvalid'";
    for (const endpoint of ["resolve", "bind", "addr", "delegate"]) {
      expect(await why(`${endpoint}/${ns}?path=invalid`)).toBe(invalid);
      expect(await why(`${endpoint}/${ns}?path=invalid&watch=1`)).toBe(invalid);
      expect(await why(`${endpoint}/${ns}`)).toBe("The parameter path is missing.");
    }
    const dtab = await why(`resolve/${ns}?path=/svc/web&dtab=nonsense`);
    expect(dtab).toBe("Invalid dtab: '/' expected but 'n' found at '[n]onsense'");
    expect(await why(`resolve/${ns}?path=%zz`)).toBe("");
    expect(await why(`resolve/${ns}?path=%ff`)).toBe("");
  });

  test("paths of the API that are none are 404, with nothing in them", async () => {
    const none = "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    for (const path of [
      "/api/1/dtabsexpialidocious",
      "/api/1/resolve?path=/svc/web",
      "/api/1/bind",
      "/api/1/addr",
      "/api/1/bound-names/x",
      "/api/2/dtabs",
      "/api/1",
      "/",
    ]) {
      expect(await ask(server.port, "GET", path)).toBe(none);
    }
    expect(await ask(server.port, "POST", "/api/1/bound-names")).toBe(none);
    expect(await ask(server.port, "GET", "/api/1/resolve/?path=/svc/web")).toEndWith(`\n${NEG}\n`);
  });

  test("a query is read with +, &, ; and #, and so is a form", async () => {
    const of = async (text: string): Promise<string> =>
      (await ask(server.port, "GET", `/api/1/resolve/fs?${text}`)).split("\r\n\r\n")[1] ?? "";
    expect(await of("dtab=/x+%3D%3E+/svc;path=/x/web")).toBe(`${WEB}\n`);
    expect(await of("path=/#/io.l5d.fs/web&path=/svc/none")).toBe(`${WEB}\n`);
    const form = "Content-Type: application/x-www-form-urlencoded";
    const posted = await ask(server.port, "POST", "/api/1/resolve/fs", [form], "path=%2Fsvc%2Fweb");
    expect(posted).toEndWith(`\r\n\r\n${WEB}\n`);
  });
});

describe("/addr", () => {
  const of = async (path: string): Promise<string> =>
    await ask(server.port, "GET", `/api/1/addr/any${query(path)}`);
  const answer = (body: string): string =>
    `HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${body.length + 1}\r\n\r\n${body}\n`;

  test("tells the addresses of a bound id, without a media type", async () => {
    expect(await of("/#/io.l5d.fs/web")).toBe(answer(WEB));
    expect(await of("/%/io.l5d.port/4141/#/io.l5d.fs/web")).toBe(answer(WEB));
    expect(await of("/$/inet/127.1/80")).toContain('{"ip":"127.0.0.1","port":80,"meta":{}}');
  });

  test("knows no other names", async () => {
    expect(await of("/svc/web")).toBe(answer(NEG));
    expect(await of("/#/io.l5d.fs/none")).toBe(answer(NEG));
    expect(await of("/#/io.l5d.consul/dc/web")).toBe(answer(NEG));
  });
});

describe("/bound-names", () => {
  test("lists the names of namers that can, now and as they change", async () => {
    await using own = await NamerdServer.start({ files: { b: "", a: "" } });
    const answer = await ask(own.port, "GET", "/api/1/bound-names");
    expect(answer).toContain("\r\nContent-Type: application/json\r\n");
    expect(answer).toEndWith('\r\n\r\n["/#/io.l5d.fs/a","/#/io.l5d.fs/b"]\n');
    const watch = await RawConnection.open(own.port);
    watch.send(head("GET", "/api/1/bound-names?watch=t"));
    await watch.ends('["/#/io.l5d.fs/a","/#/io.l5d.fs/b"]\n\r\n');
    own.remove("a");
    await watch.ends('["/#/io.l5d.fs/b"]\n\r\n');
    own.remove("b");
    await watch.ends('[""]\n\r\n');
    watch.close();
  });
});
