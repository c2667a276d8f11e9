import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { dentries, fewLabels, paths } from "../../test/support/arbitrary-names.ts";
import { type Dentry, type Dtab, parseDtab } from "./dtab.ts";
import { DtabIndex } from "./dtab-index.ts";
import { type PathLabels, parsePath } from "./path.ts";
import { printTree } from "./tree-parser.ts";

function dtabOf(text: string): Dtab {
  const parsed = parseDtab(text);
  return parsed.ok ? parsed.dtab : [];
}

function found(dtab: string, path: string): string {
  const parsed = parsePath(path);
  return printTree(new DtabIndex(dtabOf(dtab)).lookup(parsed.ok ? parsed.labels : []));
}

/** The rule itself, without an index. */
function matches({ prefix }: Dentry, path: PathLabels): boolean {
  return (
    prefix.length <= path.length &&
    prefix.every((element, at) => element.kind === "any" || element.label === path[at])
  );
}

describe("DtabIndex", () => {
  test.each([
    ["", "/svc", "~"],
    ["/svc=>/a", "/svc", "/a"],
    ["/svc=>/a", "/svc/x/y", "/a/x/y"],
    ["/svc=>/a", "/svcs", "~"],
    ["/svc/a=>/b", "/svc", "~"],
    ["/=>/a", "/", "/a"],
    ["/=>/a", "/x", "/a/x"],
    ["/svc=>/a;/svc/foo=>/b;/svc=>/c", "/svc/foo/x", "/c/foo/x | /b/x | /a/foo/x"],
    ["/svc=>/a;/svc=>~", "/svc/x", "~ | /a/x"],
    ["/svc=>2*/a & 1*(/b | !);/=>$", "/svc/x", "$ | 2.00*/a/x & (/b/x | !)"],
    ["/svc/*=>/a", "/svc", "~"],
    ["/svc/*=>/a", "/svc/x", "/a"],
    ["/svc/*=>/a", "/svc/x/y", "/a/y"],
    ["/svc/*/b=>/x;/svc/a/*=>/y", "/svc/a/b/c", "/y/c | /x/c"],
    ["/svc/\\x2a=>/a", "/svc/b", "~"],
    ["/svc/\\x2a=>/a", "/svc/\\x2a", "/a"],
    ["/#/fs=>/b", "/#/fs/a", "/b/a"],
  ])("with %p answers %p by %p", (dtab, path, tree) => expect(found(dtab, path)).toBe(tree));

  test("finds the dentries that match, the last one first", () => {
    const dtabs = fc.array(dentries(fewLabels), { maxLength: 20 });
    fc.assert(
      fc.property(dtabs, paths(fewLabels, 5), (dtab, path) => {
        const expected = dtab.filter((dentry) => matches(dentry, path)).toReversed();
        expect(new DtabIndex(dtab).matching(path).dentries).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  test("looks only at what begins like the path", () => {
    const text = Array.from({ length: 1000 }, (_, at) => `/svc/s${at}/a/b=>/c`).join(";");
    const path = ["svc", "s500", "a", "b", "c"];
    expect(new DtabIndex(dtabOf(text)).matching(path).visited).toBe(5);
  });

  test("counts every way that wildcards open", () => {
    const index = new DtabIndex(dtabOf("/*/a=>/1;/x/a=>/2;/x/*=>/3;/y/a=>/4"));
    expect(index.matching(["x", "a"]).visited).toBe(6);
  });

  test("takes as many dentries of one prefix, and as long a path, as there are", () => {
    const index = new DtabIndex(dtabOf("/=>~;".repeat(200_000)));
    const path = Array.from({ length: 200_000 }, () => "a");
    expect(index.matching(path).dentries).toHaveLength(200_000);
  });
});
