import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { delegationLines } from "./dtab-tree.ts";

const dentry = { prefix: "/svc", dst: "/host" };
const leaf = (id: string, addr: unknown, path = "/") => ({
  type: "leaf",
  path: id,
  dentry,
  bound: { id, path, addr },
});

describe("delegationLines()", () => {
  test("shows steps, rules, what they lead to and what is left over", () => {
    const addrs = [
      { ip: "10.0.0.1", port: 80, meta: {} },
      { ip: "0:0:0:0:0:0:0:1", port: 81, meta: { endpoint_addr_weight: 0.5 } },
    ];
    const tree = {
      type: "delegate",
      path: "/svc/web",
      delegate: leaf("/#/io.l5d.fs/web", { type: "bound", addrs, meta: {} }, "/extra"),
    };
    expect(delegationLines(tree)).toEqual([
      "/svc/web",
      "  /#/io.l5d.fs/web  by /svc => /host",
      "    = /#/io.l5d.fs/web, /extra left over: 10.0.0.1:80, [0:0:0:0:0:0:0:1]:81 * 0.5",
    ]);
  });

  test("shows alternatives, shares, and what has no endpoints", () => {
    const tree = {
      type: "alt",
      path: "/svc/web",
      alt: [
        { type: "neg", path: "/a", dentry },
        { type: "fail", path: "!", dentry },
        { type: "empty", path: "$", dentry },
        { type: "exception", path: "/b", dentry, message: "boom" },
        {
          type: "union",
          path: "/c",
          dentry,
          union: [
            { weight: 9, tree: leaf("/#/x", { type: "neg" }) },
            { weight: 1, tree: leaf("/#/y", { type: "failed", cause: "no" }) },
          ],
        },
      ],
    };
    expect(delegationLines(tree)).toEqual([
      "/svc/web  (the first that exists)",
      "  /a  by /svc => /host: no such name",
      "  !  by /svc => /host: fails",
      "  $  by /svc => /host: exists, without endpoints",
      "  /b  by /svc => /host: boom",
      "  /c  by /svc => /host  (split)",
      "    90 % /#/x  by /svc => /host",
      "      = /#/x: no such name",
      "    10 % /#/y  by /svc => /host",
      "      = /#/y: failed: no",
    ]);
  });

  test("gives lines for any value, and nothing that a terminal would obey", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const lines = delegationLines({ type: "delegate", path: "\u001b[2J", delegate: value });
        expect(lines.join("")).not.toMatch(/\p{Cc}/u);
      }),
    );
    let deep: unknown = { type: "neg", path: "/end" };
    for (let level = 0; level < 10_000; level += 1)
      deep = { type: "delegate", path: "/a", delegate: deep };
    expect(delegationLines(deep).at(-1)?.trim()).toBe("...");
  });
});
