import { afterEach, expect, test } from "bun:test";
import { freePort } from "../../test/support/reload.ts";
import { configFrom } from "../../test/support/config-text.ts";
import type { ToWorker } from "../wire/messages.ts";
import { bind } from "../transport/bind.ts";
import type { Config } from "../config/types.ts";
import { ListenError } from "./listeners.ts";
import { planOf } from "./reload/plan.ts";
import { Servers } from "./servers.ts";

const opened: Servers[] = [];

afterEach(() => {
  for (const servers of opened.splice(0)) servers.close();
});

/** One router with these servers, each an `ip` with a port. */
function config(label: string, ...addresses: readonly (readonly [string, number])[]): Config {
  const servers = addresses.map(([ip, port]) => ({
    ip,
    port,
    dstName: "/svc/web",
    maxConcurrency: 5,
  }));
  return configFrom(
    JSON.stringify({ admin: { port: 0 }, routers: [{ label, dtab: "/svc => /$/inet", servers }] }),
  );
}

function begin(from: Config, closed: ReadonlySet<number> = new Set()): Servers {
  const servers = new Servers({
    workers: 2,
    destinationOf: () => 7,
    limit: () => undefined,
    unlimit: () => {},
    isClosed: (id) => closed.has(id),
  });
  const sockets = from.routers[0]?.servers.map(({ ip, port }) => bind(ip, port)) ?? [];
  servers.begin(from, sockets);
  opened.push(servers);
  return servers;
}

/** Changes to another configuration; answers what each of two workers is told. */
function change(servers: Servers, from: Config, to: Config): readonly (readonly ToWorker[])[] {
  const told: ToWorker[][] = [[], []];
  const { servers: changes } = planOf(from, to);
  const prepared = servers.prepare(changes);
  servers.commit(changes, prepared, (make) =>
    told.forEach((list, index) => list.push(make(index))),
  );
  return told;
}

function portOf(servers: Servers, index = 0): number {
  return servers.all[index]?.socket.port ?? 0;
}

test("Servers tell workers of what is added, with each one's share, and of what goes first", () => {
  const from = config("a", ["127.0.0.1", 0]);
  const servers = begin(from);
  const told = change(servers, from, config("b", ["127.0.0.1", 0], ["127.0.0.1", 0]));
  expect(told.map((list) => list.map((message) => message.type))).toEqual([
    ["remove-server", "add-server", "add-server"],
    ["remove-server", "add-server", "add-server"],
  ]);
  const shares = told.map(([, added]) => added?.type === "add-server" && added.maxConcurrency);
  expect(shares).toEqual([3, 2]);
  expect(servers.replay(1).map((message) => message.type)).toEqual(["add-server", "add-server"]);
});

test("Servers keep the socket of a server that changes, and of one that another router takes over", () => {
  const port = ((servers) => {
    const free = portOf(servers);
    servers.close();
    opened.pop();
    return free;
  })(begin(config("a", ["127.0.0.1", 0])));
  const from = config("a", ["127.0.0.1", port]);
  const servers = begin(from);
  const [before] = servers.all;
  const slower = configFrom(
    JSON.stringify({
      admin: { port: 0 },
      routers: [
        {
          label: "a",
          dtab: "/svc => /$/inet",
          servers: [{ port, dstName: "/svc/web", connectTimeoutMs: 7 }],
        },
      ],
    }),
  );
  const [told = []] = change(servers, from, slower);
  expect(told).toMatchObject([
    { type: "configure-server", connectTimeoutMs: 7, keepsTls: true, server: before?.id, port },
  ]);
  expect(servers.all[0]?.socket).toBe(before?.socket as never);
  change(servers, slower, config("b", ["127.0.0.1", port]));
  expect(servers.all).toMatchObject([
    { router: "b", id: 1, socket: { fd: before?.socket.fd, port } },
  ]);
});

test("Servers bind all or nothing, and say so of an address that this process itself keeps busy", () => {
  const from = config("a", ["127.0.0.1", 0], ["0.0.0.0", 0]);
  const servers = begin(from);
  const wide = portOf(servers, 1);
  const { servers: changes } = planOf(from, config("a", ["127.0.0.1", 0], ["127.0.0.1", wide]));
  const complaint = (): string => {
    try {
      servers.prepare(changes);
      return "";
    } catch (error) {
      if (!(error instanceof ListenError)) throw error;
      return error.message;
    }
  };
  expect(complaint()).toBe(
    `Cannot listen on 127.0.0.1:${wide}: this process listens on 0.0.0.0:${wide}, for the router a. ` +
      "Remove that server with one reload, and add this one with the next.",
  );
  expect(servers.all).toHaveLength(2);
});

test("Servers give back what was prepared in vain", () => {
  const from = config("a", ["127.0.0.1", 0]);
  const servers = begin(from);
  const { servers: changes } = planOf(from, config("a", ["127.0.0.1", 0], ["127.0.0.1", 0]));
  const prepared = servers.prepare(changes);
  const [socket] = prepared.sockets.values();
  prepared.discard();
  const again = bind("127.0.0.1", socket?.port ?? 0);
  again.close();
  expect(servers.all).toHaveLength(1);
});

test("Servers leave the socket alone that an operator has closed, whoever has its number by now", () => {
  const port = freePort();
  const from = config("a", ["127.0.0.1", port]);
  const closed = new Set<number>();
  const servers = begin(from, closed);
  servers.all[0]?.socket.close();
  closed.add(servers.all[0]?.id ?? -1);
  expect([servers.all.length, servers.open.length, servers.replay(0).length]).toEqual([1, 0, 0]);
  const somebody = bind("127.0.0.1", 0);
  change(servers, from, config("b", ["127.0.0.1", port]));
  expect(servers.open).toMatchObject([{ router: "b", id: 1, socket: { port } }]);
  expect(servers.open[0]?.socket.fd).not.toBe(somebody.fd);
  somebody.close();
});
