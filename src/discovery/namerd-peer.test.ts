// The resolver against a namerd that shares no code with this project: one on the HTTP server of Python.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { until } from "../../test/support/until.ts";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { namerdResolver, PERIOD_MS } from "../../test/support/namerd-scene.ts";
import type { Resolution } from "../naming/resolution.ts";

// Answers come on its standard input, a line each; "end" ends all streams. Its first line of output is its port.
const PEER = `
import http.server, json, sys, threading, urllib.parse
changed = threading.Condition()
answers = []

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = sys.argv[1]
    def log_message(self, *args): pass
    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query)
        if url.path != "/api/1/resolve/default" or query.get("path") != ["/svc/web"]:
            return self.send_error(404)
        if sys.argv[1] == "HTTP/1.0" or query.get("watch") != ["true"]: return self.once()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        seen = max(0, len(answers) - 1)
        while True:
            with changed:
                changed.wait_for(lambda: len(answers) > seen)
                answer = answers[seen]
            seen += 1
            if answer == "end": return self.wfile.write(b"0\\r\\n\\r\\n")
            body = answer.encode() + b"\\n"
            self.wfile.write(b"%x\\r\\n%s\\r\\n" % (len(body), body))
    def once(self):
        body = answers[-1].encode() + b"\\n"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
for line in sys.stdin:
    with changed:
        answers.append(line.strip())
        changed.notify_all()
`;

const python = Bun.which("python3");
const inCi = process.env["CI"] !== undefined;

// In CI a missing peer is a failure, elsewhere it is told as a skipped test.
describe.skipIf(python === null && !inCi)("NamerdResolver and a peer in python3", () => {
  let peer: Bun.Subprocess<"pipe", "pipe", "inherit"> | undefined;
  let clock: FakeClock;
  let abort: AbortController;
  let reports: Resolution[];

  beforeEach(() => {
    clock = new FakeClock();
    abort = new AbortController();
    reports = [];
  });

  afterEach(() => {
    abort.abort();
    peer?.kill();
    expect(clock.pending).toBe(0);
  });

  async function watch(protocol: string, first: string): Promise<void> {
    if (python === null) throw new Error("python3 must be installed");
    const started = Bun.spawn([python, "-c", PEER, protocol], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
    peer = started;
    say(first);
    const { value } = await started.stdout.getReader().read();
    const port = Number(new TextDecoder().decode(value));
    const resolver = namerdResolver(`http://127.0.0.1:${port}`, clock);
    resolver.watch("/svc/web", abort.signal, (it) => reports.push(it));
  }

  function say(answer: string): void {
    peer?.stdin.write(`${answer}\n`);
    peer?.stdin.flush();
  }

  function bound(...ips: readonly string[]): string {
    return JSON.stringify({
      type: "bound",
      addrs: ips.map((ip) => ({ ip, port: 80, meta: { endpoint_addr_weight: 0.5 } })),
      meta: {},
    });
  }

  const becomes = (wanted: Resolution): Promise<void> =>
    until(JSON.stringify(wanted), () => Bun.deepEquals(reports.at(-1), wanted));
  const boundTo = (...ips: readonly string[]): Resolution => ({
    state: "bound",
    endpoints: ips.map((ip) => ({ ip, port: 80, weight: 0.5 })),
  });

  test("follows its stream, and comes back when it ends", async () => {
    await watch("HTTP/1.1", bound("10.0.0.1"));
    await becomes(boundTo("10.0.0.1"));
    say(bound("10.0.0.2", "0:0:0:0:0:0:0:1"));
    await becomes(boundTo("10.0.0.2", "::1"));
    say('{"type":"neg"}');
    await becomes({ state: "neg" });
    clock.advance(60_000);
    say("end");
    say(bound("10.0.0.3"));
    await until("the new stream", () => {
      clock.advance(10);
      return Bun.deepEquals(reports.at(-1), boundTo("10.0.0.3"));
    });
    expect(reports.every((it) => it.state !== "failed")).toBe(true);
  });

  test("polls it where it speaks HTTP/1.0 and does not stream", async () => {
    await watch("HTTP/1.0", bound("10.0.0.1"));
    await becomes(boundTo("10.0.0.1"));
    say(bound("10.0.0.2"));
    const fromMs = clock.now();
    await until("the next poll", () => {
      clock.advance(100);
      return Bun.deepEquals(reports.at(-1), boundTo("10.0.0.2"));
    });
    expect(clock.now() - fromMs).toBeGreaterThan(PERIOD_MS - 100);
    expect(reports.every((it) => it.state !== "failed")).toBe(true);
  });
});
