import { beforeEach, describe, expect, test } from "bun:test";
import { FakeClock } from "../../../test/support/fake-clock.ts";
import { a, aaaa, FakeDns, soa } from "../../../test/support/fake-dns.ts";
import type { HostAnswer, HostLookup } from "../host-lookup.ts";
import { parseHostsFile } from "./hosts-file.ts";
import { parseResolvConf } from "./resolv-conf.ts";
import { candidates, systemLookup } from "./system-lookup.ts";

const UNKNOWN: HostAnswer = { state: "unknown" };
const NXDOMAIN = { rcode: 3, authorities: [soa("test", 60, 20)] };

let dns: FakeDns;
let clock: FakeClock;
let resolvConf: string;
let fallback: HostAnswer;
let fellBack: string[];
let lookup: HostLookup;

beforeEach(() => {
  dns = new FakeDns();
  clock = new FakeClock();
  resolvConf = "nameserver 10.0.0.53\nsearch a.test b.test\noptions attempts:1";
  fallback = UNKNOWN;
  fellBack = [];
  lookup = systemLookup({
    clock,
    transport: dns,
    fallback: async (host) => {
      fellBack.push(host);
      return fallback;
    },
    hosts: async () => parseHostsFile("10.9.9.9 Known.test known\n::9 known"),
    resolvConf: async () => parseResolvConf(resolvConf),
  });
});

const questions = (): string[] => dns.queries.map(({ question }) => question);

describe("systemLookup()", () => {
  test("gives all addresses from DNS, with the shortest time to live", async () => {
    dns.serve({
      "A web.test": { answers: [a("web.test", "10.0.0.1", 30), a("web.test", "10.0.0.2", 40)] },
      "AAAA web.test": { answers: [aaaa("web.test", "::1", 20)] },
    });
    expect(await lookup("web.test")).toEqual({
      state: "found",
      ips: ["10.0.0.1", "10.0.0.2", "::1"],
      ttlMs: 20_000,
    });
    expect(fellBack).toEqual([]);
  });

  test("asks nobody for addresses, and the hosts file first", async () => {
    expect(await lookup("[::0001]")).toEqual({ state: "found", ips: ["::1"] });
    expect(await lookup("KNOWN.Test.")).toEqual({ state: "found", ips: ["10.9.9.9"] });
    expect(await lookup("known")).toEqual({ state: "found", ips: ["10.9.9.9", "::9"] });
    expect(questions()).toEqual([]);
  });

  test.each(["127.1", "0x7f000001", "10.1.", "a b", "x".repeat(300), "a..b"])(
    "leaves %p, which is no name, to the system",
    async (host) => {
      fallback = { state: "found", ips: ["127.0.0.1"] };
      expect(await lookup(host)).toEqual(fallback);
      expect(questions()).toEqual([]);
    },
  );

  test("tries a short name with the search domains first, one by one", async () => {
    dns.serve({
      "A web.a.test": NXDOMAIN,
      "AAAA web.a.test": NXDOMAIN,
      "A web.b.test": { answers: [a("web.b.test", "10.0.0.1")] },
    });
    expect(await lookup("web")).toMatchObject({ state: "found", ips: ["10.0.0.1"] });
    expect(questions()).toEqual([
      "A web.a.test",
      "AAAA web.a.test",
      "A web.b.test",
      "AAAA web.b.test",
    ]);
  });

  test("asks the system after DNS has said no, and knows how long that no is good for", async () => {
    dns.answering = (query) => query.reply(NXDOMAIN);
    expect(await lookup("printer.local")).toEqual({ state: "unknown", ttlMs: 20_000 });
    fallback = { state: "found", ips: ["10.0.0.7"] };
    expect(await lookup("printer.local")).toEqual(fallback);
    expect(fellBack).toEqual(["printer.local", "printer.local"]);
    fallback = { state: "failed", cause: "EAI_AGAIN" };
    expect(await lookup("printer.local")).toEqual({ state: "unknown", ttlMs: 20_000 });
  });

  test("asks the system when there is no server, or none that answers", async () => {
    fallback = { state: "found", ips: ["10.0.0.7"] };
    resolvConf = "";
    expect(await lookup("web.test")).toEqual(fallback);
    resolvConf = "nameserver 10.0.0.53";
    dns.answering = (query) => query.fail("ECONNREFUSED");
    expect(await lookup("web.test")).toEqual(fallback);
    fallback = { state: "failed", cause: "EAI_AGAIN" };
    expect(await lookup("web.test")).toEqual({
      state: "failed",
      cause: expect.stringContaining("10.0.0.53:53 cannot be asked (ECONNREFUSED)"),
    });
    expect(clock.pending).toBe(0);
  });

  test("does not ask for further names when the servers are silent, but when they refuse", async () => {
    dns.answering = (query) => query.fail("ECONNREFUSED");
    await lookup("web");
    expect(questions()).toEqual(["A web.a.test", "AAAA web.a.test"]);
    dns.answering = (query) => query.reply({ rcode: 2 });
    await lookup("web");
    expect(questions().length).toBe(2 + 6);
  });

  test.each([
    ["A", { state: "found", ips: ["10.0.0.1"], ttlMs: 60_000 }],
    ["AAAA", UNKNOWN],
  ])("where only %s is answered", async (type, expected) => {
    dns.answering = (query) => {
      if (!query.question.startsWith(`${type} `)) return query.reply({ rcode: 2 });
      query.reply({ answers: [a("web.test", "10.0.0.1"), aaaa("web.test", "::1")] });
    };
    expect(await lookup("web.test")).toEqual(expected as HostAnswer);
  });
});

describe("candidates()", () => {
  test.each([
    ["web", ["web.a.test", "web.b.test", "web"]],
    ["web.x", ["web.x", "web.x.a.test", "web.x.b.test"]],
    ["web.", ["web."]],
    ["x".repeat(60), [`${"x".repeat(60)}.a.test`, `${"x".repeat(60)}.b.test`, "x".repeat(60)]],
  ])("of %p", (host, expected) => {
    const names = candidates(host, { search: ["a.test", "b.test"], ndots: 1 });
    expect(names).toEqual(expected);
  });

  test("heeds ndots", () => {
    const conf = { search: ["s"], ndots: 5 };
    expect(candidates("a.b.c", conf)).toEqual(["a.b.c.s", "a.b.c"]);
    expect(candidates("a.b", { ...conf, ndots: 0 })).toEqual(["a.b", "a.b.s"]);
  });
});
