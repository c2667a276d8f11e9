// A Consul agent for tests: blocking queries over real HTTP on a free port, on bare sockets so that it can misbehave to the byte.
// Rules: https://developer.hashicorp.com/consul/api-docs/features/blocking.
import { type FakeInstance, filterInstances, printInstances } from "./fake-consul-catalog.ts";
import { chunk, encode, statusAnswer } from "./fake-namerd-http.ts";

/** A request as it came. */
export interface ConsulRequest {
  /** As on the request line. */
  readonly target: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
}

/** What happens to a request in place of an ordinary answer. */
export type ConsulBehaviour =
  | { readonly kind: "normal" }
  /** Taken and never answered. */
  | { readonly kind: "hang" }
  | { readonly kind: "reset" }
  | {
      readonly kind: "status";
      readonly status: number;
      readonly body?: string;
      readonly headers?: string;
    }
  /** An answer in good order, with this body. */
  | { readonly kind: "body"; readonly body: string }
  /** So much of an ordinary answer's body, and then no more of it. */
  | { readonly kind: "cut"; readonly bytes: number; readonly then: "close" | "reset" | "stall" }
  /** These bytes, and then the end of the connection or nothing. */
  | { readonly kind: "raw"; readonly bytes: string; readonly then: "close" | "keep" };

/** How ordinary answers are written. */
export interface ConsulStyle {
  readonly chunked: boolean;
  /** Sizes of HTTP chunks and of packets, one after the other and then anew; 0 for all that is left. */
  readonly chunkBytes: readonly number[];
  readonly packetBytes: readonly number[];
}

interface Held {
  readonly socket: Socket;
  readonly request: ConsulRequest;
}

interface Connection {
  text: string;
  request: ConsulRequest | undefined;
  unsent: Uint8Array[];
  closeWhenSent: boolean;
}

type Socket = Bun.Socket<Connection>;

interface Service {
  index: number;
  instances: readonly FakeInstance[];
}

const WHOLE: ConsulStyle = { chunked: false, chunkBytes: [0], packetBytes: [0] };

/** An agent under the control of a test, in the data center `dc1`. Nothing times out by itself: see `expire`. */
export class FakeConsul implements Disposable {
  behaviour: ConsulBehaviour | ((request: ConsulRequest) => ConsulBehaviour) = { kind: "normal" };
  style: ConsulStyle = WHOLE;
  /** What is told of the agent at `/v1/agent/self`. */
  agent: unknown = { Config: { Datacenter: "dc1" }, DebugConfig: { DNSDomain: "consul." } };
  /** Other headers than ordinary ones; "" leaves one out. */
  headers: Readonly<Record<string, string>> = {};
  /** Requests without this token get 403. */
  token: string | undefined;
  /** All so far. */
  readonly requests: ConsulRequest[] = [];
  /** Most queries for one path and data center that were open at a time. */
  mostAtOnce = 0;

  readonly #services = new Map<string, Service>();
  readonly #connections = new Set<Socket>();
  readonly #held = new Set<Held>();
  #index = 100;
  #listener: Bun.TCPSocketListener<Connection> | undefined;
  #port = 0;

  private constructor() {
    this.resume();
  }

  /** A new one, listening on a free port of 127.0.0.1. */
  static start(): FakeConsul {
    return new FakeConsul();
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get openConnections(): number {
    return this.#connections.size;
  }

  /** Queries that are held back now. */
  get blocked(): number {
    return this.#held.size;
  }

  /** The index of the last change. */
  get index(): number {
    return this.#index;
  }

  /** Requests for instances, of one data center or of all. */
  queries(datacenter?: string): readonly ConsulRequest[] {
    return this.requests.filter(
      ({ path, query }) =>
        path.includes("/service/") && (datacenter === undefined || query.get("dc") === datacenter),
    );
  }

  /** Changes the instances of a service, and answers the queries that wait for it. */
  set(service: string, instances: readonly FakeInstance[], datacenter = "dc1"): void {
    this.#index += 7;
    this.#services.set(`${datacenter} ${service}`, { index: this.#index, instances });
    this.#answerChanged();
  }

  /** Brings back older data: all indexes are lower than before. Queries that wait are answered, as by a real Consul. */
  restore(service: string, instances: readonly FakeInstance[], index: number): void {
    this.#index = index;
    this.#services.set(`dc1 ${service}`, { index, instances });
    this.expire();
  }

  /** The waiting time of all queries that are held back is over. */
  expire(): void {
    for (const { socket, request } of this.#takeHeld(() => true)) this.#answer(socket, request);
  }

  /** Cuts all connections, in the middle of whatever was being said. */
  cut(): void {
    for (const socket of this.#connections) socket.terminate();
  }

  /** Stops listening and resets all connections, as a process that was killed; `resume` brings it back on its port. */
  pause(): void {
    this.#listener?.stop();
    this.#listener = undefined;
    this.cut();
  }

  /** Listens again after `pause`. */
  resume(): void {
    this.#listener ??= Bun.listen<Connection>({
      hostname: "127.0.0.1",
      port: this.#port,
      socket: {
        open: (socket) => {
          socket.data = { text: "", request: undefined, unsent: [], closeWhenSent: false };
          this.#connections.add(socket);
        },
        data: (socket, data) => this.#read(socket, data),
        drain: (socket) => this.#flush(socket),
        close: (socket) => {
          this.#connections.delete(socket);
          this.#takeHeld((it) => it.socket === socket);
        },
        error() {},
      },
    });
    this.#port = this.#listener.port;
  }

  [Symbol.dispose](): void {
    this.pause();
  }

  #takeHeld(which: (held: Held) => boolean): readonly Held[] {
    const taken = [...this.#held].filter(which);
    for (const held of taken) this.#held.delete(held);
    return taken;
  }

  #answerChanged(): void {
    const changed = this.#takeHeld(({ request }) => !this.#mustWait(request));
    for (const { socket, request } of changed) this.#answer(socket, request);
  }

  #read(socket: Socket, bytes: Uint8Array): void {
    socket.data.text += new TextDecoder().decode(bytes);
    const end = socket.data.text.indexOf("\r\n\r\n");
    if (end === -1) return;
    const request = readRequest(socket.data.text.slice(0, end));
    socket.data.text = "";
    socket.data.request = request;
    this.requests.push(request);
    this.#countOpen(request);
    const { behaviour } = this;
    const now = typeof behaviour === "function" ? behaviour(request) : behaviour;
    this.#behave(socket, request, now);
  }

  #countOpen(request: ConsulRequest): void {
    const same = [...this.#connections].filter(
      ({ data }) => data.request !== undefined && keyOf(data.request) === keyOf(request),
    );
    this.mostAtOnce = Math.max(this.mostAtOnce, same.length);
  }

  #behave(socket: Socket, request: ConsulRequest, how: ConsulBehaviour): void {
    switch (how.kind) {
      case "normal":
        if (this.#mustWait(request)) this.#held.add({ socket, request });
        else this.#answer(socket, request);
        return;
      case "hang":
        return;
      case "reset":
        return void socket.terminate();
      case "status":
        return this.#send(socket, statusAnswer(how.status, how.body, how.headers), true);
      case "body":
        return this.#sendWhole(socket, request, how.body);
      case "cut":
        return this.#sendPart(socket, request, how.bytes, how.then);
      case "raw":
        return this.#send(socket, encode(how.bytes), how.then === "close");
      default:
        return how satisfies never;
    }
  }

  #mustWait(request: ConsulRequest): boolean {
    const index = Number(request.query.get("index") ?? 0);
    return index > 0 && index >= this.#serviceOf(request).index;
  }

  #serviceOf(request: ConsulRequest): Service {
    return this.#services.get(keyOf(request)) ?? { index: 1, instances: [] };
  }

  #answer(socket: Socket, request: ConsulRequest): void {
    if (this.token !== undefined && request.headers.get("x-consul-token") !== this.token) {
      return this.#send(socket, statusAnswer(403, "Permission denied"), true);
    }
    this.#sendWhole(socket, request, this.#bodyFor(request));
  }

  #bodyFor(request: ConsulRequest): string {
    if (request.path === "/v1/agent/self") return JSON.stringify(this.agent);
    const [, endpoint, service = ""] =
      /^\/v1\/(catalog|health)\/service\/(.+)$/.exec(request.path) ?? [];
    const list = filterInstances(this.#serviceOf(request).instances, request.query);
    return printInstances(service, list, endpoint === "health" ? "health" : "catalog");
  }

  #sendWhole(socket: Socket, request: ConsulRequest, text: string): void {
    const { chunked, chunkBytes, packetBytes } = this.style;
    const body = encode(text);
    const framed = chunked
      ? [...pieces(body, chunkBytes).map((piece) => chunk(piece)), chunk("")]
      : [body];
    const framing = chunked ? "Transfer-Encoding: chunked" : `Content-Length: ${body.length}`;
    const bytes = Buffer.concat([this.#headFor(request, framing), ...framed]);
    const packets = pieces(bytes, packetBytes);
    const next = (at: number): void => {
      const packet = packets[at];
      if (packet === undefined || !this.#connections.has(socket)) return;
      this.#send(socket, packet, at === packets.length - 1);
      if (at + 1 < packets.length) setImmediate(() => next(at + 1));
    };
    next(0);
  }

  #sendPart(
    socket: Socket,
    request: ConsulRequest,
    bytes: number,
    then: "close" | "reset" | "stall",
  ): void {
    const body = encode(this.#bodyFor(request));
    const { chunked } = this.style;
    const framing = chunked ? "Transfer-Encoding: chunked" : `Content-Length: ${body.length}`;
    const part = body.subarray(0, bytes);
    this.#send(socket, this.#headFor(request, framing));
    this.#send(socket, chunked ? chunk(part) : part, then === "close");
    if (then === "reset") setImmediate(() => socket.terminate());
  }

  #headFor(request: ConsulRequest, framing: string): Uint8Array {
    const isQuery = request.path !== "/v1/agent/self";
    const headers = {
      "Content-Type": "application/json",
      "X-Consul-Effective-Consistency": "leader",
      ...(isQuery && {
        "X-Consul-Index": `${this.#serviceOf(request).index}`,
        "X-Consul-KnownLeader": "true",
        "X-Consul-LastContact": "0",
        ...this.headers,
      }),
    };
    const lines = Object.entries(headers)
      .filter(([, value]) => value !== "")
      .map(([name, value]) => `${name}: ${value}\r\n`);
    return encode(`HTTP/1.1 200 OK\r\n${lines.join("")}${framing}\r\nConnection: close\r\n\r\n`);
  }

  #send(socket: Socket, bytes: Uint8Array, thenClose = false): void {
    if (thenClose) socket.data.request = undefined;
    socket.data.unsent.push(bytes);
    socket.data.closeWhenSent ||= thenClose;
    this.#flush(socket);
  }

  #flush(socket: Socket): void {
    const { unsent } = socket.data;
    for (let next = unsent[0]; next !== undefined; next = unsent[0]) {
      const written = socket.write(next);
      if (written < 0) return;
      if (written < next.length) {
        unsent[0] = next.subarray(written);
        return;
      }
      unsent.shift();
    }
    if (socket.data.closeWhenSent) socket.end();
  }
}

/** Cuts bytes into pieces of these sizes, over and over; 0 takes all that is left. */
function pieces(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const list: Uint8Array[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] || bytes.length;
    list.push(bytes.subarray(at, at + size));
    at += size;
  }
  return list;
}

function keyOf({ path, query }: ConsulRequest): string {
  return `${query.get("dc") ?? "dc1"} ${path.split("/").at(-1)}`;
}

function readRequest(head: string): ConsulRequest {
  const [requestLine = "", ...lines] = head.split("\r\n");
  const [, target = ""] = requestLine.split(" ");
  const { pathname: path, searchParams: query } = new URL(target, "http://consul");
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
    }),
  );
  return { target, path, query, headers };
}
