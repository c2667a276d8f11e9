import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { dentries, fewLabels, paths } from "../../test/support/arbitrary-names.ts";
import { fsNamer, indexOf, labelsOf } from "../../test/support/bound-text.ts";
import { bindPath, type LookupNamer } from "./bind.ts";
import { explain } from "./delegate.ts";
import type { DelegateTree } from "./delegate-tree.ts";
import { DtabIndex } from "./dtab-index.ts";
import { printDtab } from "./dtab.ts";
import { renderDelegate } from "./namerd-json.ts";
import type { LookupTree } from "./tree.ts";

/** One step a line: kind, path, the dentry that led there in brackets, and what it says. */
function explained(dtab: string, path: string, namer: LookupNamer = fsNamer): readonly string[] {
  const outcome = explain(labelsOf(path), indexOf(dtab), namer);
  return outcome.state === "ok" ? lines(outcome.value) : [outcome.state];
}

function lines(tree: DelegateTree, indent = "", note = ""): readonly string[] {
  const dentry = tree.dentry === undefined ? "" : ` [${printDtab([tree.dentry])}]`;
  const line = `${indent}${note}${tree.kind} ${tree.path}${dentry}`;
  const deeper = `${indent}  `;
  switch (tree.kind) {
    case "neg":
    case "fail":
    case "empty":
      return [line];
    case "exception":
      return [`${line}: ${tree.message}`];
    case "leaf":
      return [`${line}: ${tree.bound.id}`];
    case "delegate":
      return [line, ...lines(tree.next, deeper)];
    case "alt":
      return [line, ...tree.trees.flatMap((part) => lines(part, deeper))];
    case "union":
      return [
        line,
        ...tree.branches.flatMap(({ weight, tree: part }) => lines(part, deeper, `${weight} * `)),
      ];
    default:
      return tree satisfies never;
  }
}

const NEG = { state: "neg" } as const;

describe("explain()", () => {
  test("shows all alternatives, and steps that stay at a path as one", () => {
    const dtab =
      "/beh=>/#/error;/bah/humbug=>/$/inet/127.1/8080;/foo=>/bah | /beh | /$/fail;/foo=>/bar;/boo=>/foo;/meh=>/heh";
    const failing: LookupNamer = (path) =>
      path[1] === "error"
        ? { state: "failed", cause: "error naming /#/error/humbug" }
        : fsNamer(path);
    expect(explained(dtab, "/boo/humbug", failing)).toEqual([
      "delegate /boo/humbug",
      "  alt /foo/humbug [/boo=>/foo]",
      "    neg /bar/humbug [/foo=>/bar]",
      "    delegate /bah/humbug [/foo=>/bah | /beh | /$/fail]",
      "      leaf /$/inet/127.1/8080 [/bah/humbug=>/$/inet/127.1/8080]: /$/inet/127.1/8080",
      "    delegate /beh/humbug [/foo=>/bah | /beh | /$/fail]",
      "      exception /#/error/humbug [/beh=>/#/error]: error naming /#/error/humbug",
      "    fail /$/fail/humbug [/foo=>/bah | /beh | /$/fail]",
    ]);
  });

  test("shows the words of a tree as they are written", () => {
    expect(explained("/a=>~ | ! | $ | /$/nil/x;/b=>!", "/a")).toEqual([
      "alt /a",
      "  neg ~ [/a=>~ | ! | $ | /$/nil/x]",
      "  fail ! [/a=>~ | ! | $ | /$/nil/x]",
      "  empty $ [/a=>~ | ! | $ | /$/nil/x]",
      "  empty /$/nil/x [/a=>~ | ! | $ | /$/nil/x]",
    ]);
    expect(explained("/a=>~ | ! | $ | /$/nil/x;/b=>!", "/b")).toEqual([
      "delegate /b",
      "  fail ! [/b=>!]",
    ]);
  });

  test("shows the branches of a union with their weights", () => {
    expect(explained("/a=>2*/#/io.l5d.fs/web & 0.5*(~ | /b)", "/a")).toEqual([
      "union /a",
      "  2 * leaf /#/io.l5d.fs/web [/a=>2.00*/#/io.l5d.fs/web & 0.50*(~ | /b)]: /#/io.l5d.fs/web",
      "  0.5 * alt /a [/a=>2.00*/#/io.l5d.fs/web & 0.50*(~ | /b)]",
      "    neg ~ [/a=>2.00*/#/io.l5d.fs/web & 0.50*(~ | /b)]",
      "    neg /b [/a=>2.00*/#/io.l5d.fs/web & 0.50*(~ | /b)]",
    ]);
  });

  test.each([
    ["", "/svc", ["neg /svc"]],
    ["", "/#/io.l5d.fs/web/x", ["leaf /#/io.l5d.fs/web/x: /#/io.l5d.fs/web"]],
    ["", "/#/io.l5d.fs/none", ["neg /#/io.l5d.fs/none"]],
    ["", "/$/no.such.Cls/x", ["exception /$/no.such.Cls/x: no.such.Cls"]],
    ["/svc=>/svc", "/svc", ["exception /svc: Max recursion level reached."]],
  ])("with %p explains %p", (dtab, path, steps) => expect(explained(dtab, path)).toEqual(steps));

  test("shows where a namer rewrites a path", () => {
    const rules = "/s=>/$/io.buoyant.http.anyHost;/x=>/#/io.l5d.fs/web";
    expect(explained(rules, "/s/a.b/x")).toEqual([
      "delegate /s/a.b/x",
      "  delegate /$/io.buoyant.http.anyHost/a.b/x [/s=>/$/io.buoyant.http.anyHost]",
      "    delegate /x [/s=>/$/io.buoyant.http.anyHost]",
      "      leaf /#/io.l5d.fs/web [/x=>/#/io.l5d.fs/web]: /#/io.l5d.fs/web",
    ]);
  });

  test("shows a namer's alternatives, unions and words by the path that was looked up", () => {
    const bound: LookupTree = {
      kind: "leaf",
      value: { kind: "bound", name: { id: "/#/x", residual: [] } },
    };
    const branches = [{ weight: 3, tree: bound }];
    const tree: LookupTree = {
      kind: "alt",
      trees: [{ kind: "neg" }, { kind: "union", branches }, { kind: "alt", trees: [] }],
    };
    expect(explained("", "/#/x", () => ({ state: "ok", value: tree }))).toEqual([
      "alt /#/x",
      "  neg /#/x",
      "  leaf /#/x: /#/x",
      "  neg /#/x",
    ]);
  });

  test("keeps a step that ends in nothing at the same path", () => {
    const tree: LookupTree = { kind: "alt", trees: [{ kind: "neg" }] };
    const steps = explained("", "/#/x", () => ({ state: "ok", value: tree }));
    expect(steps).toEqual(["delegate /#/x", "  neg /#/x"]);
  });

  test("reaches depth 100 but not 101", () => {
    const last = (length: number): string | undefined => {
      const chain = Array.from({ length }, (_, at) => `/p${at}=>/p${at + 1}`).join(";");
      return explained(chain, "/p0").at(-1)?.trim();
    };
    expect(last(100)).toBe("neg /p100 [/p99=>/p100]");
    expect(last(101)).toBe("exception /p101 [/p100=>/p101]: Max recursion level reached.");
  });

  test("asks the namers where the dtab says nothing but ~, as binding does", () => {
    expect(explained("/#/io.l5d.fs=>~", "/#/io.l5d.fs/web")).toEqual([
      "alt /#/io.l5d.fs/web",
      "  neg ~ [/#/io.l5d.fs=>~]",
      "  leaf /#/io.l5d.fs/web: /#/io.l5d.fs/web",
    ]);
    expect(explained("/#/io.l5d.fs=>~", "/#/io.l5d.fs/none")).toEqual([
      "delegate /#/io.l5d.fs/none",
      "  neg ~ [/#/io.l5d.fs=>~]",
    ]);
  });

  test("is pending while anything is, and asks for all of it", () => {
    const asked: string[] = [];
    const steps = explained("/a=>/#/io.l5d.fs/later | /#/io.l5d.fs/web", "/a", (path) => {
      asked.push(path[2] ?? "");
      return fsNamer(path);
    });
    expect(steps).toEqual(["pending"]);
    expect(asked).toEqual(["later", "web"]);
  });

  test.each([
    ["alternations", "/a=>/a/x | /a/y"],
    ["unions", "/a=>/a/x & /a/y"],
    ["trees within trees", `/a=>${"(~|".repeat(100)}/a${")".repeat(100)}`],
    ["long paths", `/a=>/a${"/x".repeat(5_000)}`],
    ["rules of many parts", `/a=>${"/a | ".repeat(3_000)}/a`],
    ["many rules of one prefix", "/a=>/a;".repeat(3_000)],
  ])("ends with dtabs that lead on and on: %s", (_, dtab) => {
    const outcome = explain(["a"], indexOf(dtab), fsNamer);
    const text = outcome.state === "ok" ? (renderDelegate(outcome.value, () => NEG) ?? "") : "";
    expect(text).toMatch(/"message":"(?:the dtab leads|Max recursion level)/);
    expect(text.length).toBeLessThan(4_000_000);
  });

  test("explains any dtab, and finds a leaf where binding does", () => {
    const dtabs = fc.array(dentries(fewLabels), { maxLength: 4 });
    const start = paths(fewLabels).map((path) => ["#", "io.l5d.fs", ...path]);
    let leaves = 0;
    fc.assert(
      fc.property(dtabs, start, (dtab, path) => {
        const index = new DtabIndex(dtab);
        const outcome = explain(path, index, fsNamer);
        const bound = bindPath(path, index, fsNamer);
        if (outcome.state !== "ok") throw new Error("nothing is pending here");
        if (bound.state !== "ok" || bound.value.kind !== "leaf") return;
        leaves += 1;
        expect(lines(outcome.value).join("\n")).toContain(`: ${bound.value.value.id}`);
      }),
      { numRuns: 300 },
    );
    expect(leaves).toBeGreaterThan(0);
  });
});
