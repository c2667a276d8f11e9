// A namerd for tests: a real HTTP server on a free port, written on bare sockets so that it can misbehave to the byte.
// Speaks what reference/namerd-and-linkerd.md 1.4 to 1.6 describes, or what `behaviour` says.
import {
  type Behaviour,
  chunk,
  encode,
  type FakeRequest,
  parseRequest,
  STREAM_END,
  STREAM_HEAD,
  statusAnswer,
  wholeAnswer,
} from "./fake-namerd-http.ts";
import { type FakeAnswer, FakeNames, type FakeTree, type Question } from "./fake-namerd-names.ts";

interface Connection {
  head: string;
  /** Bytes that the kernel did not take yet. */
  unsent: Uint8Array[];
  closeWhenSent: boolean;
  stream: Watcher | undefined;
}

/** A stream, or a poll that is held while its name is pending. */
interface Watcher {
  readonly question: Question;
  readonly socket: Socket;
  /** Of the value that was told last. */
  lastKey: string;
}

type Socket = Bun.Socket<Connection>;

/** A namerd under the control of a test. Names that nobody set are `neg`. */
export class FakeNamerd implements Disposable {
  /** What it answers; for the rest it has a 404. An old server knows `resolve` only. */
  calls: readonly string[] = ["bind", "addr", "resolve"];
  /** false: `watch` is ignored, and each request gets one value. */
  streaming = true;
  /** What requests get: for all of them, or chosen for each. */
  behaviour: Behaviour | ((request: FakeRequest) => Behaviour) = { kind: "normal" };
  /** All requests so far. */
  readonly requests: FakeRequest[] = [];
  /** Most streams that were open at a time for one name. */
  mostStreams = 0;

  readonly #names = new FakeNames();
  readonly #connections = new Set<Socket>();
  readonly #held = new Set<Watcher>();
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

  /**
   * Changes the addresses of a bound id, or of a name that is then bound to one leaf: `/svc/web` to `/#/fake/svc/web`.
   * Watchers are told, polls that were held are answered.
   */
  set(name: string, answer: FakeAnswer, namespace = "default"): void {
    this.#names.setAddresses(namespace, name, answer);
    this.#tellAll();
  }

  /** Changes what a name is bound to; the addresses are those of the ids. */
  setTree(name: string, tree: FakeTree, namespace = "default"): void {
    this.#names.setTree(namespace, name, tree);
    this.#tellAll();
  }

  /** Shorthand for `set` with a bound answer: `"10.0.0.1:80"` and so on, IPv4 only. */
  bind(path: string, ...addresses: readonly string[]): void {
    const addrs = addresses.map((address) => {
      const [ip = "", port = ""] = address.split(":");
      return { ip, port: Number(port) };
    });
    this.set(path, { type: "bound", addrs });
  }

  /** Sends lines as they are to all streams of a name. */
  say(path: string, ...lines: readonly string[]): void {
    const bytes = chunk(lines.map((line) => `${line}\n`).join(""));
    for (const watcher of this.#watchers(path)) this.#send(watcher.socket, bytes);
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

  #watchers(path?: string): Watcher[] {
    return [...this.#connections]
      .map((socket) => socket.data.stream)
      .filter(
        (it): it is Watcher => it !== undefined && (path ?? it.question.path) === it.question.path,
      );
  }

  #tellAll(): void {
    for (const watcher of this.#watchers()) this.#push(watcher);
    for (const held of this.#held) {
      const value = this.#names.valueOf(held.question);
      if (value === undefined) continue;
      this.#held.delete(held);
      this.#send(held.socket, wholeAnswer(value.line));
    }
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
    if (!this.calls.includes(request.call)) this.#send(socket, statusAnswer(404));
    else if (now.kind === "normal") this.#answer(socket, request);
    else this.#misbehave(socket, request, now);
  }

  #answer(socket: Socket, request: FakeRequest): void {
    const watcher: Watcher = { question: questionOf(request), socket, lastKey: "" };
    if (request.watch && this.streaming) {
      socket.data.stream = watcher;
      const alike = this.#watchers(request.path).filter((it) => it.question.call === request.call);
      this.mostStreams = Math.max(this.mostStreams, alike.length);
      this.#send(socket, encode(STREAM_HEAD));
      return this.#push(watcher);
    }
    const value = this.#names.valueOf(watcher.question);
    // namerd withholds its answer while a name is pending.
    if (value === undefined) this.#held.add(watcher);
    else this.#send(socket, wholeAnswer(value.line));
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
        const whole = wholeAnswer(this.#lineFor(request));
        const end = whole.indexOf("{".charCodeAt(0)) + how.bytes;
        return this.#send(socket, whole.subarray(0, end), how.then === "close");
      }
      case "split":
        return this.#split(socket, encode(this.#lineFor(request)), how.bytes);
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

  #lineFor(request: FakeRequest): string {
    return this.#names.valueOf(questionOf(request))?.line ?? "";
  }

  #push(watcher: Watcher): void {
    const value = this.#names.valueOf(watcher.question);
    // Equal values in a row are told once.
    if (value === undefined || watcher.lastKey === value.key) return;
    watcher.lastKey = value.key;
    this.#send(watcher.socket, chunk(value.line));
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

function questionOf({ call, namespace, path }: FakeRequest): Question {
  return { call, namespace, path, drawn: undefined };
}
