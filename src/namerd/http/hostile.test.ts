import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { NamerdServer } from "../../../test/support/namerd-server.ts";
import { ask, head, RawConnection } from "../../../test/support/raw-http.ts";
import { until } from "../../../test/support/until.ts";

setDefaultTimeout(40_000);
let server: NamerdServer;

beforeAll(async () => {
  server = await NamerdServer.start({ namespaces: { default: "/svc=>/x" } });
});
afterAll(() => server[Symbol.asyncDispose]());

/** What comes back for these bytes, until the server closes. */
async function answerTo(bytes: string): Promise<string> {
  const connection = await RawConnection.open(server.port);
  connection.send(bytes);
  return await connection.gone(30_000);
}

const closing = (status: string): string =>
  `HTTP/1.1 ${status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`;
const PATH = "/api/1/dtabs/default";

describe("a request that is none", () => {
  for (const bytes of [
    "garbage\r\n\r\n",
    "\x16\x03\x01\x02\x00\x01\x00",
    "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
    `GET ${PATH}\xe9 HTTP/1.1\r\nHost: a\r\n\r\n`,
    `PUT ${PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`,
    `PUT ${PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n`,
  ]) {
    test(`is refused: ${JSON.stringify(bytes)}`, async () => {
      expect(await answerTo(bytes)).toBe(closing("400 Bad Request"));
    });
  }

  test("is refused where its target has broken escapes", async () => {
    expect(await ask(server.port, "GET", `${PATH}?a=%4`)).toStartWith(
      "HTTP/1.1 400 Bad Request\r\n",
    );
  });
});

describe("a request that is too much", () => {
  test("has a head of more than 16 KiB", async () => {
    const long = head("GET", `${PATH}?dtab=${"a".repeat(20_000)}`);
    expect(await answerTo(long)).toBe(closing("431 Request Header Fields Too Large"));
  });

  test("has a body of more than 5 MiB, with or without saying so", async () => {
    const tooLarge = "HTTP/1.1 413 Payload Too Large\r\n";
    const length = `Content-Length: ${5 * 2 ** 20 + 1}`;
    expect(await answerTo(head("PUT", PATH, length))).toStartWith(tooLarge);
    const connection = await RawConnection.open(server.port);
    connection.send(head("PUT", PATH, "Content-Type: text/plain", "Transfer-Encoding: chunked"));
    for (let i = 0; i < 6 && !connection.closed; i += 1) {
      connection.send(`100000\r\n${"#".repeat(2 ** 20)}\r\n`);
      await until("it is taken", () => connection.unsent === 0 || connection.closed);
    }
    expect(await connection.gone()).toStartWith(tooLarge);
  });

  test("is not a dtab that comes in chunks", async () => {
    const chunked = head(
      "PUT",
      PATH,
      "Content-Type: text/plain",
      "Transfer-Encoding: chunked",
      "Connection: close",
    );
    expect(await answerTo(`${chunked}6\r\n/a=>/b\r\n0\r\n\r\n`)).toStartWith("HTTP/1.1 204 ");
    expect(await ask(server.port, "GET", PATH, ["Accept: text/plain"])).toEndWith("\r\n/a=>/b\n");
  });
});

test("a client that asks on and on behind a watch is cut off", async () => {
  const greedy = await RawConnection.open(server.port);
  greedy.send(head("GET", "/api/1/dtabs?watch=1") + head("GET", "/api/1/dtabs").repeat(15));
  await greedy.ends("]\n\r\n");
  expect(greedy.closed).toBe(false);
  greedy.send(head("GET", "/api/1/dtabs").repeat(50));
  await greedy.gone();
  const polite = await RawConnection.open(server.port);
  for (let round = 1; round <= 50; round += 1) {
    polite.send(head("GET", "/api/1/dtabs"));
    await until("it is answered", () => polite.text.split("HTTP/1.1 200 OK").length === round + 1);
  }
  polite.close();
});

describe("a client that takes its time", () => {
  test("to send its head, or anything at all, is left, and others are served meanwhile", async () => {
    const silent = await RawConnection.open(server.port);
    const half = await RawConnection.open(server.port);
    half.send(`GET ${PATH} HTTP/1.1\r\nHo`);
    expect(await ask(server.port, "GET", PATH)).toStartWith("HTTP/1.1 200 OK\r\n");
    await half.gone(30_000);
    await silent.gone(30_000);
  });
});

test("of more connections than allowed the last are turned away, and the first go on", async () => {
  await using small = await NamerdServer.start({ maxConnections: 3 });
  const watchers: RawConnection[] = [];
  for (let i = 0; i < 3; i += 1) {
    const watcher = await RawConnection.open(small.port);
    watcher.send(head("GET", "/api/1/dtabs?watch=1"));
    await watcher.ends("[]\n\r\n");
    watchers.push(watcher);
  }
  const refused = await RawConnection.open(small.port);
  refused.send(head("GET", "/api/1/dtabs"));
  expect(await refused.gone()).toBe(
    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 22\r\nConnection: close\r\n\r\nToo many connections.\n",
  );
  await small.store.put("new", []);
  for (const watcher of watchers) await watcher.ends('["new"]\n\r\n');
  expect(small.metrics()).toContain("l5d_namerd_refused_connections_total 1\n");
  watchers[0]?.close();
  await until("there is room again", async () =>
    (await ask(small.port, "GET", "/api/1/dtabs")).startsWith("HTTP/1.1 200 OK"),
  );
});

test("a web page may read, but change nothing", async () => {
  const put = async (...headers: readonly string[]): Promise<string> => {
    const answer = await ask(
      server.port,
      "POST",
      `${PATH}-page`,
      ["Content-Type: text/plain", ...headers],
      "",
    );
    return answer.slice(9, 12);
  };
  expect(await put("Origin: http://evil.example")).toBe("403");
  expect(await put("Sec-Fetch-Site: cross-site")).toBe("403");
  expect(await put("Sec-Fetch-Site: none")).toBe("204");
  expect(await ask(server.port, "GET", PATH, ["Origin: http://evil.example"])).toStartWith(
    "HTTP/1.1 200",
  );
  await server.store.delete("default-page");
});
