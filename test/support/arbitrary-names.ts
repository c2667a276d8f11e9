// Paths, trees and dtabs for property tests.
import fc from "fast-check";
import type { Dentry, PrefixElement } from "../../src/naming/dtab.ts";
import type { PathLabels } from "../../src/naming/path.ts";
import type { PathTree } from "../../src/naming/tree.ts";

const byte = fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code));

/** Any label: plain ones, and any bytes. */
export const anyLabel: fc.Arbitrary<string> = fc.oneof(
  fc.stringMatching(/^[0-9A-Za-z_:.#$%-]{1,8}$/),
  fc.array(byte, { minLength: 1, maxLength: 8 }).map((bytes) => bytes.join("")),
);

/** A label that often comes again, so that rules meet. */
export const fewLabels: fc.Arbitrary<string> = fc.constantFrom(
  "a",
  "b",
  "#",
  "io.l5d.fs",
  "web",
  "$",
);

export const anyWeight: fc.Arbitrary<number> = fc.oneof(
  fc.constantFrom(0, 0.5, 0.9, 0.004, 1, 3, 1e21, 1e-7, 5e-324, Number.MAX_VALUE),
  fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }),
);

export function paths(label: fc.Arbitrary<string>, maxLength = 4): fc.Arbitrary<PathLabels> {
  return fc.array(label, { maxLength });
}

/** Trees as the parser makes them: alternations and unions have two parts or more. */
export function pathTrees(label: fc.Arbitrary<string>): fc.Arbitrary<PathTree> {
  const words = fc.constantFrom<PathTree>({ kind: "neg" }, { kind: "fail" }, { kind: "empty" });
  const leaf = paths(label).map((value): PathTree => ({ kind: "leaf", value }));
  return fc.letrec<{ tree: PathTree }>((tie) => {
    const branch = fc.record({ weight: anyWeight, tree: tie("tree") });
    const several = { minLength: 2, maxLength: 3 };
    const alt = fc.array(tie("tree"), several).map((trees): PathTree => ({ kind: "alt", trees }));
    const union = fc
      .array(branch, several)
      .map((branches): PathTree => ({ kind: "union", branches }));
    return { tree: fc.oneof({ maxDepth: 4, depthSize: "small" }, leaf, leaf, words, alt, union) };
  }).tree;
}

export function dentries(label: fc.Arbitrary<string>): fc.Arbitrary<Dentry> {
  const element = fc.oneof(
    label.map((text): PrefixElement => ({ kind: "label", label: text })),
    label.map((text): PrefixElement => ({ kind: "label", label: text })),
    fc.constant<PrefixElement>({ kind: "any" }),
  );
  return fc.record({ prefix: fc.array(element, { maxLength: 3 }), tree: pathTrees(label) });
}

/** Text that is nearly a tree or a dtab. */
export const nearlyDtab: fc.Arbitrary<string> = fc
  .array(
    fc.constantFrom(
      ..."/ a b * | & ; => = > ( ) ! ~ $ # . 0 1 2.5 \\x41 \\x \\ { é \n".split(" "),
      " ",
      "/a",
      "/a=>/b;",
    ),
    { maxLength: 30 },
  )
  .map((parts) => parts.join(""));
