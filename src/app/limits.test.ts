import { expect, test } from "bun:test";
import { configFrom } from "../../test/support/config-text.ts";
import { limitedServer } from "./limits.ts";
import { serversOf } from "./reload/plan.ts";

function maxConnectionsOf(maxConcurrency: number): number | undefined {
  const servers = [{ port: 7400, dstName: "/svc/web", maxConcurrency }];
  const config = configFrom(
    JSON.stringify({ routers: [{ label: "r", dtab: "/svc => /$/inet", servers }] }),
  );
  const [server] = serversOf(config).values();
  const socket = { ip: "127.0.0.1", port: 7400, fd: undefined, close: () => {} };
  return server && limitedServer({ ...server, id: 1, socket }).maxConnections;
}

test("limitedServer() asks for as many places before maxConcurrency is raised as after it", () => {
  expect(maxConnectionsOf(500)).toBeGreaterThan(500);
  expect(maxConnectionsOf(50_000)).toBe(maxConnectionsOf(500));
});
