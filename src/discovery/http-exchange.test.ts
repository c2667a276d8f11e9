import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { until } from "../../test/support/until.ts";
import type { Cancel } from "../lib/clock.ts";
import { type ExchangeEnd, HttpExchange, REASON_MS } from "./http-exchange.ts";

const TIMEOUT_MS = 5_000;

/** A server that answers each request with these bytes, and keeps the connection open until it is told otherwise. */
let answer: Uint8Array;
let server: Bun.TCPSocketListener<undefined>;
let open: Set<Bun.Socket<undefined>>;
/** Requests that have come, or parts of them. */
let asked: number;
let clock: RecordingClock;

/** A fake clock that tells what was asked of it. */
class RecordingClock extends FakeClock {
  readonly delaysMs: number[] = [];

  override after(delayMs: number, run: () => void): Cancel {
    this.delaysMs.push(delayMs);
    return super.after(delayMs, run);
  }
}

beforeEach(() => {
  clock = new RecordingClock();
  open = new Set();
  asked = 0;
  server = Bun.listen<undefined>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open: (socket) => void open.add(socket),
      data: (socket) => {
        asked += 1;
        socket.write(answer);
      },
      close: (socket) => void open.delete(socket),
      error() {},
    },
  });
});

afterEach(async () => {
  await until("no connection", () => open.size === 0);
  server.stop(true);
  expect(clock.pending).toBe(0);
});

function answerWith(head: string, body: string | Uint8Array = ""): void {
  answer = Buffer.concat([Buffer.from(`HTTP/1.1 ${head}\r\n\r\n`), Buffer.from(body)]);
}

function withLength(status: number, body: string | Uint8Array): void {
  answerWith(`${status} Scripted\r\nContent-Length: ${Buffer.from(body).length}`, body);
}

/** What an exchange comes to. */
class Exchange {
  readonly ends: ExchangeEnd[] = [];
  readonly exchange: HttpExchange;

  constructor() {
    const url = `http://127.0.0.1:${server.port}/`;
    const options = {
      url,
      peer: "Consul",
      framing: "body",
      whole: true,
      timeoutMs: TIMEOUT_MS,
      clock,
    } as const;
    this.exchange = new HttpExchange(options, {
      head: () => expect.unreachable(),
      text: () => expect.unreachable(),
      end: (end) => void this.ends.push(end),
    });
  }

  async end(): Promise<ExchangeEnd | undefined> {
    await until("its end", () => this.ends.length > 0);
    return this.ends[0];
  }
}

const refused = (status: number, reason = ""): ExchangeEnd => ({
  how: "failed",
  cause: `Consul answered with HTTP status ${status}${reason}`,
  status,
});

describe("an answer that is none, of HttpExchange", () => {
  test.each<[string, string | Uint8Array, string]>([
    ["a text", "No cluster leader\n", ": No cluster leader"],
    ["no text", "", ""],
    ["white space", " \r\n ", ""],
    ["lines", '{\n  "message": "denied"\n}\n', ': {   "message": "denied" }'],
    ["a long text", "x".repeat(70_000), `: ${"x".repeat(200)}...`],
    ["control characters", "a\u001b[31mb\u0000", ": a [31mb"],
    ["nothing but those", "\u0000\u0001\u0002", ""],
    ["bytes that are no text", new Uint8Array([0xff, 0x41, 0xfe]), ": \ufffdA\ufffd"],
    ["the beginning of a character", new Uint8Array([0x41, 0xe2, 0x82]), ": A"],
  ])("is told with %s", async (_, body, reason) => {
    withLength(500, body);
    expect(await new Exchange().end()).toEqual(refused(500, reason));
  });

  test.each([301, 403, 404, 429, 503])("is told with its status %d", async (status) => {
    withLength(status, "because");
    expect(await new Exchange().end()).toEqual(refused(status, ": because"));
  });

  test("is told without a body where there can be none", async () => {
    answerWith("204 No Content");
    expect(await new Exchange().end()).toEqual(refused(204));
  });

  test("is told with the first piece of a body without an end, at once", async () => {
    answerWith("404 Not Found\r\nTransfer-Encoding: chunked", "9\r\nunknown n\r\n");
    expect(await new Exchange().end()).toEqual(refused(404, ": unknown n"));
  });

  /** Until the exchange waits for the body, for so long. */
  const waitsFor = (delayMs: number): Promise<void> =>
    until("a wait for the body", () => clock.delaysMs.at(-1) === delayMs);

  test("is told without what a body never says, after a short time", async () => {
    answerWith("404 Not Found\r\nTransfer-Encoding: chunked");
    const one = new Exchange();
    await waitsFor(REASON_MS);
    expect(clock.pending).toBe(1);
    clock.advance(REASON_MS - 1);
    expect(one.ends).toEqual([]);
    clock.advance(1);
    expect(one.ends).toEqual([refused(404)]);
  });

  test("is told with what comes a little later", async () => {
    answerWith("500 Scripted\r\nContent-Length: 5");
    const one = new Exchange();
    await waitsFor(REASON_MS);
    clock.advance(REASON_MS - 1);
    for (const socket of open) socket.write("later");
    expect(await one.end()).toEqual(refused(500, ": later"));
  });

  test("waits no longer for its body than for the whole answer", async () => {
    answer = Buffer.alloc(0);
    const one = new Exchange();
    await until("a request", () => asked === 1);
    clock.advance(TIMEOUT_MS - 20);
    answerWith("500 Scripted\r\nContent-Length: 5");
    for (const socket of open) socket.write(answer);
    await waitsFor(20);
    clock.advance(20);
    expect(one.ends).toEqual([refused(500)]);
  });

  test("is told when the connection breaks in its body", async () => {
    answerWith("500 Scripted\r\nContent-Length: 5");
    const one = new Exchange();
    await waitsFor(REASON_MS);
    for (const socket of open) socket.terminate();
    expect(await one.end()).toEqual(refused(500));
  });

  test("leaves nothing behind when it is closed in its body", async () => {
    answerWith("500 Scripted\r\nContent-Length: 5");
    for (let n = 0; n < 30; n++) {
      const one = new Exchange();
      await turns(n);
      one.exchange.close();
      expect(clock.pending).toBe(0);
      clock.advance(TIMEOUT_MS);
      expect(one.ends).toEqual([]);
    }
  });

  test("is told in one line, whatever the bytes", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (body) => {
        withLength(500, body);
        const end = await new Exchange().end();
        expect(end).toMatchObject({ how: "failed", status: 500 });
        const cause = end?.how === "failed" ? end.cause : "";
        expect(cause).toMatch(/^Consul answered with HTTP status 500(: [^\p{Cc}\p{Zl}\p{Zp}]+)?$/u);
        expect(cause.length).toBeLessThan(250);
      }),
      { numRuns: 100 },
    );
  });
});

function turns(count: number): Promise<void> {
  let left = count;
  return until(`${count} turns`, () => left-- <= 0);
}
