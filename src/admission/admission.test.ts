import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { admissions, limitsParts, perSource } from "../../test/support/limits.ts";
import type { LimitsConfig } from "../config/types.ts";
import type { Admission } from "./admission.ts";
import { changedServerLimits } from "./limits-memory.ts";
import { SharedLimits } from "./shared-limits.ts";
import { NO_TICKET, type Taken } from "./ticket.ts";

function setup(config: Partial<LimitsConfig>, workers = 1) {
  const clock = new FakeClock();
  const { all, ...rest } = admissions(config, clock, workers);
  const [admission] = all as [Admission];
  /** What becomes of a connection from each address: `in`, or why it is refused. */
  const outcome = (ip: string | undefined): string => {
    const answer = admission.admit(ip);
    return typeof answer === "string" ? answer : "in";
  };
  /** A connection that is let in: what it has taken. */
  const enter = (ip: string, by = admission): Taken => {
    const taken = { ticket: NO_TICKET, generation: 0 };
    const answer = by.admit(ip);
    if (typeof answer === "number") by.keep(taken, answer);
    return taken;
  };
  return { clock, all, admission, outcome, enter, ...rest };
}

describe("allow and deny", () => {
  test("deny wins, however narrow what is allowed; without allow all others are served", () => {
    const both = setup({ allow: ["10.0.0.0/8", "2001:db8::/32"], deny: ["10.6.0.0/16"] });
    const addresses = ["10.1.2.3", "10.6.6.6", "11.0.0.1", "2001:db8::1", "::1", "::ffff:10.6.0.1"];
    expect(addresses.map(both.outcome)).toEqual([
      "in",
      "denied",
      "denied",
      "in",
      "denied",
      "denied",
    ]);
    expect(both.limited()).toEqual({ "refused deny": 2, "refused allow": 2 });
    const narrow = setup({ allow: ["10.6.6.6/32"], deny: ["10.0.0.0/8"] });
    expect(["10.6.6.6", "10.1.1.1"].map(narrow.outcome)).toEqual(["denied", "denied"]);
    const open = setup({ deny: ["10.6.0.0/16"] });
    expect(["10.1.2.3", "10.6.6.6", "::1"].map(open.outcome)).toEqual(["in", "denied", "in"]);
  });

  test("do not concern a client whose address is not known", () => {
    const { outcome } = setup({ allow: ["10.0.0.0/8"], rate: { perSec: 1, burst: 1 } });
    expect([outcome(undefined), outcome(undefined)]).toEqual(["in", "rate_limited"]);
  });
});

describe("limits of sources", () => {
  test("hold for each source alone, and places come free", () => {
    const { admission, outcome, enter, limits } = setup({ perSource: perSource(2) });
    const first = enter("10.0.0.1");
    expect(["10.0.0.1", "10.0.0.1", "10.0.0.2"].map(outcome)).toEqual(["in", "source_limit", "in"]);
    admission.leave(first);
    expect(["10.0.0.1", "10.0.0.1"].map(outcome)).toEqual(["in", "source_limit"]);
    const shared = new SharedLimits(limits, 1);
    expect(shared.sources.busiest(1)[0]?.connections).toBe(2);
  });

  test("take addresses with the same prefix for one source", () => {
    const six = setup({ perSource: perSource(1) });
    expect(["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"].map(six.outcome)).toEqual([
      "in",
      "source_limit",
      "in",
    ]);
    const four = setup({ perSource: { ...perSource(1), ipv4PrefixLength: 24 } });
    expect(["10.0.0.1", "10.0.0.2", "10.0.1.1"].map(four.outcome)).toEqual([
      "in",
      "source_limit",
      "in",
    ]);
  });

  test("know a source's rate when it has no connection any more", () => {
    const { clock, admission, outcome, enter } = setup({
      perSource: perSource(Number.POSITIVE_INFINITY, { perSec: 10, burst: 2 }),
    });
    for (const ip of ["10.0.0.1", "10.0.0.1"]) admission.leave(enter(ip));
    expect(["10.0.0.1", "10.0.0.2"].map(outcome)).toEqual(["rate_limited", "in"]);
    clock.advance(100);
    expect(["10.0.0.1", "10.0.0.1"].map(outcome)).toEqual(["in", "rate_limited"]);
  });
});

describe("limits of networks", () => {
  const networks = [
    { cidr: "10.0.0.0/8", maxConnections: 3, rate: undefined },
    { cidr: "10.1.0.0/16", maxConnections: 2, rate: undefined },
    { cidr: "192.0.2.0/24", maxConnections: 9, rate: { perSec: 1, burst: 1 } },
  ];

  test("hold for a block as a whole; of blocks in each other all do", () => {
    const { outcome, limited } = setup({ networks });
    const clients = ["10.1.0.1", "10.1.0.2", "10.1.0.3", "10.2.0.1", "10.3.0.1", "11.0.0.1"];
    expect(clients.map(outcome)).toEqual(["in", "in", "source_limit", "in", "source_limit", "in"]);
    expect(["192.0.2.1", "192.0.2.2"].map(outcome)).toEqual(["in", "rate_limited"]);
    expect(limited()).toEqual({ "refused network_connections": 2, "refused network_rate": 1 });
  });

  test("are given back to all blocks around", () => {
    const { admission, outcome, enter } = setup({ networks, perSource: perSource(9) });
    const sessions = ["10.1.0.1", "10.1.0.2", "10.2.0.1"].map((ip) => enter(ip));
    for (const taken of sessions) admission.leave(taken);
    const again = ["10.1.0.1", "10.1.0.1", "10.2.0.1", "10.2.0.1"];
    expect(again.map(outcome)).toEqual(["in", "in", "in", "source_limit"]);
  });
});

describe("limits together", () => {
  test("take nothing of one for a connection that another refuses", () => {
    const { clock, outcome } = setup({
      rate: { perSec: 1, burst: 3 },
      perSource: perSource(1, { perSec: 1, burst: 2 }),
      networks: [{ cidr: "10.0.0.0/8", maxConnections: 2, rate: undefined }],
    });
    // A source at its limit does not use up what the server has for others.
    const greedy = Array.from({ length: 50 }, () => outcome("10.0.0.1"));
    expect(new Set(greedy.slice(1))).toEqual(new Set(["source_limit"]));
    expect(["10.0.0.2", "10.0.0.3", "11.0.0.1", "11.0.0.2"].map(outcome)).toEqual([
      "in",
      "source_limit",
      "in",
      "rate_limited",
    ]);
    clock.advance(1_000);
    expect(["11.0.0.2", "11.0.0.3"].map(outcome)).toEqual(["in", "rate_limited"]);
  });

  test("refuse nobody in a dry run, and count whom they would have refused", () => {
    const limits = { perSource: perSource(2), deny: ["10.6.0.0/16"] };
    const clients = ["10.0.0.1", "10.0.0.1", "10.0.0.1", "10.6.0.1", "10.0.0.1", "10.0.0.2"];
    const real = setup(limits);
    const dry = setup({ ...limits, dryRun: true });
    expect(clients.map(dry.outcome)).toEqual(clients.map(() => "in"));
    clients.map(real.outcome);
    expect(dry.limited()).toEqual({ "dry_run source_connections": 2, "dry_run deny": 1 });
    expect(real.limited()).toEqual({ "refused source_connections": 2, "refused deny": 1 });
  });

  test("of several workers let in no more than one would, whatever comes and goes, and whoever dies", () => {
    const step = fc.record({
      worker: fc.nat(2),
      ip: fc.constantFrom("10.0.0.1", "10.0.0.2", "10.1.0.1", "fd00::1", "fd00::2"),
      what: fc.constantFrom("come", "come", "come", "go", "die"),
      gapMs: fc.constantFrom(0, 0, 1, 40),
    });
    const config = {
      rate: { perSec: 50, burst: 5 },
      perSource: perSource(3),
      networks: [{ cidr: "10.0.0.0/8", maxConnections: 4, rate: undefined }],
    };
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
        const { clock, all, limits } = setup(config, 3);
        const control = new SharedLimits(limits, 3);
        let open: { worker: number; ip: string; taken: Taken }[] = [];
        const entered: number[] = [];
        const countOf = (prefix: string) => open.filter(({ ip }) => ip.startsWith(prefix)).length;
        for (const { worker, ip, what, gapMs } of steps) {
          clock.advance(gapMs);
          if (what === "come") {
            const before = [countOf(ip.includes(":") ? "fd00" : ip), countOf("10.")] as const;
            const ticket = all[worker]?.admit(ip);
            const isFull = before[0] >= 3 || (ip.startsWith("10.") && before[1] >= 4);
            if (isFull) expect(ticket).toBe("source_limit");
            if (typeof ticket !== "number") continue;
            entered.push(clock.now());
            const taken = { ticket: NO_TICKET, generation: 0 };
            all[worker]?.keep(taken, ticket);
            open.push({ worker, ip, taken });
          } else if (what === "go") {
            const index = open.findIndex((one) => one.worker === worker);
            const [left] = index < 0 ? [] : open.splice(index, 1);
            if (left !== undefined) all[worker]?.leave(left.taken);
          } else {
            control.workerDied(worker, clock.now());
            open = open.filter((one) => one.worker !== worker);
          }
          const counted = control.sources.busiest(9).reduce((sum, one) => sum + one.connections, 0);
          expect(counted).toBe(open.length);
        }
        entered.forEach((from, index) => {
          const within = entered.slice(index).filter((at) => at - from <= 100).length;
          expect(within).toBeLessThanOrEqual(5 + 5);
        });
      }),
    );
  });
});

describe("other limits for a running server", () => {
  test("go on to count where the counts mean the same", () => {
    const { admission, outcome, enter, limits } = setup({ perSource: perSource(3) });
    const sessions = [1, 2, 3].map(() => enter("10.0.0.1"));
    const parts = limitsParts({ perSource: perSource(2), deny: ["10.6.0.0/16"] });
    const changed = changedServerLimits(limits, parts);
    expect(changed.memory).toBe(limits.memory);
    admission.reconfigure(changed);
    expect(["10.0.0.1", "10.6.0.1"].map(outcome)).toEqual(["source_limit", "denied"]);
    for (const taken of sessions) admission.leave(taken);
    expect(["10.0.0.1", "10.0.0.1", "10.0.0.1"].map(outcome)).toEqual(["in", "in", "source_limit"]);
  });

  test("count anew where they do not, and take nothing from the new counts for old sessions", () => {
    const { admission, outcome, enter, limits } = setup({ perSource: perSource(1) });
    const before = enter("10.0.0.1");
    const wide = { ...perSource(1), ipv4PrefixLength: 24 };
    const changed = changedServerLimits(limits, limitsParts({ perSource: wide }));
    expect(changed.memory).not.toBe(limits.memory);
    admission.reconfigure(changed);
    expect(outcome("10.0.0.2")).toBe("in");
    admission.leave(before);
    expect(outcome("10.0.0.1")).toBe("source_limit");
    admission.reconfigure(undefined);
    expect(outcome("10.0.0.1")).toBe("in");
  });

  test.each([
    ["the server", (rate: LimitsConfig["rate"]) => ({ rate })],
    ["a source", (rate: LimitsConfig["rate"]) => ({ perSource: perSource(1_000, rate) })],
    [
      "a network",
      (rate: LimitsConfig["rate"]) => ({
        networks: [{ cidr: "10.0.0.0/8", maxConnections: 1_000, rate }],
      }),
    ],
  ])("raise the rate of %s at once, whatever was taken at the lower one", (_, config) => {
    const slow = config({ perSec: 1, burst: 60 });
    const { clock, admission, outcome, limits } = setup(slow);
    const come = (count: number) =>
      Array.from({ length: count }, () => outcome("10.0.0.1")).filter((how) => how === "in").length;
    expect(come(70)).toBe(60);
    const fast = config({ perSec: 100, burst: 10 });
    admission.reconfigure(changedServerLimits(limits, limitsParts(fast)));
    expect(come(1)).toBe(0);
    clock.advance(50);
    expect(come(20)).toBe(5);
    clock.advance(1_000);
    expect(come(20)).toBe(10);
  });

  test("tell old sessions from new ones, however often it is counted anew", () => {
    const { admission, outcome, enter, limits } = setup({ perSource: perSource(1) });
    const before = enter("10.0.0.1");
    let changed = limits;
    for (let change = 1; change <= 512; change += 1) {
      const width = { ...perSource(1), ipv4PrefixLength: change % 2 === 0 ? 32 : 24 };
      changed = changedServerLimits(changed, limitsParts({ perSource: width }));
      admission.reconfigure(changed);
    }
    enter("10.0.0.1");
    admission.leave(before);
    expect(outcome("10.0.0.1")).toBe("source_limit");
  });
});

test("a server without limits asks nothing but whether the worker sheds", () => {
  const { all, limited } = setup({});
  const [admission] = all as [Admission];
  expect(admission.admit("10.0.0.1")).toBe(0);
  expect(limited()).toEqual({});
});
