import { describe, expect, test } from "bun:test";
import { type Answer, encode } from "dns-packet";
import { a, cname, soa, srv } from "../../../test/support/fake-dns.ts";
import { answerOf, type MessageAnswer } from "./answer.ts";
import { parseMessage, type Question } from "./message.ts";

const WEB: Question = { name: "Web.Test.", type: "A" };

function answer(
  answers: Answer[],
  { rcode = 0, authorities = [] as Answer[], additionals = [] as Answer[], question = WEB } = {},
): MessageAnswer {
  const bytes = encode({ type: "response", flags: rcode, answers, authorities, additionals });
  const parsed = parseMessage(bytes);
  if (!parsed.ok) throw new Error(parsed.problem);
  return answerOf(parsed.message, question);
}

const ips = (result: MessageAnswer): unknown =>
  result.state === "found"
    ? result.records.map((it) => (it.type === "A" ? it.ip : it.type))
    : result.state;

describe("answerOf()", () => {
  test("gives all records of the name and the type, and the shortest time to live", () => {
    const result = answer([a("WEB.test", "10.0.0.1", 30), a("web.test", "10.0.0.2", 20)]);
    expect(ips(result)).toEqual(["10.0.0.1", "10.0.0.2"]);
    expect(result).toMatchObject({ ttlMs: 20_000 });
  });

  test("leaves out records of other names and other types", () => {
    const records = [
      a("other.test", "10.0.0.9"),
      srv("web.test", "x.test"),
      a("web.test", "10.0.0.1"),
    ];
    expect(ips(answer(records))).toEqual(["10.0.0.1"]);
  });

  test("follows aliases in any order, and heeds their times to live", () => {
    const result = answer([
      a("c.test", "10.0.0.1", 60),
      cname("b.test", "C.test", 5),
      cname("web.test", "b.test", 50),
    ]);
    expect(ips(result)).toEqual(["10.0.0.1"]);
    expect(result).toMatchObject({ ttlMs: 5_000 });
  });

  test.each([
    ["lead in a circle", [cname("web.test", "b.test"), cname("b.test", "web.test")]],
    ["lead to themselves", [cname("web.test", "web.test")]],
    ["lead out of the answer", [cname("web.test", "elsewhere.test")]],
  ])("aliases that %s are no data", (_, records) => {
    expect(answer(records)).toEqual({ state: "nodata", ttlMs: undefined });
  });

  test("takes the negative time to live from the SOA, the shorter of its two", () => {
    const authorities = [soa("test", 600, 30)];
    expect(answer([], { authorities })).toEqual({ state: "nodata", ttlMs: 30_000 });
    expect(answer([], { authorities: [soa("test", 10, 30)], rcode: 3 })).toEqual({
      state: "nxdomain",
      ttlMs: 10_000,
    });
  });

  test("an alias of a name that does not exist does not exist", () => {
    expect(answer([cname("web.test", "gone.test")], { rcode: 3 }).state).toBe("nxdomain");
  });

  test("names the error of a server", () => {
    expect(answer([], { rcode: 2 })).toEqual({ state: "refused", error: "SERVFAIL" });
    expect(answer([a("web.test", "10.0.0.1")], { rcode: 5 })).toEqual({
      state: "refused",
      error: "REFUSED",
    });
  });

  test("gives addresses along that came along", () => {
    const question: Question = { name: "_x._tcp.test", type: "SRV" };
    const additionals = [a("b.test", "10.0.0.2", 3), cname("c.test", "d.test")];
    const result = answer([srv("_x._tcp.test", "b.test")], { additionals, question });
    expect(result).toMatchObject({
      state: "found",
      additionals: [{ type: "A", name: "b.test", ip: "10.0.0.2", ttlMs: 3_000 }],
    });
  });
});
