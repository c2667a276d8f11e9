// The interpreter against a namerd that shares no code with this project: one on the HTTP server of Python.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { until } from "../../../test/support/until.ts";
import { FakeClock } from "../../../test/support/fake-clock.ts";
import { namerdInterpreter, PERIOD_MS, TIMEOUT_MS } from "../../../test/support/namerd-scene.ts";
import type { Resolution } from "../../naming/resolution.ts";
import type { Binding, Interpreter } from "../interpreter.ts";

// Its arguments: the version of HTTP, and the calls that it knows. Answers come on its standard input, one a line, as a
// call, a path and the answer; "end" ends all streams. Its first line of output is its port.
const PEER = `
import http.server, sys, threading, urllib.parse
version, known = sys.argv[1], sys.argv[2].split(",")
changed = threading.Condition()
answers = {}

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = version
    def log_message(self, *args): pass
    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query)
        call, _, namespace = url.path.removeprefix("/api/1/").partition("/")
        if call not in known or namespace != "default": return self.send_error(404)
        told = answers.setdefault((call, query["path"][0]), [])
        if version == "HTTP/1.0" or query.get("watch") != ["true"]: return self.once(told)
        self.send_response(200)
        if call == "resolve": self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        seen = max(0, len(told) - 1)
        while True:
            with changed:
                changed.wait_for(lambda: len(told) > seen)
                answer = told[seen]
            seen += 1
            if answer == "end": return self.wfile.write(b"0\\r\\n\\r\\n")
            body = answer.encode() + b"\\n"
            self.wfile.write(b"%x\\r\\n%s\\r\\n" % (len(body), body))
    def once(self, told):
        with changed: changed.wait_for(lambda: told)
        body = told[-1].encode() + b"\\n"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *args):
        if not isinstance(sys.exc_info()[1], ConnectionError): super().handle_error(*args)

server = Server(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
for line in sys.stdin:
    call, _, rest = line.strip().partition(" ")
    with changed:
        if call == "end":
            for told in answers.values(): told.append("end")
        else:
            path, _, answer = rest.partition(" ")
            answers.setdefault((call, path), []).append(answer)
        changed.notify_all()
`;

const python = Bun.which("python3");
const inCi = process.env["CI"] !== undefined;
const A = "/#/io.l5d.fs/a";
const B = "/%/io.l5d.port/80/#/io.l5d.fs/b";

// In CI a missing peer is a failure, elsewhere it is told as a skipped test.
describe.skipIf(python === null && !inCi)("NamerdInterpreter and a peer in python3", () => {
  let peer: Bun.Subprocess<"pipe", "pipe", "inherit"> | undefined;
  let clock: FakeClock;
  let abort: AbortController;
  let interpreter: Interpreter;
  let bindings: Binding[];
  /** By id. */
  let reports: Map<string, Resolution[]>;

  beforeEach(() => {
    clock = new FakeClock();
    abort = new AbortController();
    bindings = [];
    reports = new Map();
  });

  afterEach(() => {
    abort.abort();
    peer?.kill();
    expect(clock.pending).toBe(0);
  });

  async function start(protocol: string, ...calls: readonly string[]): Promise<void> {
    if (python === null) throw new Error("python3 must be installed");
    const started = Bun.spawn([python, "-c", PEER, protocol, calls.join()], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
    peer = started;
    const { value } = await started.stdout.getReader().read();
    const port = Number(new TextDecoder().decode(value));
    interpreter = namerdInterpreter(`http://127.0.0.1:${port}`, clock);
  }

  function say(...words: readonly string[]): void {
    peer?.stdin.write(`${words.join(" ")}\n`);
    peer?.stdin.flush();
  }

  function bind(): void {
    interpreter.bind("/svc/web", abort.signal, (it) => bindings.push(it));
  }

  function watch(id: string): void {
    const told: Resolution[] = [];
    reports.set(id, told);
    interpreter.addresses(id, abort.signal, (it) => told.push(it));
  }

  const addrs = (...ips: readonly string[]): string =>
    JSON.stringify({
      type: "bound",
      addrs: ips.map((ip) => ({ ip, port: 80, meta: { endpoint_addr_weight: 0.5 } })),
      meta: {},
    });
  const leaf = (id: string): string =>
    `{"type":"leaf","bound":{"addr":${addrs("10.0.0.1")},"id":"${id}","path":"/"}}`;
  const union = (a: number, b: number): string =>
    `{"type":"union","union":[{"weight":${a},"tree":${leaf(A)}},{"weight":${b},"tree":${leaf(B)}}]}`;

  const bindingIs = (...branches: readonly [string, number][]): Promise<void> =>
    until(`bound to ${branches.join()}`, () =>
      Bun.deepEquals(bindings.at(-1), {
        state: "bound",
        branches: branches.map(([id, weight]) => ({ id, weight })),
      }),
    );
  const isLast = (id: string, ...ips: readonly string[]): boolean =>
    Bun.deepEquals(reports.get(id)?.at(-1), {
      state: "bound",
      endpoints: ips.map((ip) => ({ ip, port: 80, weight: 0.5 })),
    });
  const boundTo = (id: string, ...ips: readonly string[]): Promise<void> =>
    until(`${id} at ${ips}`, () => isLast(id, ...ips));
  const neverFailed = (): boolean =>
    [...bindings, ...[...reports.values()].flat()].every((it) => it.state !== "failed");

  /** Lets a period pass, not much more: the answers of a busy machine are not late by the fake clock. */
  async function pollsUntil(condition: () => boolean): Promise<void> {
    const fromMs = clock.now();
    await until("the next polls", () => {
      if (clock.now() - fromMs < PERIOD_MS + TIMEOUT_MS / 2) clock.advance(100);
      return condition();
    });
    expect(clock.now() - fromMs).toBeGreaterThan(PERIOD_MS - 100);
  }

  test("follows a tree and the addresses of its branches", async () => {
    await start("HTTP/1.1", "bind", "addr", "resolve");
    say("bind", "/svc/web", union(3, 1));
    bind();
    await bindingIs([A, 0.75], [B, 0.25]);
    say("addr", A, addrs("10.0.0.1"));
    say("addr", B, addrs("10.0.0.2"));
    watch(A);
    watch(B);
    await boundTo(A, "10.0.0.1");
    await boundTo(B, "10.0.0.2");
    say("addr", B, addrs("10.0.0.2", "10.0.0.3"));
    await boundTo(B, "10.0.0.2", "10.0.0.3");
    say("bind", "/svc/web", leaf(B));
    await bindingIs([B, 1]);
    say("bind", "/svc/web", '{"type":"neg"}');
    await until("neg", () => bindings.at(-1)?.state === "neg");
    expect(neverFailed()).toBe(true);
  });

  test("takes its error line for a failure, and comes back", async () => {
    await start("HTTP/1.1", "bind", "addr", "resolve");
    say("bind", "/svc/web", leaf(A));
    bind();
    await bindingIs([A, 1]);
    say("bind", "/svc/web", "error");
    say("end");
    await until("the failure", () => bindings.at(-1)?.state === "failed");
    expect(bindings.at(-1)).toMatchObject({ cause: "namerd answered: error" });
    say("bind", "/svc/web", leaf(B));
    await until("the new stream", () => {
      clock.advance(10);
      return bindings.at(-1)?.state === "bound";
    });
    await bindingIs([B, 1]);
  });

  test("polls it where it speaks HTTP/1.0 and does not stream", async () => {
    await start("HTTP/1.0", "bind", "addr", "resolve");
    say("bind", "/svc/web", leaf(A));
    say("addr", A, addrs("10.0.0.1"));
    bind();
    watch(A);
    await bindingIs([A, 1]);
    await boundTo(A, "10.0.0.1");
    say("bind", "/svc/web", union(1, 1));
    say("addr", A, addrs("10.0.0.9"));
    await pollsUntil(() => isLast(A, "10.0.0.9") && Bun.inspect(bindings.at(-1)).includes(B));
    expect(neverFailed()).toBe(true);
  });

  test("asks it by resolve where it knows nothing else, and comes back when the stream ends", async () => {
    await start("HTTP/1.1", "resolve");
    say("resolve", "/svc/web", addrs("10.0.0.1"));
    bind();
    watch("/svc/web");
    await bindingIs(["/svc/web", 1]);
    await boundTo("/svc/web", "10.0.0.1");
    say("resolve", "/svc/web", addrs("10.0.0.2", "0:0:0:0:0:0:0:1"));
    await boundTo("/svc/web", "10.0.0.2", "::1");
    say("resolve", "/svc/web", '{"type":"neg"}');
    await until("neg", () => reports.get("/svc/web")?.at(-1)?.state === "neg");
    clock.advance(60_000);
    say("end");
    say("resolve", "/svc/web", addrs("10.0.0.3"));
    await until("the new stream", () => {
      clock.advance(10);
      return isLast("/svc/web", "10.0.0.3");
    });
    expect(neverFailed()).toBe(true);
  });

  test("polls resolve where it speaks HTTP/1.0 and knows nothing else", async () => {
    await start("HTTP/1.0", "resolve");
    say("resolve", "/svc/web", addrs("10.0.0.1"));
    watch("/svc/web");
    await boundTo("/svc/web", "10.0.0.1");
    say("resolve", "/svc/web", addrs("10.0.0.2"));
    await pollsUntil(() => isLast("/svc/web", "10.0.0.2"));
    expect(neverFailed()).toBe(true);
  });

  test("reports few of the answers of one that never pauses, and the last of them", async () => {
    await start("HTTP/1.1", "addr");
    say("addr", A, addrs("10.0.0.1"));
    watch(A);
    await boundTo(A, "10.0.0.1");
    const lines = Array.from({ length: 10_000 }, (_, n) => addrs(`10.1.${n >> 8}.${n & 255}`));
    say(lines.map((line) => `addr ${A} ${line}`).join("\n"));
    say("addr", A, addrs("10.0.0.7"));
    const fromMs = clock.now();
    await until("the last answer", () => {
      clock.advance(1);
      return isLast(A, "10.0.0.7");
    });
    const seconds = (clock.now() - fromMs) / 1_000;
    expect(reports.get(A)?.length).toBeLessThanOrEqual(21 + 20 * seconds);
    expect(neverFailed()).toBe(true);
  });
});
