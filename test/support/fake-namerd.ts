// A namerd for tests: a real HTTP server on a free port, written on bare sockets so that it can misbehave to the byte.
// Speaks what reference/namerd-and-linkerd.md 1.4 describes, or what `behaviour` says.
import {
  type Behaviour,
  chunk,
  encode,
  type FakeAnswer,
  type FakeRequest,
  lineOf,
  parseRequest,
  STREAM_END,
  STREAM_HEAD,
  statusAnswer,
  wholeAnswer,
} from "./fake-namerd-http.ts";

interface Connection {
  head: string;
  /** Bytes that the kernel did not take yet. */
  unsent: Uint8Array[];
  closeWhenSent: boolean;
  stream: Watcher | undefined;
}

interface Watcher {
  readonly key: string;
  readonly socket: Socket;
  last: string;
}

interface HeldPoll {
  readonly key: string;
  readonly socket: Socket;
}

type Socket = Bun.Socket<Connection>;

/** A namerd under the control of a test. Names that nobody set are `neg`. */
export class FakeNamerd implements Disposable {
  /** false: `watch` is ignored, and each request gets one value. */
  streaming = true;
  /** What requests get: for all of them, or chosen for each. */
  behaviour: Behaviour | ((request: FakeRequest) => Behaviour) = { kind: "normal" };
  /** All requests so far. */
  readonly requests: FakeRequest[] = [];
  /** Most streams that were open at a time for one name. */
  mostStreams = 0;

  readonly #answers = new Map<string, FakeAnswer>();
  readonly #connections = new Set<Socket>();
  readonly #held = new Set<HeldPoll>();
  #listener: Bun.TCPSocketListener<Connection> | undefined;
  #port = 0;

  private constructor() {
    this.resume();
  }

  /** A new one, listening on a free port of 127.0.0.1. */
  static start(): FakeNamerd {
    return new FakeNamerd();
  }

  get port(): number {
    return this.#port;
  }

  /** For `baseUrl` in a configuration. */
  get baseUrl(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Connections open now, of any kind. */
  get openConnections(): number {
    return this.#connections.size;
  }

  /** Streams open now, of one name or of all. */
  openStreams(path?: string): number {
    return this.#watchers(path).length;
  }

  /** Changes what a name stands for: watchers are told, polls that were held are answered. */
  set(path: string, answer: FakeAnswer, namespace = "default"): void {
    const key = keyOf(namespace, path);
    this.#answers.set(key, answer);
    if (answer.type === "pending") return;
    for (const watcher of this.#watchers(path, namespace)) this.#push(watcher, lineOf(answer));
    for (const held of this.#held) {
      if (held.key !== key) continue;
      this.#held.delete(held);
      this.#send(held.socket, wholeAnswer(lineOf(answer)));
    }
  }

  /** Shorthand for `set` with a bound answer: `"10.0.0.1:80"` and so on, IPv4 only. */
  bind(path: string, ...addresses: readonly string[]): void {
    const addrs = addresses.map((address) => {
      const [ip = "", port = ""] = address.split(":");
      return { ip, port: Number(port) };
    });
    this.set(path, { type: "bound", addrs });
  }

  /** Sends a line as it is to all streams of a name. */
  say(path: string, line: string): void {
    for (const watcher of this.#watchers(path)) this.#send(watcher.socket, chunk(`${line}\n`));
  }

  /** Ends all streams in good order. */
  endStreams(): void {
    for (const { socket } of this.#watchers()) {
      socket.data.stream = undefined;
      this.#send(socket, encode(STREAM_END));
    }
  }

  /** Cuts all connections, in the middle of whatever was being said. */
  cut(how: "reset" | "close"): void {
    for (const socket of this.#connections) {
      if (how === "reset") socket.terminate();
      else socket.end();
    }
  }

  /** Resets the connection that has been open longest. */
  cutOldest(): void {
    const [oldest] = this.#connections;
    oldest?.terminate();
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
      socket: {
        open: (socket) => {
          socket.data = { head: "", unsent: [], closeWhenSent: false, stream: undefined };
          this.#connections.add(socket);
        },
        data: (socket, data) => this.#read(socket, data),
        drain: (socket) => this.#flush(socket),
        close: (socket) => this.#forget(socket),
        error() {},
      },
    });
    this.#port = this.#listener.port;
  }

  [Symbol.dispose](): void {
    this.pause();
  }

  #watchers(path?: string, namespace = "default"): Watcher[] {
    const key = path === undefined ? undefined : keyOf(namespace, path);
    return [...this.#connections]
      .map((socket) => socket.data.stream)
      .filter((it): it is Watcher => it !== undefined && (key === undefined || it.key === key));
  }

  #forget(socket: Socket): void {
    this.#connections.delete(socket);
    for (const held of this.#held) if (held.socket === socket) this.#held.delete(held);
  }

  #read(socket: Socket, bytes: Uint8Array): void {
    socket.data.head += new TextDecoder().decode(bytes);
    const end = socket.data.head.indexOf("\r\n\r\n");
    if (end === -1) return;
    const request = parseRequest(socket.data.head.slice(0, end));
    socket.data.head = socket.data.head.slice(end + 4);
    this.requests.push(request);
    const { behaviour } = this;
    const now = typeof behaviour === "function" ? behaviour(request) : behaviour;
    if (now.kind === "normal") this.#answer(socket, request);
    else this.#misbehave(socket, request, now);
  }

  #answer(socket: Socket, request: FakeRequest): void {
    const answer = this.#current(request);
    const key = keyOf(request.namespace, request.path);
    if (request.watch && this.streaming) {
      const watcher: Watcher = { key, socket, last: "" };
      socket.data.stream = watcher;
      const open = this.#watchers(request.path, request.namespace).length;
      this.mostStreams = Math.max(this.mostStreams, open);
      this.#send(socket, encode(STREAM_HEAD));
      if (answer.type !== "pending") this.#push(watcher, lineOf(answer));
      return;
    }
    // namerd withholds its answer while a name is pending.
    if (answer.type === "pending") this.#held.add({ key, socket });
    else this.#send(socket, wholeAnswer(lineOf(answer)));
  }

  #misbehave(socket: Socket, request: FakeRequest, how: Behaviour): void {
    switch (how.kind) {
      case "normal":
      case "hang":
        return;
      case "headOnly":
        return this.#send(socket, encode(STREAM_HEAD));
      case "reset":
        return void socket.terminate();
      case "status":
        if (how.watchOnly === true && !request.watch) return this.#answer(socket, request);
        return this.#send(socket, statusAnswer(how.status, how.body, how.headers));
      case "truncate": {
        const whole = wholeAnswer(lineOf(this.#current(request)));
        const end = whole.indexOf("{".charCodeAt(0)) + how.bytes;
        return this.#send(socket, whole.subarray(0, end), how.then === "close");
      }
      case "split":
        return this.#split(socket, encode(lineOf(this.#current(request))), how.bytes);
      case "body":
        this.#send(socket, encode(STREAM_HEAD));
        this.#send(socket, chunk(how.body));
        return how.then === "end" ? this.#send(socket, encode(STREAM_END)) : undefined;
      case "raw":
        this.#send(socket, encode(how.bytes), how.then === "close");
        return how.then === "reset" ? void socket.terminate() : undefined;
      default:
        return how satisfies never;
    }
  }

  #current(request: FakeRequest): FakeAnswer {
    return this.#answers.get(keyOf(request.namespace, request.path)) ?? { type: "neg" };
  }

  #push(watcher: Watcher, line: string): void {
    // Equal values in a row are told once.
    if (watcher.last === line) return;
    watcher.last = line;
    this.#send(watcher.socket, chunk(line));
  }

  #split(socket: Socket, body: Uint8Array, bytes: number, at = 0): void {
    if (at === 0) this.#send(socket, encode(STREAM_HEAD));
    if (at >= body.length || !this.#connections.has(socket)) return;
    this.#send(socket, chunk(body.subarray(at, at + bytes)));
    setImmediate(() => this.#split(socket, body, bytes, at + bytes));
  }

  #send(socket: Socket, bytes: Uint8Array, thenClose = false): void {
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

function keyOf(namespace: string, path: string): string {
  return `${namespace} ${path}`;
}
