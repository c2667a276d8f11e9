import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseNamerdTree } from "./namerd-tree.ts";

const ADDR = { type: "bound", addrs: [{ ip: "127.0.0.1", port: 1, meta: {} }], meta: {} };
const leaf = (id: unknown, path: unknown = "/") => ({
  type: "leaf",
  bound: { addr: ADDR, id, path },
});
const union = (...branches: readonly [unknown, unknown][]) => ({
  type: "union",
  union: branches.map(([weight, tree]) => ({ weight, tree })),
});
const parse = (value: unknown) => parseNamerdTree(JSON.stringify(value));
const bound = (id: string, ...residual: readonly string[]) => ({
  kind: "leaf",
  value: { id, residual },
});

describe("parseNamerdTree()", () => {
  test("reads the answers of the reference", () => {
    expect(
      parseNamerdTree(
        '{"type":"leaf","bound":{"addr":{"type":"bound","addrs":[{"ip":"127.0.0.1","port":1,"meta":{}}],"meta":{}},"id":"/#/io.l5d.fs/foo","path":"/"}}',
      ),
    ).toEqual({ ok: true, tree: bound("/#/io.l5d.fs/foo"), repaired: 0 } as never);
    for (const type of ["neg", "fail", "empty"] as const) {
      expect(parse({ type })).toEqual({ ok: true, tree: { kind: type }, repaired: 0 });
    }
    expect(parse(union([0.9, leaf("/#/a/b")], [0.1, { type: "neg" }]))).toMatchObject({
      tree: {
        kind: "union",
        branches: [
          { weight: 0.9, tree: bound("/#/a/b") },
          { weight: 0.1, tree: { kind: "neg" } },
        ],
      },
    });
    expect(parse({ type: "alt", alt: [leaf("/#/a/b"), { type: "fail" }] })).toMatchObject({
      tree: { kind: "alt", trees: [bound("/#/a/b"), { kind: "fail" }] },
    });
  });

  test("reads what is left over of a path, and does without it where it cannot be read", () => {
    expect(parse(leaf("/#/a/b", "/c/d"))).toMatchObject({ tree: bound("/#/a/b", "c", "d") });
    for (const path of [undefined, null, 7, "c", "/c/", {}]) {
      expect(parse(leaf("/#/a/b", path))).toMatchObject({ tree: bound("/#/a/b") });
    }
  });

  test("takes weights that cannot be used as 1, and counts them", () => {
    const text = `{"type":"union","union":[${["-1", '"2"', "1e999", "null", "{}", "0.25", "-0"]
      .map(
        (weight, index) => `{"weight":${weight},"tree":${JSON.stringify(leaf(`/#/a/${index}`))}}`,
      )
      .join()}]}`;
    const parsed = parseNamerdTree(text);
    expect(parsed).toMatchObject({ ok: true, repaired: 5 });
    const weights =
      parsed.ok && parsed.tree.kind === "union" ? parsed.tree.branches.map((it) => it.weight) : [];
    expect(weights).toEqual([1, 1, 1, 1, 1, 0.25, 0]);
  });

  test.each([
    [{ type: "leaf" }, "a leaf without a bound name"],
    [{ type: "leaf", bound: [] }, "a leaf without a bound name"],
    [leaf(undefined), "a leaf whose id is no path: undefined"],
    [leaf("web"), "a leaf whose id is no path: web"],
    [leaf({}), "a leaf whose id is no path: an object"],
    [{ type: "union" }, "a union without a list"],
    [{ type: "union", union: [7] }, "a branch that is no object"],
    [union([1, undefined]), "a node that is no object"],
    [{ type: "alt", alt: {} }, "an alternation without a list"],
    [{ type: "alt", alt: [[]] }, "a node that is no object"],
    [{ type: "delegate" }, "a node of unknown type: delegate"],
    [{}, "a node of unknown type: undefined"],
    [{ type: {} }, "a node of unknown type: an object"],
  ])("refuses %j", (value, problem) => {
    expect(parse(value)).toEqual({
      ok: false,
      cause: `namerd gave a tree that has ${problem}`,
      isAddresses: false,
    });
  });

  test("shows the error line of a stream to people", () => {
    expect(parseNamerdTree("error")).toMatchObject({ ok: false, cause: "namerd answered: error" });
  });

  test.each(["bound", "failed", "pending"])("knows an answer of resolve: %s", (type) => {
    expect(parse({ type, addrs: [] })).toMatchObject({ ok: false, isAddresses: true });
  });

  test("limits how deep a tree is, and how many leaves it has", () => {
    const nested = (levels: number): unknown =>
      levels === 0 ? leaf("/#/a/b") : union([1, nested(levels - 1)]);
    expect(parse(nested(100)).ok).toBe(true);
    expect(parse(nested(101))).toMatchObject({
      cause: "namerd gave a tree that is more than 100 levels deep",
    });
    const wide = (leaves: number) =>
      union(...Array.from({ length: leaves }, (_, n): [number, unknown] => [1, leaf(`/#/a/${n}`)]));
    expect(parse(wide(1_000)).ok).toBe(true);
    expect(parse(wide(1_001))).toMatchObject({
      cause: "namerd gave a tree that has more than 1000 leaves",
    });
    const level = '{"type":"alt","alt":[';
    expect(parseNamerdTree(level.repeat(200_000)).ok).toBe(false);
    expect(parseNamerdTree(level.repeat(20_000) + "]}".repeat(20_000)).ok).toBe(false);
    expect(parseNamerdTree(`{"type":${"[".repeat(50_000)}${"]".repeat(50_000)}}`).ok).toBe(false);
  });

  test("gives a value or an error for any text and any bytes", () => {
    const texts = fc.oneof(
      fc.string({ unit: fc.nat({ max: 0xffff }).map((code) => String.fromCharCode(code)) }),
      fc.json(),
      fc.uint8Array({ maxLength: 300 }).map((bytes) => new TextDecoder().decode(bytes)),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const parsed = parseNamerdTree(text);
        expect(parsed.ok || parsed.cause.length > 0).toBe(true);
      }),
    );
  });

  test("gives a value or an error for any tree that has the right shape and wrong values", () => {
    const anything = fc.jsonValue({ maxDepth: 2 });
    const { node } = fc.letrec((tie) => ({
      node: fc.oneof(
        { maxDepth: 5, depthIdentifier: "node" },
        fc.record({ type: fc.constantFrom("neg", "fail", "empty", "x") }),
        fc.record({
          type: fc.constant("leaf"),
          bound: fc.oneof(anything, fc.record({ id: fc.constant("/#/a"), path: anything })),
        }),
        fc.record({
          type: fc.constant("union"),
          union: fc.array(
            fc.record({ weight: fc.oneof(fc.double(), anything), tree: tie("node") }),
          ),
        }),
        fc.record({ type: fc.constant("alt"), alt: fc.array(tie("node")) }),
      ),
    }));
    let good = 0;
    fc.assert(
      fc.property(node, (value) => {
        const parsed = parse(value);
        if (parsed.ok) good += 1;
        else expect(parsed.cause).toStartWith("namerd gave a tree that ");
      }),
    );
    expect(good).toBeGreaterThan(0);
  });
});
