// An etcd member for tests that answers as a test says: a real HTTP server, on bare sockets so that it can misbehave.
import {
  chunk,
  encode,
  STREAM_END,
  STREAM_HEAD,
  statusAnswer,
  wholeAnswer,
} from "./fake-namerd-http.ts";

/** A request as it came. */
export interface EtcdRequest {
  /** `/v3/kv/range` and the like. */
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** What a request gets. */
export type EtcdReply =
  /** One answer: this value as JSON, or this text. */
  | { readonly kind: "answer"; readonly body: unknown }
  | { readonly kind: "status"; readonly status: number }
  /** A stream of lines, in pieces of `split` bytes if that is given. It stays open; `cut` ends it. */
  | { readonly kind: "stream"; readonly lines: readonly unknown[]; readonly split?: number }
  /** The request is taken and never answered. */
  | { readonly kind: "hang" }
  /** The connection is reset instead of an answer. */
  | { readonly kind: "reset" };

interface Connection {
  received: string;
}

type Socket = Bun.Socket<Connection>;

/** Ends with the `using` block that holds it. */
export class FakeEtcd implements Disposable {
  /** All requests so far. */
  readonly requests: EtcdRequest[] = [];
  reply: (request: EtcdRequest) => EtcdReply;
  readonly #listener: Bun.TCPSocketListener<Connection>;
  readonly #connections = new Set<Socket>();
  readonly #streams = new Set<Socket>();

  constructor(reply: (request: EtcdRequest) => EtcdReply) {
    this.reply = reply;
    this.#listener = Bun.listen<Connection>({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        open: (socket) => {
          socket.data = { received: "" };
          this.#connections.add(socket);
        },
        data: (socket, bytes) => this.#take(socket, bytes.toString("latin1")),
        close: (socket) => {
          this.#connections.delete(socket);
          this.#streams.delete(socket);
        },
        error() {},
      },
    });
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${this.#listener.port}`;
  }

  get openConnections(): number {
    return this.#connections.size;
  }

  /** Requests to one path. */
  to(path: string): readonly EtcdRequest[] {
    return this.requests.filter((request) => request.path === path);
  }

  /** Sends a line to all streams. */
  push(line: unknown): void {
    for (const socket of this.#streams) socket.write(chunk(textOf(line)));
  }

  /** Ends all streams, in good order or not. */
  cut(how: "end" | "reset"): void {
    for (const socket of this.#streams) {
      if (how === "end") socket.end(STREAM_END);
      else socket.terminate();
    }
  }

  [Symbol.dispose](): void {
    this.#listener.stop(true);
  }

  #take(socket: Socket, text: string): void {
    socket.data.received += text;
    const [head = "", body] = socket.data.received.split("\r\n\r\n", 2);
    const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
    if (body === undefined || body.length < length) return;
    socket.data.received = "";
    const request = { path: head.split(" ")[1] ?? "", body: JSON.parse(body || "{}") };
    this.requests.push(request);
    void this.#answer(socket, this.reply(request));
  }

  async #answer(socket: Socket, reply: EtcdReply): Promise<void> {
    switch (reply.kind) {
      case "answer":
        return void socket.end(wholeAnswer(textOf(reply.body)));
      case "status":
        return void socket.end(statusAnswer(reply.status, '{"error":"scripted"}'));
      case "stream": {
        socket.write(encode(STREAM_HEAD));
        this.#streams.add(socket);
        const bytes = encode(reply.lines.map(textOf).join(""));
        const size = reply.split ?? (bytes.length || 1);
        for (let at = 0; at < bytes.length; at += size) {
          socket.write(chunk(bytes.subarray(at, at + size)));
          // So that it leaves in a packet of its own.
          if (reply.split !== undefined) await new Promise(setImmediate);
        }
        return;
      }
      case "hang":
        return;
      case "reset":
        return socket.terminate();
      default:
        return reply satisfies never;
    }
  }
}

/** The answer to a range, and a line of a watch: what stands in `fields` beside a header of that revision. */
export function etcdAnswer(revision: number, fields: object = {}, cluster = "7"): object {
  return { header: { cluster_id: cluster, revision: `${revision}` }, ...fields };
}

/** A line of a watch. */
export function etcdLine(revision: number, fields: object = {}, cluster = "7"): object {
  return { result: etcdAnswer(revision, fields, cluster) };
}

/** A key as etcd writes it. */
export function etcdKv(key: string, value: string, revision: number): object {
  return { key: btoa(key), value: btoa(value), mod_revision: `${revision}` };
}

function textOf(line: unknown): string {
  return typeof line === "string" ? line : `${JSON.stringify(line)}\n`;
}
