#!/usr/bin/env bun
// `node_modules/.bin/bun bench/endpoints.ts`: how long connections wait while 10,000 endpoints, or one of them, change.
// A kept connection through the real proxy asks again and again; the longest wait for an answer is the pause.
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../tools/source-tree.ts";

const ENDPOINTS = 10_000;
const ROUNDS = 10;
/** Long enough for a file to be noticed, read, and applied. */
const ROUND_MS = 1_200;

const folder = mkdtempSync(join(tmpdir(), "endpoints-"));
const file = join(folder, "web");
const echo = Bun.listen({
  hostname: "0.0.0.0",
  port: 0,
  socket: { data: (socket, bytes) => void socket.write(bytes) },
});

/** Addresses of the loopback net that all lead to the echo server, from the one numbered `first`. */
function write(first: number, changed?: number): void {
  const lines = Array.from({ length: ENDPOINTS }, (_, index) => {
    const at = first + index;
    const weight = index === changed ? " * 2" : "";
    return `127.${1 + (at >> 16)}.${(at >> 8) & 255}.${at & 255} ${echo.port}${weight}\n`;
  });
  writeFileSync(`${file}.new`, lines.join(""));
  renameSync(`${file}.new`, file);
}

function freePort(): number {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = probe;
  probe.stop(true);
  return port;
}

/** Round trips of one connection, as fast as they go. */
class Pinger {
  longestMs = 0;
  count = 0;
  #askedMs = performance.now();

  static async start(port: number): Promise<Pinger> {
    const pinger = new Pinger();
    await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: { open: (socket) => pinger.#ask(socket), data: (socket) => pinger.#next(socket) },
    });
    return pinger;
  }

  #next(socket: Bun.Socket): void {
    this.longestMs = Math.max(this.longestMs, performance.now() - this.#askedMs);
    this.count += 1;
    this.#ask(socket);
  }

  #ask(socket: Bun.Socket): void {
    this.#askedMs = performance.now();
    socket.write("x");
  }
}

async function updateTimeMs(
  admin: number,
): Promise<{ readonly sum: number; readonly count: number }> {
  const page = await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text();
  const value = (end: string): number =>
    Number(new RegExp(`^l5d_balancer_poll_time_us_${end}\\{.*\\} (.*)$`, "m").exec(page)?.[1]);
  return { sum: value("sum") / 1_000, count: value("count") };
}

const [admin, port] = [freePort(), freePort()];
const config = {
  admin: { port: admin },
  namers: [{ kind: "io.l5d.fs", rootDir: folder }],
  routers: [
    { label: "bench", dtab: "/svc => /#/io.l5d.fs", servers: [{ port, dstName: "/svc/web" }] },
  ],
};
const configFile = join(folder, "bench.json");
writeFileSync(configFile, JSON.stringify(config));
write(0);
const proxy = Bun.spawn([join(ROOT, "bin/linkerd-tcp"), configFile], {
  stdio: ["ignore", "ignore", "ignore"],
});

try {
  const ready = async (): Promise<boolean> => {
    const response = await fetch(`http://127.0.0.1:${admin}/ping`).catch(() => undefined);
    return response?.ok === true;
  };
  while (!(await ready())) await Bun.sleep(50);
  await Bun.sleep(ROUND_MS);
  const pinger = await Pinger.start(port);
  const cases = [
    { name: "nothing", change: () => {} },
    { name: "one of 10,000 reweighed", change: (round: number) => write(0, round) },
    { name: "10,000 replaced by others", change: (round: number) => write(round * ENDPOINTS) },
  ];
  for (const { name, change } of cases) {
    const before = await updateTimeMs(admin);
    const pauses: number[] = [];
    for (let round = 1; round <= ROUNDS; round += 1) {
      pinger.longestMs = 0;
      change(round);
      await Bun.sleep(ROUND_MS);
      pauses.push(pinger.longestMs);
    }
    const after = await updateTimeMs(admin);
    pauses.sort((a, b) => a - b);
    const [median = 0, longest = 0] = [pauses[ROUNDS >> 1], pauses.at(-1)];
    const applied = (after.sum - before.sum) / Math.max(1, after.count - before.count);
    console.log(
      `${name.padEnd(28)} longest round trip: median ${median.toFixed(2)} ms, worst ${longest.toFixed(2)} ms` +
        `; ${after.count - before.count} messages of ${applied.toFixed(2)} ms each`,
    );
  }
  console.log(`${pinger.count} round trips`);
} finally {
  proxy.kill();
  await proxy.exited;
  echo.stop(true);
  rmSync(folder, { recursive: true });
  process.exit();
}
