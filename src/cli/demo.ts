// `linkerd-tcp demo`: backends, a folder of names and the proxy, in one process, with things to try.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sessionDefaults } from "../config/compile-sessions.ts";
import type { Config, ServerConfig } from "../config/types.ts";
import { openFrame } from "./frame.ts";
import type { Output } from "./output.ts";
import { serve } from "./run.ts";

/** The ports of one demo: those below, or free ones where they are taken. */
interface Ports {
  readonly proxy: number;
  readonly admin: number;
  readonly backends: readonly number[];
}

const WANTED: Ports = { proxy: 7474, admin: 9989, backends: [7481, 7482, 7483] };
const NAMES = ["ant", "bee", "cat"] as const;

/** Runs the demo until it is stopped. Resolves with the exit code. */
export async function demo(output: Output): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "linkerd-tcp-demo-"));
  const names = join(folder, "web");
  const ports: Ports = {
    proxy: freePort(WANTED.proxy),
    admin: freePort(WANTED.admin),
    backends: WANTED.backends.map(freePort),
  };
  writeFileSync(names, namingFile(ports));
  const servers = ports.backends.map((port, index) =>
    Bun.serve({
      hostname: "127.0.0.1",
      port,
      // One answer a connection, so that each request is balanced.
      fetch: () =>
        new Response(`hello from ${NAMES[index]}\n`, { headers: { connection: "close" } }),
    }),
  );
  output.out(guide(names, ports));
  try {
    const frame = openFrame("the demo has no other process");
    const served = { config: demoConfig(folder, ports), source: demoSource(folder, ports) };
    return await serve(served, output, frame);
  } finally {
    for (const server of servers) void server.stop(true);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `wanted`, or a free port when it is taken. */
function freePort(wanted: number): number {
  for (const port of [wanted, 0]) {
    try {
      const listener = Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } });
      listener.stop();
      return listener.port;
    } catch {
      // Taken: the next one is of the system's choice.
    }
  }
  return wanted;
}

function namingFile({ backends: [ant, bee, cat] }: Ports): string {
  return `# One endpoint a line: host port [* weight]. Save the file and traffic moves.
127.0.0.1 ${ant} * 2
127.0.0.1 ${bee}
# 127.0.0.1 ${cat}
`;
}

/** The same as a file would have it, for /config.json. */
function demoSource(rootDir: string, { proxy, admin }: Ports): unknown {
  const interpreter = { kind: "io.l5d.fs", rootDir };
  const servers = [{ port: proxy, dstName: "/svc/web" }];
  return { admin: { port: admin }, routers: [{ label: "demo", interpreter, servers }] };
}

function demoConfig(rootDir: string, ports: Ports): Config {
  const server: ServerConfig = {
    ip: "127.0.0.1",
    port: ports.proxy,
    dstName: "/svc/web",
    tls: undefined,
    proxyProtocol: undefined,
    connectTimeoutMs: 10_000,
    connectionLifetimeMs: Number.POSITIVE_INFINITY,
    ...sessionDefaults(),
    idleTimeoutMs: Number.POSITIVE_INFINITY,
    maxConcurrency: 1_000,
  };
  return {
    admin: { ip: "127.0.0.1", port: ports.admin, graceMs: 1_000, drainWindowMs: 0 },
    namers: [],
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
    reloadOnChange: false,
    followCertificates: true,
  };
}

function guide(names: string, { proxy, admin, backends }: Ports): string {
  const lines = backends.map((port, index) => `  backend ${NAMES[index]}   127.0.0.1:${port}`);
  return `linkerd-tcp demo: everything runs in this process, Ctrl-C ends it.

  proxy         127.0.0.1:${proxy}   connections to /svc/web
  admin         http://127.0.0.1:${admin}/
${lines.join("\n")}
  names         ${names}

Three things to try, in another terminal:

  1. Requests, balanced 2 to 1 between ant and bee:
       for i in $(seq 60); do curl -s http://127.0.0.1:${proxy}/; done | sort | uniq -c

  2. The metrics:
       curl -s http://127.0.0.1:${admin}/metrics | grep ^l5d_endpoint_connects_total

  3. Traffic that moves: put cat in, then make the requests of 1 again.
       sed -i 's/^# \\(127.*${backends[2]}\\)/\\1/' ${names}

`;
}
