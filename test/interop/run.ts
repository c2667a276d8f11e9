// Tries every cell through one proxy: as clients at a server of each type of key, and as endpoints behind TLS of the proxy.
import { mkdtempSync, rmSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Product } from "../support/product.ts";
import { has } from "../support/tls/tools.ts";
import { until } from "../support/until.ts";
import { makeCertificates } from "./certificates.ts";
import {
  type Cell,
  CELLS,
  KEYS,
  LINES,
  NAME,
  type Problems,
  PROGRAMS,
  type Stack,
  type Tried,
} from "./cells.ts";
import { tryClient } from "./clients.ts";
import { type Endpoint, startEndpoints } from "./endpoints.ts";

/** Programs at a time. */
const AT_A_TIME = 4;

/** Whether the programs of a stack are there. */
export function isThere(stack: Stack): boolean {
  return PROGRAMS[stack].every((program) => has(program));
}

/** A proxy with servers and endpoints for all cells. Ends with the `await using` block that holds it. */
export class Interop implements AsyncDisposable {
  readonly #running = new AsyncDisposableStack();
  readonly #slots = new Slots(AT_A_TIME);
  #folder = "";
  #caFile = "";
  #product: Product | undefined;
  #endpoints: readonly Endpoint[] = [];

  static async start(): Promise<Interop> {
    const interop = new Interop();
    const running = interop.#running;
    interop.#folder = mkdtempSync(join(tmpdir(), "tls-interop-"));
    running.defer(() => rmSync(interop.#folder, { recursive: true, force: true }));
    const certificates = await makeCertificates(interop.#folder);
    const cells = CELLS.filter(({ stack }) => isThere(stack));
    const started = running.use(new DisposableStack());
    interop.#caFile = certificates.caFile;
    interop.#endpoints = await startEndpoints(cells, certificates, started);
    const lines = running.use(answerLines());
    interop.#product = running.use(
      await Product.start(configuration(certificates, interop.#endpoints, lines.port)),
    );
    return interop;
  }

  /** The cell's stack as a client of the proxy. */
  client(cell: Cell): Promise<Tried> {
    const port = this.#port(clientPath(cell));
    const scratch = join(this.#folder, `session-${CELLS.indexOf(cell)}`);
    return this.#slots.run(() => tryClient(cell, { port, caFile: this.#caFile, scratch }));
  }

  /** The cell's stack as the endpoint, behind TLS of the proxy. */
  endpoint(cell: Cell): Promise<Tried> {
    const endpoint = this.#endpoints.find((each) => each.cell === cell);
    if (endpoint === undefined) throw new Error(`${cell.stack} is not there`);
    return this.#slots.run(async () => ({
      full: await this.#ask(endpoint, "false"),
      resumed: await this.#ask(endpoint, "true"),
    }));
  }

  async #ask(endpoint: Endpoint, resumed: "true" | "false"): Promise<Problems> {
    const { cell } = endpoint;
    const dst = endpointPath(cell);
    const found = await askEndpoint(this.#port(dst), endpoint);
    const labels = { dst, resumed, version: `TLSv${cell.version}` };
    let count: number | undefined;
    // A new series takes a moment to be on the page.
    const counted = async (): Promise<boolean> => {
      count = await this.#product?.metric("l5d_dst_tls_handshakes_total", labels);
      return count !== undefined;
    };
    await until("the handshake is counted", counted).catch(() => {});
    return count === 1
      ? found
      : [...found, `${count ?? "no"} such handshakes with resumed="${resumed}"`];
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#running.disposeAsync();
  }

  #port(path: string): number {
    if (this.#product === undefined) throw new Error("the proxy does not run");
    return this.#product.port(path);
  }
}

function clientPath({ key }: Pick<Cell, "key">): string {
  return `/svc/clients/${KEYS.indexOf(key)}`;
}

function endpointPath(cell: Cell): string {
  return `/svc/endpoints/${CELLS.indexOf(cell)}`;
}

function configuration(
  { files, caFile }: Awaited<ReturnType<typeof makeCertificates>>,
  endpoints: readonly Endpoint[],
  linesPort: number,
): unknown {
  const toClients = KEYS.map((key) => {
    const { cert, key: privateKey } = files[key];
    const tls = { defaultIdentity: { certs: [cert], privateKey } };
    return { server: { port: 0, dstName: clientPath({ key }), tls }, to: linesPort };
  });
  const toEndpoints = endpoints.map(({ cell, port }) => ({
    server: { port: 0, dstName: endpointPath(cell) },
    to: port,
  }));
  const all = [...toClients, ...toEndpoints];
  const names = all.map(({ server, to }) => [server.dstName, [`127.0.0.1:${to}`]] as const);
  const tls = { dnsName: NAME, trustCerts: [caFile] };
  return {
    admin: { port: 0 },
    // Sessions are resumed by the worker that has begun them.
    workers: 1,
    routers: [
      {
        label: "interop",
        interpreter: { kind: "io.l5d.static", names: Object.fromEntries(names) },
        servers: all.map(({ server }) => server),
        client: { kind: "io.l5d.static", configs: [{ prefix: "/svc/endpoints", tls }] },
      },
    ],
  };
}

/** A plain endpoint that sends back what comes, and ends after the last line. */
function answerLines(): { readonly port: number } & Disposable {
  const last = `${LINES[1]}\n`;
  const listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    allowHalfOpen: true,
    socket: {
      data(socket, bytes) {
        socket.write(bytes);
        if (bytes.toString("latin1").endsWith(last)) socket.shutdown();
      },
      end: (socket) => void socket.end(),
      error() {},
    },
  });
  return { port: listener.port, [Symbol.dispose]: () => listener.stop(true) };
}

/** Says a line over plain TCP, ends its direction once the answer is there, and waits for the other end. */
function askEndpoint(port: number, { answer }: Endpoint): Promise<Problems> {
  const [line] = LINES;
  const wanted = `${answer(line)}\n`;
  const { promise, resolve } = Promise.withResolvers<Problems>();
  let got = "";
  let end = "nothing";
  const socket = createConnection({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.setTimeout(30_000, () => socket.destroy());
  socket.write(`${line}\n`);
  socket.on("data", (bytes) => {
    got += bytes.toString("latin1");
    if (got.length >= wanted.length) socket.end();
  });
  socket.on("end", () => (end = "fin"));
  socket.on("error", (error) => (end = String(error)));
  socket.on("close", () =>
    resolve([
      ...(got === wanted ? [] : [`got back ${JSON.stringify(got)}`]),
      ...(end === "fin" ? [] : [`ended by ${end}`]),
    ]),
  );
  return promise;
}

/** So many at a time; the others wait. */
class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(free: number) {
    this.#free = free;
  }

  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}
