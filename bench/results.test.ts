import { describe, expect, test } from "bun:test";
import { type Column, compare } from "./results.ts";
import type { Row, Target } from "./work/workload.ts";

const row = (target?: Target): Row => ({
  id: "small",
  label: "small request",
  unit: "µs",
  ...(target === undefined ? {} : { target }),
});
const ours: Column = { name: "ours", kind: "ours", samples: [11, 22, 33] };
const slow: Column = { name: "slow", kind: "peer", samples: [20, 40, 60] };
const fast: Column = { name: "fast", kind: "peer", samples: [10, 20, 30] };

describe("compare()", () => {
  test("holds ours against the peer with the lower median, round by round", () => {
    const { reference, figures } = compare({
      row: row(),
      field: "peers",
      columns: [ours, slow, fast],
    });
    expect(reference).toBe("fast");
    expect(figures.map(({ ratio }) => ratio?.median)).toEqual([1.1, 2, 1]);
  });

  test("holds passing TLS on against relaying of ours, whatever the peers do", () => {
    const plain: Column = { name: "plain", kind: "ours", samples: [10, 20, 30] };
    const cheap: Column = { name: "cheap", kind: "peer", samples: [1, 2, 3] };
    const columns = [ours, plain, cheap];
    const { reference, figures, change } = compare({ row: row(), field: "passthrough", columns });
    expect([reference, figures[0]?.ratio?.median, change]).toEqual(["plain", 1.1, undefined]);
  });

  test.each([
    [{ kind: "ratio", atMost: 1.15 }, "met"],
    [{ kind: "ratio", atMost: 1.05 }, "missed"],
    [{ kind: "absolute", atMost: 22 }, "met"],
    [{ kind: "absolute", atMost: 21 }, "missed"],
    [undefined, "–"],
  ] as const)("judges %p: %s", (target, verdict) => {
    const columns = [ours, slow, fast];
    expect(compare({ row: row(target), field: "peers", columns }).verdict).toBe(verdict);
  });

  test("fails a row in which ours failed", () => {
    const failed = { ...ours, failure: "wrong bytes" };
    const target = { kind: "ratio", atMost: 9 } as const;
    const result = compare({ row: row(target), field: "peers", columns: [failed, fast] });
    expect(result.verdict).toBe("FAILED");
  });

  test("passes over a peer that failed", () => {
    const failed = { ...fast, failure: "refused" };
    const result = compare({ row: row(), field: "peers", columns: [ours, slow, failed] });
    expect(result.reference).toBe("slow");
  });

  test("judges no ratio without a peer", () => {
    const target = { kind: "ratio", atMost: 1 } as const;
    const result = compare({ row: row(target), field: "peers", columns: [ours] });
    expect(result).toMatchObject({ reference: undefined, verdict: "–", change: undefined });
  });

  test("tells ours from ours at another commit", () => {
    const base: Column = { name: "ours@abc", kind: "ours", samples: [22, 44, 66] };
    const result = compare({ row: row(), field: "peers", columns: [ours, base, fast] });
    expect(result.change?.median).toBe(0.5);
    expect(result.reference).toBe("fast");
  });

  test("holds two workers against one", () => {
    const two: Column = { name: "2 workers", kind: "ours", samples: [12] };
    const one: Column = { name: "1 worker", kind: "ours", samples: [10] };
    const target = { kind: "ratio", atMost: 1.1 } as const;
    const result = compare({ row: row(target), field: "workers", columns: [two, one] });
    expect(result).toMatchObject({ reference: "1 worker", verdict: "missed", change: undefined });
  });
});
