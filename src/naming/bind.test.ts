import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { dentries, fewLabels, paths } from "../../test/support/arbitrary-names.ts";
import { boundText, fsNamer, indexOf, labelsOf } from "../../test/support/bound-text.ts";
import { bindPath, type LookupNamer } from "./bind.ts";
import { DtabIndex } from "./dtab-index.ts";
import { printPath } from "./path.ts";
import type { BoundTree, LookupTree } from "./tree.ts";

const FS = "/#/io.l5d.fs";

function bound(dtab: string, path: string, namer: LookupNamer = fsNamer): string {
  return boundText(bindPath(labelsOf(path), indexOf(dtab), namer));
}

/** The paths that were asked for, in order. */
function asked(dtab: string, path: string): readonly string[] {
  const paths: string[] = [];
  bound(dtab, path, (labels) => {
    paths.push(printPath(labels));
    return fsNamer(labels);
  });
  return paths;
}

describe("bindPath()", () => {
  test.each([
    ["/svc=>/#/io.l5d.fs", "/svc/web", `${FS}/web`],
    ["/svc=>/#/io.l5d.fs", "/svc/web/extra", `${FS}/web + /extra`],
    ["/svc=>/#/io.l5d.fs", "/svc/none", "~"],
    ["/svc=>/#/io.l5d.fs", "/svc/empty", `${FS}/empty`],
    ["/svc=>/#/io.l5d.fs", "/other", "~"],
    ["", `${FS}/web`, `${FS}/web`],
    ["/svc=>/#/io.l5d.fs;/svc/none=>/#/io.l5d.fs/web", "/svc/none", `${FS}/web`],
    ["/svc=>/#/io.l5d.fs/web;/svc=>~", "/svc", `${FS}/web`],
    ["/svc=>/#/io.l5d.fs/web;/svc=>!", "/svc", "!"],
    ["/svc=>/#/io.l5d.fs/web;/svc=>$", "/svc", "$"],
    ["/svc=>/#/io.l5d.fs/web;/svc=>/$/fail/x", "/svc", "!"],
    ["/svc=>/#/io.l5d.fs/web;/svc=>/$/nil/x", "/svc", "$"],
    ["/svc=>/#/io.l5d.fs/bad;/svc=>/#/io.l5d.fs/none", "/svc", `${FS}/bad`],
    ["/svc=>/#/io.l5d.fs/web;/svc=>/$/inet/no.such.host/80", "/svc", "/$/inet/no.such.host/80"],
    ["/svc=>1*/#/io.l5d.fs/web & 9*/#/io.l5d.fs/none", "/svc", `${FS}/web`],
    ["/svc=>9*/#/io.l5d.fs/web & 1*/#/io.l5d.fs/w2", "/svc", `(9 ${FS}/web & 1 ${FS}/w2)`],
    ["/svc/*=>/#/io.l5d.fs/web", "/svc", "~"],
    ["/svc/*=>/#/io.l5d.fs/web", "/svc/a", `${FS}/web`],
    ["/svc=>/svc", "/svc", "failed: Max recursion level: 100 reached in Namer lookup"],
    ["/svc=>/$/no.such.Cls", "/svc", "failed: no.such.Cls"],
    ["/svc=>/$/inet/127.1/8080", "/svc/foo", "/$/inet/127.1/8080 + /foo"],
  ])("with %p binds %p to %p", (dtab, path, tree) => expect(bound(dtab, path)).toBe(tree));

  test.each([
    ["nothing is left of it", "/s=>/#/io.l5d.fs/x | /t | ~", "~"],
    ["it stops at fail", "/s=>! | /#/io.l5d.fs/web", "!"],
    ["it stops at empty", "/s=>$ | /#/io.l5d.fs/web", "$"],
    ["it waits for what is pending", "/s=>/#/io.l5d.fs/later | /#/io.l5d.fs/web", "pending"],
    ["it fails with what has failed", "/s=>/#/io.l5d.fs/broken | /#/io.l5d.fs/web", "failed: boom"],
    [
      "it is known before what is pending",
      "/s=>/#/io.l5d.fs/web | /#/io.l5d.fs/later",
      `${FS}/web`,
    ],
    ["it goes on where a union has nothing", "/s=>(! & ~) | /#/io.l5d.fs/web", `${FS}/web`],
  ])("takes the first of an alternation: %s", (_, dtab, tree) =>
    expect(bound(dtab, "/s")).toBe(tree),
  );

  test.each([
    [
      "pending ones wait while one is known",
      "/#/io.l5d.fs/later & 2*/#/io.l5d.fs/web",
      `${FS}/web`,
    ],
    ["failed ones too", "/#/io.l5d.fs/broken & 2*/#/io.l5d.fs/web", `${FS}/web`],
    ["all are pending", "/#/io.l5d.fs/later & /#/io.l5d.fs/later", "pending"],
    [
      "one has failed, the other is pending",
      "/#/io.l5d.fs/later & /#/io.l5d.fs/broken",
      "failed: boom",
    ],
    ["a neg is known", "~ & /#/io.l5d.fs/later", "~"],
    ["neg and fail go", "~ & 3*/#/io.l5d.fs/web & ! & 1*$", `(3 ${FS}/web & 1 $)`],
    ["none is left", "~ & !", "~"],
    [
      "a union in a union stays one",
      "2*(/#/io.l5d.fs/web & 3*/#/io.l5d.fs/w2) & /#/io.l5d.fs/bad",
      `(2 (1 ${FS}/web & 3 ${FS}/w2) & 1 ${FS}/bad)`,
    ],
    ["an alternation in it gives one", "(~ | /#/io.l5d.fs/web) & $", `(1 ${FS}/web & 1 $)`],
  ])("binds the branches of a union: %s", (_, union, tree) =>
    expect(bound(`/s=>${union}`, "/s")).toBe(tree),
  );

  test("asks a namer for nothing that it does not need", () => {
    const dtab = "/a=>/#/io.l5d.fs/none | /#/io.l5d.fs/later | /#/io.l5d.fs/web";
    expect(asked(dtab, "/a")).toEqual([`${FS}/none`, `${FS}/later`]);
    expect(asked("/a=>/b", "/a")).toEqual([]);
    expect(asked("", "/#")).toEqual([]);
    expect(asked("/s=>/a;/s=>/#/x/1 & /#/x/2", "/s/y")).toEqual(["/#/x/1/y", "/#/x/2/y"]);
  });

  test("lets a dtab rewrite the namers' paths", () => {
    expect(bound("/#/old=>/#/io.l5d.fs", "/#/old/web")).toBe(`${FS}/web`);
    expect(asked("/$/inet=>/#/x", "/$/inet/host/80")).toEqual(["/#/x/host/80"]);
  });

  test("asks the namers where the dtab says nothing but ~", () => {
    expect(bound("/#/io.l5d.fs=>~", `${FS}/web`)).toBe(`${FS}/web`);
    expect(bound("/#/io.l5d.fs=>~;/#/io.l5d.fs=>~", `${FS}/web`)).toBe("~");
    expect(bound("/#/io.l5d.fs=>/none", `${FS}/web`)).toBe("~");
  });

  test("delegates anew the paths that a namer gives", () => {
    const dtab = "/svc=>/$/io.buoyant.http.subdomainOf/a.b;/web=>/#/io.l5d.fs/web";
    expect(bound(dtab, "/svc/web.a.b/x")).toBe(`${FS}/web + /x`);
    const tree: LookupTree = {
      kind: "alt",
      trees: [
        { kind: "leaf", value: { kind: "path", path: ["none"] } },
        { kind: "leaf", value: { kind: "bound", name: { id: "/#/x/1", residual: [] } } },
      ],
    };
    expect(bound("", "/#/x", () => ({ state: "ok", value: tree }))).toBe("/#/x/1");
  });

  test("reaches depth 100 but not 101", () => {
    const chain = (length: number): string =>
      Array.from({ length }, (_, at) => `/p${at}=>/p${at + 1};`).join("");
    expect(bound(`${chain(99)}/p99=>/#/io.l5d.fs/web`, "/p0")).toBe(`${FS}/web`);
    expect(bound(`${chain(100)}/p100=>/#/io.l5d.fs/web`, "/p0")).toStartWith("failed: Max");
  });

  const tooMany = "failed: the dtab leads to too many lookups for one name";
  test.each([
    ["alternations", "/a=>/a/x | /a/y", "failed: Max recursion level: 100 reached in Namer lookup"],
    [
      "alternations of what is not there",
      `/a=>/p0;${Array.from({ length: 60 }, (_, at) => `/p${at}=>/p${at + 1} | /p${at + 1};`).join("")}`,
      tooMany,
    ],
    ["unions", "/a=>/a/x & /a/y", tooMany],
    ["unions of which one is well", "/a=>/#/io.l5d.fs/web & /a/x & /a/y", tooMany],
    ["long paths", `/a=>/a${"/x".repeat(5_000)}`, tooMany],
    ["wide trees", `/a=>${Array.from({ length: 300_000 }, () => "~").join("&")}`, tooMany],
  ])("ends with dtabs that lead on and on: %s", (_, dtab, outcome) =>
    expect(bound(dtab, "/a")).toBe(outcome),
  );

  test("does not overflow the stack with trees nested in lookups", () => {
    const nested = `${"(~|".repeat(100)}/a${")".repeat(100)}`;
    const cause = "failed: the dtab leads to trees nested too deep";
    expect(bound(`/a=>${nested}`, "/a")).toBe(cause);
    expect(bound(`/a=>/#/io.l5d.fs/web & ${nested}`, "/a")).toBe(cause);
  });

  test("gives a tree without alternatives for any dtab", () => {
    const isDone = (tree: BoundTree, inUnion: boolean): boolean => {
      if (tree.kind === "alt") return false;
      if (tree.kind !== "union") return !inUnion || tree.kind === "leaf" || tree.kind === "empty";
      return (
        tree.branches.length > 1 && tree.branches.every(({ tree: part }) => isDone(part, true))
      );
    };
    const dtabs = fc.array(dentries(fewLabels), { maxLength: 8 });
    let oks = 0;
    fc.assert(
      fc.property(dtabs, paths(fewLabels), (dtab, path) => {
        const outcome = bindPath(path, new DtabIndex(dtab), fsNamer);
        if (outcome.state !== "ok") return;
        oks += 1;
        expect(isDone(outcome.value, false)).toBe(true);
      }),
      { numRuns: 500 },
    );
    expect(oks).toBeGreaterThan(100);
  });
});
