// A Kubernetes API server for tests: a real HTTP server on a free port, written on bare sockets so that it can misbehave to
// the byte. Lists with pages, watches with bookmarks, forgotten versions, bearer tokens, TLS.
import { type Change, eventOf, FakeKubernetesStore, type Query } from "./fake-kubernetes-store.ts";
import { chunk, encode, STREAM_END, STREAM_HEAD, wholeAnswer } from "./fake-namerd-http.ts";
import type { FakeObject } from "./kubernetes-objects.ts";

/** A request as it came. */
export interface KubernetesRequest extends Query {
  readonly method: string;
  /** As on the request line. */
  readonly target: string;
  readonly watch: boolean;
  readonly parameters: URLSearchParams;
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
}

/** What a request gets. */
export type KubernetesBehaviour =
  /** As the API server does it. */
  | { readonly kind: "normal" }
  /** The request is taken and never answered. */
  | { readonly kind: "hang" }
  /** The connection is reset instead of an answer. */
  | { readonly kind: "reset" }
  | { readonly kind: "status"; readonly status: number; readonly message?: string }
  /** This body in place of the answer: chunked, with a clean end unless it is kept open. */
  | { readonly kind: "body"; readonly body: string; readonly then: "end" | "keep" }
  /** These bytes in place of an HTTP answer, and the end of the connection. */
  | { readonly kind: "raw"; readonly bytes: string };

export interface FakeKubernetesOptions {
  readonly tls?: { readonly cert: string; readonly key: string };
}

interface Connection {
  head: string;
  /** Bytes that were not sent yet. */
  unsent: Uint8Array[];
  closeWhenSent: boolean;
  watch: KubernetesRequest | undefined;
}

type Socket = Bun.Socket<Connection>;

interface Snapshot {
  readonly version: string;
  readonly objects: readonly FakeObject[];
}

/** An API server under the control of a test, empty at first. Resources are what there are lists of. */
export class FakeKubernetes implements Disposable {
  readonly store = new FakeKubernetesStore();
  behaviour: KubernetesBehaviour | ((request: KubernetesRequest) => KubernetesBehaviour) = {
    kind: "normal",
  };
  /** The bearer token that is asked for; undefined for none. */
  token: string | undefined;
  /** How a watch of a forgotten version is told so. */
  expiresBy: "event" | "status" = "event";
  /** Bodies go out in HTTP chunks of this many bytes, each in a write of its own; undefined for whole lines. */
  pieceBytes: number | undefined;
  /** All requests so far. */
  readonly requests: KubernetesRequest[] = [];

  readonly #tls: FakeKubernetesOptions["tls"];
  readonly #connections = new Set<Socket>();
  readonly #snapshots = new Map<string, Snapshot>();
  #listener: Bun.TCPSocketListener<Connection> | undefined;
  #port = 0;

  private constructor(options: FakeKubernetesOptions) {
    this.#tls = options.tls;
    this.resume();
  }

  /** A new one, listening on a free port of 127.0.0.1. */
  static start(options: FakeKubernetesOptions = {}): FakeKubernetes {
    return new FakeKubernetes(options);
  }

  get baseUrl(): string {
    return `${this.#tls === undefined ? "http" : "https"}://127.0.0.1:${this.#port}`;
  }

  /** Connections open now, of any kind. */
  get openConnections(): number {
    return this.#connections.size;
  }

  /** The watches that are open now. */
  get watches(): readonly KubernetesRequest[] {
    return this.#watchers().map(({ watch }) => watch);
  }

  /** Makes or replaces an object of a list; watches are told. */
  put(path: string, object: FakeObject): void {
    this.#tell(this.store.put(path, object));
  }

  /** Deletes an object of a list; watches are told. */
  remove(path: string, name: string): void {
    this.#tell(this.store.remove(path, name));
  }

  /** Sends a bookmark with the present version to all watches. */
  bookmark(): void {
    const object = { kind: "EndpointSlice", apiVersion: "discovery.k8s.io/v1" };
    const metadata = { resourceVersion: this.store.version, creationTimestamp: null };
    const event = {
      type: "BOOKMARK",
      object: { ...object, metadata, endpoints: null, ports: null },
    };
    this.say(`${JSON.stringify(event)}\n`);
  }

  /** Sends an ERROR event to all watches and ends them. */
  failWatches(code: number, message: string): void {
    this.say(`${JSON.stringify({ type: "ERROR", object: statusOf(code, message) })}\n`);
    this.endWatches();
  }

  /** Sends a text as it is to all watches. */
  say(text: string): void {
    for (const { socket } of this.#watchers()) this.#body(socket, text);
  }

  /** Ends all watches in good order, as their `timeoutSeconds` do. */
  endWatches(): void {
    for (const { socket } of this.#watchers()) {
      socket.data.watch = undefined;
      this.#send(socket, [encode(STREAM_END)]);
    }
  }

  /** Cuts all connections, in the middle of whatever was being said. */
  cut(how: "reset" | "close"): void {
    for (const socket of this.#connections) {
      if (how === "reset") socket.terminate();
      else socket.end();
    }
  }

  /** Stops listening and resets all connections, as a process that was killed; `resume` brings it back on its port. */
  pause(): void {
    this.#listener?.stop();
    this.#listener = undefined;
    this.cut("reset");
  }

  /** Listens again after `pause`. */
  resume(): void {
    this.#listener ??= Bun.listen<Connection>({
      hostname: "127.0.0.1",
      port: this.#port,
      ...(this.#tls !== undefined && { tls: this.#tls }),
      socket: {
        open: (socket) => {
          socket.data = { head: "", unsent: [], closeWhenSent: false, watch: undefined };
          this.#connections.add(socket);
        },
        data: (socket, data) => this.#read(socket, data),
        drain: (socket) => this.#flush(socket),
        close: (socket) => void this.#connections.delete(socket),
        error() {},
      },
    });
    this.#port = this.#listener.port;
  }

  [Symbol.dispose](): void {
    this.pause();
  }

  #watchers(): { readonly socket: Socket; readonly watch: KubernetesRequest }[] {
    return [...this.#connections].flatMap((socket) => {
      const { watch } = socket.data;
      return watch === undefined ? [] : [{ socket, watch }];
    });
  }

  #tell(change: Change): void {
    for (const { socket, watch } of this.#watchers()) this.#event(socket, eventOf(change, watch));
  }

  #event(socket: Socket, event: unknown): void {
    if (event !== undefined) this.#body(socket, `${JSON.stringify(event)}\n`);
  }

  #read(socket: Socket, bytes: Uint8Array): void {
    socket.data.head += new TextDecoder().decode(bytes);
    const end = socket.data.head.indexOf("\r\n\r\n");
    if (end === -1) return;
    const request = parseKubernetesRequest(socket.data.head.slice(0, end));
    socket.data.head = socket.data.head.slice(end + 4);
    this.requests.push(request);
    const { behaviour } = this;
    const now = typeof behaviour === "function" ? behaviour(request) : behaviour;
    switch (now.kind) {
      case "normal":
        return this.#answer(socket, request);
      case "hang":
        return;
      case "reset":
        return void socket.terminate();
      case "status":
        return this.#status(socket, now.status, now.message ?? "scripted");
      case "body":
        this.#send(socket, [encode(STREAM_HEAD)]);
        this.#body(socket, now.body);
        return now.then === "end" ? this.#send(socket, [encode(STREAM_END)]) : undefined;
      case "raw":
        return this.#send(socket, [encode(now.bytes)], true);
      default:
        return now satisfies never;
    }
  }

  #answer(socket: Socket, request: KubernetesRequest): void {
    const { token } = this;
    if (token !== undefined && request.headers.get("authorization") !== `Bearer ${token}`) {
      return this.#status(socket, 401, "Unauthorized");
    }
    if (request.watch) this.#watch(socket, request);
    else this.#list(socket, request);
  }

  #list(socket: Socket, request: KubernetesRequest): void {
    const token = request.parameters.get("continue");
    const [id = "", startText = "0"] = token?.split(" ") ?? [];
    const snapshot =
      token === null
        ? { version: this.store.version, objects: this.store.list(request) }
        : this.#snapshots.get(id);
    // A part of a list that is forgotten cannot be continued.
    if (snapshot === undefined || this.store.since(snapshot.version) === undefined) {
      return this.#status(socket, 410, "The provided continue parameter is too old");
    }
    const start = Number(startText);
    const end = start + Number(request.parameters.get("limit") ?? Infinity);
    const rest = snapshot.objects.length - end;
    this.#snapshots.set(snapshot.version, snapshot);
    const metadata = {
      resourceVersion: snapshot.version,
      ...(rest > 0 && { continue: `${snapshot.version} ${end}`, remainingItemCount: rest }),
    };
    const items = snapshot.objects.slice(start, end);
    const body = `${JSON.stringify({ kind: "List", apiVersion: "v1", metadata, items })}\n`;
    if (this.pieceBytes === undefined) return this.#send(socket, [wholeAnswer(body)]);
    this.#send(socket, [encode(STREAM_HEAD)]);
    this.#body(socket, body);
    this.#send(socket, [encode(STREAM_END)]);
  }

  #watch(socket: Socket, request: KubernetesRequest): void {
    const changes = this.store.since(request.parameters.get("resourceVersion") ?? "");
    const expired = "too old resource version";
    if (changes === undefined && this.expiresBy === "status")
      return this.#status(socket, 410, expired);
    this.#send(socket, [encode(STREAM_HEAD)]);
    if (changes === undefined) {
      this.#event(socket, { type: "ERROR", object: statusOf(410, expired) });
      return this.#send(socket, [encode(STREAM_END)]);
    }
    socket.data.watch = request;
    for (const change of changes) this.#event(socket, eventOf(change, request));
  }

  #status(socket: Socket, status: number, message: string): void {
    const body = JSON.stringify(statusOf(status, message));
    const head = `HTTP/1.1 ${status} Scripted\r\nContent-Type: application/json\r\n`;
    this.#send(socket, [encode(`${head}Content-Length: ${encode(body).length}\r\n\r\n${body}`)]);
  }

  #body(socket: Socket, text: string): void {
    const bytes = encode(text);
    const size = this.pieceBytes ?? Math.max(1, bytes.length);
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += size)
      pieces.push(chunk(bytes.subarray(at, at + size)));
    this.#send(socket, pieces);
  }

  #send(socket: Socket, parts: readonly Uint8Array[], thenClose = false): void {
    const idle = socket.data.unsent.length === 0;
    socket.data.unsent.push(...parts);
    socket.data.closeWhenSent ||= thenClose;
    if (idle) this.#flush(socket);
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
      if (this.pieceBytes !== undefined && unsent.length > 0) {
        setImmediate(() => this.#flush(socket));
        return;
      }
    }
    if (socket.data.closeWhenSent) socket.end();
  }
}

/** A Status, which is how the API tells errors. */
function statusOf(code: number, message: string): unknown {
  const reason = code === 410 ? "Expired" : "Failure";
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    reason,
    code,
  };
}

function parseKubernetesRequest(head: string): KubernetesRequest {
  const [requestLine = "", ...headerLines] = head.split("\r\n");
  const [method = "", target = ""] = requestLine.split(" ");
  const { pathname, searchParams: parameters } = new URL(target, "http://kubernetes");
  const headers = new Map<string, string>();
  for (const line of headerLines) {
    const colon = line.indexOf(":");
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return {
    method,
    target,
    path: pathname,
    watch: parameters.get("watch") === "true",
    labelSelector: parameters.get("labelSelector") ?? "",
    fieldSelector: parameters.get("fieldSelector") ?? "",
    parameters,
    headers,
  };
}
