import { afterAll, beforeAll, expect, test } from "bun:test";
import { FakeNameService } from "../../../test/support/fake-name-service.ts";
import { NamerdServer } from "../../../test/support/namerd-server.ts";
import { ask } from "../../../test/support/raw-http.ts";

let server: NamerdServer;

beforeAll(async () => {
  server = await NamerdServer.start({
    namespaces: { default: "/svc=>/#/io.l5d.fs;/svc=>/host" },
    files: { web: "10.0.0.1 80" },
  });
});
afterAll(() => server[Symbol.asyncDispose]());

const JSON_TYPE = "Content-Type: application/json";
const status = (answer: string): string => answer.slice(9, 12);
const bodyOf = (answer: string): string => answer.split("\r\n\r\n")[1] ?? "";

const EXPLAINED =
  '{"type":"alt","path":"/svc/web","alt":[' +
  '{"type":"neg","path":"/host/web","dentry":{"prefix":"/svc","dst":"/host"}},' +
  '{"type":"leaf","path":"/#/io.l5d.fs/web","dentry":{"prefix":"/svc","dst":"/#/io.l5d.fs"},' +
  '"bound":{"addr":{"type":"bound","addrs":[{"ip":"10.0.0.1","port":80,"meta":{}}],"meta":{}},' +
  '"id":"/#/io.l5d.fs/web","path":"/"}}]}';

test("/delegate/<ns> shows every step, without a newline", async () => {
  const answer = await ask(server.port, "GET", "/api/1/delegate/default?path=/svc/web");
  expect(answer).toBe(
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n" +
      `Content-Length: ${EXPLAINED.length}\r\n\r\n${EXPLAINED}`,
  );
});

test("/delegate takes its rules from the request alone", async () => {
  const dtab = encodeURIComponent("/svc=>/#/io.l5d.fs;/svc=>/host");
  const query = `?path=/svc/web&dtab=${dtab}&namespace=none`;
  expect(bodyOf(await ask(server.port, "GET", `/api/1/delegate${query}`))).toBe(EXPLAINED);
  const body = JSON.stringify({ dtab: "/svc=>/#/io.l5d.fs;/svc=>/host", path: "/svc/web" });
  const posted = await ask(server.port, "POST", "/api/1/delegate", [JSON_TYPE], body);
  expect(bodyOf(posted)).toBe(EXPLAINED);
});

test("/delegate says what is wrong with a request", async () => {
  const post = (body: string, type: string): Promise<string> =>
    ask(server.port, "POST", "/api/1/delegate", [type], body);
  expect(status(await ask(server.port, "PUT", "/api/1/delegate?path=/a", [], ""))).toBe("405");
  expect(status(await post("{}", "Content-Type: application/json;charset=utf-8"))).toBe("415");
  for (const body of ["", "[]", "{}", '{"dtab":1,"path":"/a"}', '{"dtab":"/a=>/b"}', "\xff"]) {
    const answer = await post(body, JSON_TYPE);
    expect(status(answer)).toBe("400");
    expect(bodyOf(answer)).toStartWith("Malformed delegation request: ");
  }
  const badDtab = await ask(server.port, "GET", "/api/1/delegate?path=/a&dtab=x");
  expect([status(badDtab), bodyOf(badDtab)]).toEqual([
    "400",
    "Invalid dtab: '/' expected but 'x' found at '[x]'",
  ]);
});

test("/delegate gives up after two seconds", async () => {
  await using slow = await NamerdServer.start({ service: new FakeNameService() });
  const answer = await ask(slow.port, "GET", "/api/1/delegate/default?path=/svc/web");
  expect(answer).toBe(
    "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 18\r\n\r\nRequest timed out.",
  );
});

test("/delegate fails with its source", async () => {
  const service = new FakeNameService();
  service.explained = new Error("boom");
  await using broken = await NamerdServer.start({ service });
  const answer = await ask(broken.port, "GET", "/api/1/delegate/default?path=/svc/web");
  expect([status(answer), bodyOf(answer)]).toEqual(["500", ""]);
});
