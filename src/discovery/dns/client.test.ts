import { beforeEach, describe, expect, test } from "bun:test";
import { getEventListeners } from "node:events";
import fc from "fast-check";
import { a, FakeDns, type FakeQuery, settle, soa } from "../../../test/support/fake-dns.ts";
import { FakeClock } from "../../../test/support/fake-clock.ts";
import type { DnsAnswer } from "./answer.ts";
import { DnsClient, type DnsSettings } from "./client.ts";
import type { Question } from "./message.ts";

const WEB: Question = { name: "web.test", type: "A" };
const FIRST = { ip: "10.0.0.53", port: 53 };
const SECOND = { ip: "10.0.0.54", port: 53 };
const FOUND = { answers: [a("web.test", "10.1.1.1", 30)] };

let dns: FakeDns;
let clock: FakeClock;
let settings: DnsSettings;
let client: DnsClient;
let answers: DnsAnswer[];

beforeEach(() => {
  dns = new FakeDns();
  clock = new FakeClock();
  settings = { servers: [FIRST, SECOND], timeoutMs: 2_000, attempts: 2 };
  client = new DnsClient({ transport: dns, clock, settings: () => settings });
  answers = [];
});

/** Asks; the answer goes to `answers`. */
async function begin(question = WEB, signal?: AbortSignal): Promise<FakeQuery> {
  void client.query(question, signal).then((answer) => answers.push(answer));
  await settle();
  return dns.last;
}
const asked = (): string[] => dns.queries.map(({ via, server }) => `${via} ${server.ip}`);
const expectQuiet = (): void => {
  expect({ sockets: dns.open, timers: clock.pending }).toEqual({ sockets: 0, timers: 0 });
};

describe("DnsClient", () => {
  test("asks the first server over UDP and gives its answer", async () => {
    const query = await begin();
    expect({ question: query.question, edns: query.edns }).toEqual({
      question: "A web.test",
      edns: true,
    });
    query.reply(FOUND);
    await settle();
    expect(answers).toMatchObject([{ state: "found", ttlMs: 30_000 }]);
    expect(asked()).toEqual(["udp 10.0.0.53"]);
    expectQuiet();
  });

  test.each([
    ["nxdomain", { rcode: 3, authorities: [soa("test", 60, 5)] }, 5_000],
    ["nodata", {}, undefined],
  ])("asks no other server after %s", async (state, reply, ttlMs) => {
    (await begin()).reply(reply);
    await settle();
    expect(answers).toEqual([{ state: state === "nodata" ? "nodata" : "nxdomain", ttlMs }]);
    expect(dns.queries.length).toBe(1);
  });

  test("does not notice what is no answer to its question", async () => {
    const query = await begin();
    query.reply({ ...FOUND, id: query.id ^ 1 });
    query.reply({ ...FOUND, questions: [{ name: "evil.test", type: "A" }] });
    query.reply({ ...FOUND, questions: [{ name: "web.test", type: "AAAA" }] });
    query.reply({ ...FOUND, questions: [] });
    query.reply({ ...FOUND, questions: [WEB, WEB] });
    const own = query.encode(FOUND);
    own[2] = 0;
    query.send(own);
    query.send(new Uint8Array());
    await settle();
    expect(answers).toEqual([]);
    query.reply({ ...FOUND, questions: [{ name: "WEB.Test", type: "A" }] });
    await settle();
    expect(answers).toMatchObject([{ state: "found" }]);
  });

  test("no datagram that another has sent ends a question", async () => {
    const query = await begin();
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc.nat(65_535).map((id) => Uint8Array.from(query.encode({ ...FOUND, id }))),
    );
    fc.assert(
      fc.property(bytes, (datagram) => {
        // One in 65,536 has the right id.
        if ((((datagram[0] ?? 0) << 8) | (datagram[1] ?? 0)) === query.id) return;
        query.send(datagram);
      }),
      { numRuns: 1_000 },
    );
    await settle();
    expect(answers).toEqual([]);
    query.reply(FOUND);
    await settle();
    expect(answers.length).toBe(1);
  });

  test("draws ids that differ", async () => {
    for (let index = 0; index < 30; index++) await begin();
    expect(new Set(dns.queries.map(({ id }) => id)).size).toBeGreaterThan(25);
  });

  test("asks the next server when one is silent, and gives up after all attempts", async () => {
    await begin();
    for (let step = 0; step < 4; step++) {
      expect(answers).toEqual([]);
      clock.advance(2_000);
      await settle();
    }
    expect(asked()).toEqual(["udp 10.0.0.53", "udp 10.0.0.54", "udp 10.0.0.53", "udp 10.0.0.54"]);
    expect(answers).toEqual([
      {
        state: "failed",
        answered: false,
        cause:
          "the name server 10.0.0.53:53 did not answer within 2000 ms; " +
          "the name server 10.0.0.54:53 did not answer within 2000 ms",
      },
    ]);
    expectQuiet();
  });

  test("asks the next server when one refuses, cannot be reached or cannot be understood", async () => {
    settings = { ...settings, servers: [FIRST, SECOND, { ip: "::1", port: 5353 }], attempts: 1 };
    (await begin()).reply({ rcode: 2 });
    await settle();
    dns.last.fail("ECONNREFUSED");
    await settle();
    dns.last.send(dns.last.encode(FOUND).subarray(0, 20));
    await settle();
    expect(answers).toEqual([
      {
        state: "failed",
        answered: true,
        cause:
          "the name server 10.0.0.53:53 answered SERVFAIL; " +
          "the name server 10.0.0.54:53 cannot be asked (ECONNREFUSED); " +
          "the name server [::1]:5353 sent a malformed answer (Cannot decode name (buffer overflow))",
      },
    ]);
  });

  test("begins with the server that answered last", async () => {
    (await begin()).fail("ECONNREFUSED");
    await settle();
    dns.last.reply(FOUND);
    await settle();
    (await begin()).reply(FOUND);
    expect(asked()).toEqual(["udp 10.0.0.53", "udp 10.0.0.54", "udp 10.0.0.54"]);
  });

  test("asks over TCP when the answer was cut off", async () => {
    (await begin()).reply({ truncated: true });
    await settle();
    dns.last.reply(FOUND);
    await settle();
    expect(asked()).toEqual(["udp 10.0.0.53", "tcp 10.0.0.53"]);
    expect(answers).toMatchObject([{ state: "found" }]);
    expectQuiet();
  });

  test("asks the next server when TCP fails, or cuts off too", async () => {
    settings = { ...settings, attempts: 1 };
    (await begin()).reply({ truncated: true });
    await settle();
    dns.last.fail("ECONNREFUSED");
    await settle();
    dns.last.reply({ truncated: true });
    await settle();
    dns.last.reply({ truncated: true });
    await settle();
    expect(asked()).toEqual(["udp 10.0.0.53", "tcp 10.0.0.53", "udp 10.0.0.54", "tcp 10.0.0.54"]);
    expect(answers).toMatchObject([{ state: "failed" }]);
  });

  test.each([1, 4])("leaves EDNS out for a server that answers %p", async (rcode) => {
    (await begin()).reply({ rcode, questions: [] });
    await settle();
    expect(dns.last.edns).toBe(false);
    dns.last.reply(FOUND);
    await settle();
    expect(asked()).toEqual(["udp 10.0.0.53", "udp 10.0.0.53"]);
    expect(answers).toMatchObject([{ state: "found" }]);
  });

  test("says so when there is no server", async () => {
    settings = { ...settings, servers: [] };
    expect(await client.query(WEB)).toEqual({
      state: "failed",
      cause: "there is no name server",
      answered: false,
    });
  });

  test("asks those servers that are set now", async () => {
    (await begin()).reply(FOUND);
    settings = { ...settings, servers: [SECOND] };
    await begin();
    expect(asked()).toEqual(["udp 10.0.0.53", "udp 10.0.0.54"]);
  });

  test("an abort ends a question at once and leaves nothing behind", async () => {
    const abort = new AbortController();
    await begin(WEB, abort.signal);
    abort.abort();
    await settle();
    expect(answers).toMatchObject([{ state: "failed", cause: "the question was withdrawn" }]);
    expectQuiet();
    await begin(WEB, abort.signal);
    expect(dns.queries.length).toBe(1);
  });

  test("has 32 questions under way at a time, and asks the others in their turn", async () => {
    for (let index = 0; index < 100; index++) await begin();
    expect(dns.open).toBe(32);
    // Those that come while others end do not come on top.
    for (let round = 0; round < 40; round++) {
      dns.queries.find(({ open }) => open)?.reply(FOUND);
      await begin();
      expect(dns.open).toBe(32);
    }
    dns.answering = (query) => query.reply(FOUND);
    for (const query of dns.queries.filter(({ open }) => open)) query.reply(FOUND);
    for (let turn = 0; turn < 10; turn++) await settle();
    expect(answers.length).toBe(140);
    expect(dns.queries.length).toBe(140);
    expectQuiet();
    await begin();
    expect(answers.length).toBe(141);
  });

  test("leaves nothing on a signal that lives on", async () => {
    const { signal } = new AbortController();
    dns.answering = (query) => query.reply(FOUND);
    for (let index = 0; index < 3; index++) await begin(WEB, signal);
    expect(answers.length).toBe(3);
    expect(getEventListeners(signal, "abort").length).toBe(0);
  });
});
