import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { anyLabel, nearlyDtab, pathTrees } from "../../test/support/arbitrary-names.ts";
import type { PathTree } from "./tree.ts";
import { parseTree, printTree } from "./tree-parser.ts";

const leaf = (...value: string[]): PathTree => ({ kind: "leaf", value });
const alt = (...trees: PathTree[]): PathTree => ({ kind: "alt", trees });
const union = (...parts: [number, PathTree][]): PathTree => ({
  kind: "union",
  branches: parts.map(([weight, tree]) => ({ weight, tree })),
});
const [foo, bar, baz] = [leaf("foo"), leaf("bar"), leaf("baz")];

function treeOf(text: string): PathTree | string {
  const parsed = parseTree(text);
  return parsed.ok ? parsed.tree : `${parsed.line}:${parsed.column}: ${parsed.message}`;
}

describe("parseTree()", () => {
  test.each<[string, PathTree]>([
    ["/", leaf()],
    ["/foo", foo],
    [" /foo # why\n", foo],
    ["! | ~ | $", alt({ kind: "fail" }, { kind: "neg" }, { kind: "empty" })],
    ["!|~", alt({ kind: "fail" }, { kind: "neg" })],
    ["/foo & /bar | /bar & /baz", alt(union([1, foo], [1, bar]), union([1, bar], [1, baz]))],
    [
      "1 * /foo & 2 * /bar | .5 * /bar & .5 * /baz",
      alt(union([1, foo], [2, bar]), union([0.5, bar], [0.5, baz])),
    ],
    ["0.5 * /foo", foo],
    ["0*/foo & 5.*/bar", union([0, foo], [5, bar])],
    ["((/foo))", foo],
    ["(/foo | /bar) & /baz", union([1, alt(foo, bar)], [1, baz])],
    ["2 * (/foo & /bar) & /baz", union([2, union([1, foo], [1, bar])], [1, baz])],
    ["(/foo | /bar) | /baz", alt(alt(foo, bar), baz)],
    ["(#c\n/foo #d\n) |#e\n /bar", alt(foo, bar)],
    ["1 # one\n * # times\n /foo & /bar", union([1, foo], [1, bar])],
    ["/foo#bar", leaf("foo#bar")],
    ["/$/inet/127.1/80", leaf("$", "inet", "127.1", "80")],
  ])("reads %p", (text, tree) => expect(treeOf(text)).toEqual(tree));

  test.each([
    ["", "1:1: a path, ~, !, $ or ( expected but end of input found at '[]'"],
    ["#", "1:2: a path, ~, !, $ or ( expected but end of input found at '#[]'"],
    ["/foo &", "1:7: a path, ~, !, $ or ( expected but end of input found at '/foo &[]'"],
    ["/foo & 0.1.2 * /bar", "1:11: number char expected but '.' found at '/foo & 0.1[.]2 * /bar'"],
    ["/foo & . * /bar", "1:8: weight expected but '.' found at '/foo & [.] * /bar'"],
    ["2 /foo", "1:3: '*' expected but '/' found at '2 [/]foo'"],
    ["-1 * /foo", "1:1: a path, ~, !, $ or ( expected but '-' found at '[-]1 * /foo'"],
    ["/foo |\n\n  | /bar", "3:3: a path, ~, !, $ or ( expected but '|' found at '  [|] /bar'"],
    ["(/foo", "1:6: ')' expected but end of input found at '(/foo[]'"],
    ["/foo)", "1:5: end of input expected but ')' found at '/foo[)]'"],
    ["/foo/ | /bar", "1:6: label char expected but ' ' found at '/foo/[ ]| /bar'"],
    ["/foo * 2", "1:6: end of input expected but '*' found at '/foo [*] 2'"],
    ["~!", "1:2: end of input expected but '!' found at '~[!]'"],
  ])("refuses %p and says where", (text, message) => expect(treeOf(text)).toBe(message));

  test("refuses a weight that no number can hold", () => {
    expect(treeOf(`${"9".repeat(400)} * /a & /b`)).toStartWith("1:401: the weight is too large at");
  });

  test("takes a hundred parentheses within each other and no more", () => {
    expect(treeOf(`${"(".repeat(100)}/foo${")".repeat(100)}`)).toEqual(foo);
    const message = "1:101: more than 100 parentheses within each other at";
    expect(treeOf(`${"(".repeat(101)}/foo`)).toStartWith(message);
    expect(treeOf("(".repeat(1_000_000))).toStartWith(message);
  });

  test("takes as long a tree as there is", () => {
    const text = Array.from({ length: 50_000 }, () => "/a").join("|");
    const tree = treeOf(text);
    expect(typeof tree === "object" && tree.kind === "alt" && tree.trees.length).toBe(50_000);
  });

  test("gives a tree or a place for any text", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), nearlyDtab), (text) => {
        const parsed = parseTree(text);
        if (parsed.ok) return;
        const line = text.split("\n")[parsed.line - 1] ?? "";
        expect(parsed.column).toBeWithin(1, line.length + 2);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("printTree()", () => {
  test.each<[PathTree, string]>([
    [alt({ kind: "fail" }, { kind: "neg" }, { kind: "empty" }), "! | ~ | $"],
    [union([0.9, foo], [0.1, bar]), "0.90*/foo & 0.10*/bar"],
    [union([1, foo], [3, bar]), "/foo & 3.00*/bar"],
    [union([0.004, foo], [1 / 3, bar]), "0.004*/foo & 0.3333333333333333*/bar"],
    [union([1.5e-7, foo], [1.5e21, bar]), "0.00000015*/foo & 1500000000000000000000*/bar"],
    [union([2, alt(foo, bar)], [1, baz]), "2.00*(/foo | /bar) & /baz"],
    [union([1, union([1, foo], [1, bar])], [1, baz]), "(/foo & /bar) & /baz"],
    [alt(alt(foo, bar), union([1, foo], [1, baz])), "(/foo | /bar) | /foo & /baz"],
    [alt(), "~"],
    [union(), "~"],
    [alt(foo), "/foo"],
    [union([0.5, alt(foo, bar)]), "/foo | /bar"],
  ])("prints %j", (tree, text) => expect(printTree(tree)).toBe(text));

  test("is undone by parseTree() for any tree", () => {
    fc.assert(
      fc.property(pathTrees(anyLabel), (tree) => expect(treeOf(printTree(tree))).toEqual(tree)),
      { numRuns: 500 },
    );
  });
});
