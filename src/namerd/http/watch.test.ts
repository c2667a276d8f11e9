import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { FakeNameService } from "../../../test/support/fake-name-service.ts";
import { NamerdServer } from "../../../test/support/namerd-server.ts";
import { head, RawConnection } from "../../../test/support/raw-http.ts";
import { until } from "../../../test/support/until.ts";

let service: FakeNameService;
let server: NamerdServer;
let open: RawConnection[] = [];

beforeEach(async () => {
  service = new FakeNameService();
  server = await NamerdServer.start({ service });
});
afterEach(async () => {
  for (const connection of open) connection.close();
  open = [];
  await server[Symbol.asyncDispose]();
});

async function watch(target: string): Promise<RawConnection> {
  const connection = await RawConnection.open(server.port);
  open.push(connection);
  connection.send(head("GET", `/api/1/${target}`));
  return connection;
}

const addr = (hosts: string): string => `{"type":"bound","addrs":[${hosts}],"meta":{}}\n`;
const host = (byte: number): string => `{"ip":"10.0.0.${byte}","port":80,"meta":{}}`;
const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
const HEAD =
  "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";

describe("a watch of /resolve", () => {
  test("follows the reference, byte by byte", async () => {
    const client = await watch("resolve/default?path=/svc/web&watch=true");
    // Pending: the head alone.
    expect(await client.ends("\r\n\r\n")).toBe(HEAD);
    service.leaf("/svc/web", "/#/x/web");
    service.hosts("/#/x/web", 1);
    let expected = HEAD + chunk(addr(host(1)));
    expect(await client.ends("]\n\r\n".replace("]", "}"))).toBe(expected);
    service.hosts("/#/x/web", 1, 2);
    expected += chunk(addr(`${host(1)},${host(2)}`));
    await until("both are told", () => client.text === expected);
    // The same set again, and a source that has lost track, say nothing.
    service.hosts("/#/x/web", 1, 2);
    service.addr("/#/x/web", { state: "pending" });
    service.addr("/#/x/web", { state: "neg" });
    expected += chunk('{"type":"neg"}\n');
    await until("the end of the name is told", () => client.text === expected);
    service.hosts("/#/x/web", 3);
    expected += chunk(addr(host(3)));
    await until("its return is told", () => client.text === expected);
    service.tree("/svc/web", { state: "failed", cause: "boom" });
    expected += `${chunk("boom\n")}0\r\n\r\n`;
    await until("the failure ends it", () => client.text === expected);
    expect(service.watchers("/#/x/web")).toBe(1);
  });

  test("keeps to its branch until the tree changes, then draws again", async () => {
    const union = (first: string, second: string): void =>
      service.tree("/svc/web", {
        state: "ok",
        value: {
          kind: "union",
          branches: [first, second].map((id) => ({
            weight: 1,
            tree: { kind: "leaf", value: { id, residual: [] } },
          })),
        },
      });
    for (const [index, id] of ["/#/x/a", "/#/x/b", "/#/x/c"].entries()) service.hosts(id, index);
    union("/#/x/a", "/#/x/b");
    const clients: RawConnection[] = [];
    for (let i = 0; i < 40; i += 1) {
      clients.push(await watch("resolve/default?path=/svc/web&watch=true"));
    }
    for (const client of clients) await client.ends("}\n\r\n");
    const at = (byte: number): number =>
      clients.filter(({ text }) => text.endsWith(chunk(addr(host(byte))))).length;
    // Each watcher draws for itself.
    expect(at(0)).toBeGreaterThan(5);
    expect(at(1)).toBeGreaterThan(5);
    const before = clients.map(({ text }) => text);
    union("/#/x/a", "/#/x/b");
    service.hosts("/#/x/c", 3);
    await fetch(server.url("/dtabs/default"), {
      method: "PUT",
      headers: { "content-type": "text/plain" },
      body: "/a=>/b",
    });
    expect(clients.map(({ text }) => text)).toEqual(before);
    union("/#/x/c", "/#/x/c");
    await until("all have moved", () => at(3) === 40);
  });

  test("follows the dtab of its namespace", async () => {
    await using own = await NamerdServer.start({ files: { a: "10.0.0.1 80", b: "10.0.0.2 80" } });
    const put = (body: string): Promise<Response> => {
      const headers = { "content-type": "text/plain" };
      return fetch(own.url("/dtabs/later"), { method: "PUT", headers, body });
    };
    const client = await RawConnection.open(own.port);
    open.push(client);
    client.send(head("GET", "/api/1/resolve/later?path=/svc&watch=true"));
    await client.ends(chunk('{"type":"neg"}\n'));
    await put("/svc=>/#/io.l5d.fs/a");
    await client.ends(chunk(addr(host(1))));
    await put("/svc=>/#/io.l5d.fs/b");
    await client.ends(chunk(addr(host(2))));
    // A change of the dtab that does not concern the name says nothing.
    await put("/svc=>/#/io.l5d.fs/b;/other=>/x");
    await fetch(own.url("/dtabs/later"), { method: "DELETE" });
    await client.ends(chunk('{"type":"neg"}\n'));
    expect(client.text.match(/10\.0\.0\.2/g)).toHaveLength(1);
  });
});

describe("a watch of /bind", () => {
  test("waits for the addresses of all leaves, and tells trees, not addresses", async () => {
    const client = await watch("bind/default?path=/svc/web&watch=true");
    service.leaf("/svc/web", "/#/x/web");
    const bare = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    expect(await client.ends("\r\n\r\n")).toBe(bare);
    service.hosts("/#/x/web", 1);
    const leaf = (id: string, byte: number): string =>
      `{"type":"leaf","bound":{"addr":${addr(host(byte)).trim()},"id":"${id}","path":"/"}}\n`;
    let expected = bare + chunk(leaf("/#/x/web", 1));
    await until("the tree is told", () => client.text === expected);
    service.hosts("/#/x/web", 2);
    // Who comes later gets the addresses of now.
    const late = await fetch(server.url("/bind/default?path=/svc/web"));
    expect(await late.text()).toBe(leaf("/#/x/web", 2));
    service.leaf("/svc/web", "/#/x/other");
    service.hosts("/#/x/other", 3);
    expected += chunk(leaf("/#/x/other", 3));
    await until("the new tree is told", () => client.text === expected);
    service.tree("/svc/web", { state: "failed", cause: "error" });
    expected += `${chunk("error\n")}0\r\n\r\n`;
    await until("the failure ends it", () => client.text === expected);
  });
});

describe("watchers of one name", () => {
  test("share one watch of the source, and leave nothing when they go", async () => {
    service.leaf("/svc/web", "/#/x/web");
    service.hosts("/#/x/web", 1);
    const clients: RawConnection[] = [];
    for (let i = 0; i < 50; i += 1) {
      clients.push(await watch("resolve/default?path=/svc/web&watch=true"));
    }
    for (const client of clients) await client.ends("}\n\r\n");
    expect([service.watchers("/svc/web"), service.watchers("/#/x/web")]).toEqual([1, 1]);
    expect(server.metrics()).toContain('l5d_namerd_watchers{endpoint="resolve"} 50\n');
    expect(server.metrics()).toContain("l5d_namerd_connections 50\n");
    for (const client of clients) client.close();
    await until("they are gone", () =>
      server.metrics().includes('l5d_namerd_watchers{endpoint="resolve"} 0\n'),
    );
    expect(server.metrics()).toContain("l5d_namerd_connections 0\n");
    server.names.stop();
    expect([service.watchers("/svc/web"), service.watchers("/#/x/web")]).toEqual([0, 0]);
  });

  test("one that does not read gets the latest value in the end, and costs little until then", async () => {
    service.leaf("/svc/web", "/#/x/web");
    const many = Array.from({ length: 5_000 }, (_, i) => i % 250);
    const stalled = await watch("resolve/default?path=/svc/web&watch=true");
    await stalled.ends("\r\n\r\n");
    stalled.pause();
    const reader = await watch("resolve/default?path=/svc/web&watch=true");
    await reader.ends("\r\n\r\n");
    let sent = 0;
    for (let round = 0; round < 150; round += 1) {
      service.hosts("/#/x/web", round, ...many);
      sent += 5_000 * 40;
      const first = `"addrs":[${host(round)}`;
      await until(
        "the reader has it",
        () => reader.text.includes(first) && reader.text.endsWith("\n\r\n"),
      );
      reader.text = "";
    }
    service.hosts("/#/x/web", 251);
    const last = chunk(addr(host(251)));
    await reader.ends(last);
    stalled.resume();
    await stalled.ends(last);
    // Most were left out: what fills the buffers of the system is some 4 MB.
    expect(stalled.text.length).toBeLessThan(sent / 2);
    const lines = stalled.text.split("\r\n\r\n")[1] ?? "";
    expect(lines).not.toBe("");
  });
});
