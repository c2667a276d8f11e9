// `linkerd-tcp demo`: backends, a folder of names and the proxy, in one process, with things to try.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Config, ServerConfig } from "../config/types.ts";
import type { Output } from "./output.ts";
import { serve } from "./run.ts";

const PROXY_PORT = 7474;
const ADMIN_PORT = 9989;
const BACKENDS = [
  { name: "ant", port: 7481 },
  { name: "bee", port: 7482 },
  { name: "cat", port: 7483 },
];

/** Runs the demo until it is stopped. Resolves with the exit code. */
export async function demo(output: Output): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "linkerd-tcp-demo-"));
  const names = join(folder, "web");
  writeFileSync(names, namingFile());
  const servers = BACKENDS.map(({ name, port }) =>
    Bun.serve({
      hostname: "127.0.0.1",
      port,
      // One answer a connection, so that each request is balanced.
      fetch: () => new Response(`hello from ${name}\n`, { headers: { connection: "close" } }),
    }),
  );
  output.out(guide(names));
  try {
    return await serve(demoConfig(folder), { demo: true, rootDir: folder }, output);
  } finally {
    for (const server of servers) void server.stop(true);
    rmSync(folder, { recursive: true, force: true });
  }
}

function namingFile(): string {
  const [ant, bee, cat] = BACKENDS.map(({ port }) => port);
  return `# One endpoint a line: host port [* weight]. Save the file and traffic moves.
127.0.0.1 ${ant} * 2
127.0.0.1 ${bee}
# 127.0.0.1 ${cat}
`;
}

function demoConfig(rootDir: string): Config {
  const server: ServerConfig = {
    ip: "127.0.0.1",
    port: PROXY_PORT,
    dstName: "/svc/web",
    tls: undefined,
    connectTimeoutMs: 10_000,
    connectionLifetimeMs: Number.POSITIVE_INFINITY,
    idleTimeoutMs: Number.POSITIVE_INFINITY,
    maxConcurrency: 1_000,
  };
  return {
    admin: { ip: "127.0.0.1", port: ADMIN_PORT, graceMs: 1_000 },
    routers: [
      {
        label: "demo",
        interpreter: { kind: "io.l5d.fs", rootDir, prefix: "/svc" },
        servers: [server],
        client: [],
      },
    ],
    bufferSizeBytes: 16_384,
    workers: 1,
  };
}

function guide(names: string): string {
  const lines = BACKENDS.map(({ name, port }) => `  backend ${name}   127.0.0.1:${port}`);
  return `linkerd-tcp demo: everything runs in this process, Ctrl-C ends it.

  proxy         127.0.0.1:${PROXY_PORT}   connections to /svc/web
  admin         http://127.0.0.1:${ADMIN_PORT}/
${lines.join("\n")}
  names         ${names}

Three things to try, in another terminal:

  1. Requests, balanced 2 to 1 between ant and bee:
       for i in 1 2 3 4 5 6; do curl -s http://127.0.0.1:${PROXY_PORT}/; done

  2. The metrics:
       curl -s http://127.0.0.1:${ADMIN_PORT}/metrics | grep -E '^l5d_(srv|endpoint)_conn'

  3. Traffic that moves: put cat in, then make the requests of 1 again.
       sed -i 's/^# \\(127.*${BACKENDS[2]?.port}\\)/\\1/' ${names}

`;
}
