import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { boundText, fsNamer, indexOf, labelsOf } from "../../test/support/bound-text.ts";
import { bindPath } from "./bind.ts";
import { explain } from "./delegate.ts";
import type { DelegateTree } from "./delegate-tree.ts";
import { type AddrOf, renderAddr, renderBound, renderDelegate } from "./namerd-json.ts";
import type { Resolution } from "./resolution.ts";
import type { BoundTree } from "./tree.ts";

const WEB = `{"type":"bound","addrs":[{"ip":"10.0.0.1","port":80,"meta":{}}],"meta":{}}`;

function bound(ip: string, port: number, weight = 1): Resolution {
  return { state: "bound", endpoints: [{ ip, port, weight }] };
}

/** The addresses of the names that `fsNamer` knows. */
const addrOf: AddrOf = (id) => {
  switch (id) {
    case "/#/io.l5d.fs/web":
      return bound("10.0.0.1", 80);
    case "/#/io.l5d.fs/w2":
      return bound("10.0.0.2", 80, 1.5);
    case "/#/io.l5d.fs/empty":
      return { state: "bound", endpoints: [] };
    case "/#/io.l5d.fs/bad":
      return { state: "failed", cause: "malformed address: x" };
    case "/$/inet/127.1/8080":
      return bound("127.0.0.1", 8080);
    default:
      return { state: "neg" };
  }
};

function boundJson(dtab: string, path: string): string {
  const outcome = bindPath(labelsOf(path), indexOf(dtab), fsNamer);
  return outcome.state === "ok"
    ? (renderBound(outcome.value, addrOf) ?? "too long")
    : boundText(outcome);
}

function delegateJson(dtab: string, path: string): string {
  const outcome = explain(labelsOf(path), indexOf(dtab), fsNamer);
  return outcome.state === "ok"
    ? (renderDelegate(outcome.value, addrOf) ?? "too long")
    : outcome.state;
}

describe("renderAddr()", () => {
  test.each<[Resolution, string]>([
    [{ state: "pending" }, `{"type":"pending"}`],
    [{ state: "neg" }, `{"type":"neg"}`],
    [
      { state: "failed", cause: `malformed address: "x"` },
      String.raw`{"type":"failed","cause":"malformed address: \"x\""}`,
    ],
    [{ state: "failed", cause: "" }, `{"type":"failed"}`],
    [{ state: "bound", endpoints: [] }, `{"type":"bound","addrs":[],"meta":{}}`],
    [bound("10.0.0.1", 80), WEB],
    [
      bound("10.0.0.2", 80, 1.5),
      `{"type":"bound","addrs":[{"ip":"10.0.0.2","port":80,"meta":{"endpoint_addr_weight":1.5}}],"meta":{}}`,
    ],
    [
      {
        state: "bound",
        endpoints: [
          { ip: "10.0.0.1", port: 1, weight: 1, meta: { endpoint_addr_weight: 1 } },
          { ip: "10.0.0.2", port: 2, weight: 1e10, meta: { nodeName: "n", at: { a: [1, null] } } },
        ],
        meta: { authority: "web.service.dc1.consul", ssl: true },
      },
      `{"type":"bound","addrs":[{"ip":"10.0.0.1","port":1,"meta":{"endpoint_addr_weight":1.0}},` +
        `{"ip":"10.0.0.2","port":2,"meta":{"nodeName":"n","at":{"a":[1,null]},"endpoint_addr_weight":1.0E10}}],` +
        `"meta":{"authority":"web.service.dc1.consul","ssl":true}}`,
    ],
  ])("writes %j", (resolution, json) => expect(renderAddr(resolution)).toBe(json));

  test.each([
    ["::1", "0:0:0:0:0:0:0:1"],
    ["2001:db8::ff00:42:8329", "2001:db8:0:0:0:ff00:42:8329"],
    ["fe80::1%eth0", "fe80:0:0:0:0:0:0:1%eth0"],
    ["::ffff:a00:1", "10.0.0.1"],
    ["::", "0:0:0:0:0:0:0:0"],
    ["::fffe:a00:1", "0:0:0:0:0:fffe:a00:1"],
    ["::ff:a00:1", "0:0:0:0:0:ff:a00:1"],
    ["10.0.0.1", "10.0.0.1"],
  ])("writes the address %s as Java does: %s", (ip, text) =>
    expect(renderAddr(bound(ip, 80))).toContain(`"ip":"${text}"`),
  );

  test("writes JSON that says the same, for any facts", () => {
    const meta = fc.dictionary(fc.string(), fc.jsonValue());
    const weight = fc.double({ min: 0, noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(meta, meta, weight, (ofAddress, ofSet, share) => {
        const endpoints = [{ ip: "10.0.0.1", port: 80, weight: share, meta: ofAddress }];
        const json: unknown = JSON.parse(renderAddr({ state: "bound", endpoints, meta: ofSet }));
        const facts = share === 1 ? ofAddress : { ...ofAddress, endpoint_addr_weight: share };
        const plain = {
          type: "bound",
          addrs: [{ ip: "10.0.0.1", port: 80, meta: facts }],
          meta: ofSet,
        };
        expect(json).toEqual(JSON.parse(JSON.stringify(plain)));
      }),
    );
  });
});

describe("renderBound()", () => {
  const leaf = (addr: string, name: string, path = "/"): string =>
    `{"type":"leaf","bound":{"addr":${addr},"id":"/#/io.l5d.fs/${name}","path":"${path}"}}`;

  test.each([
    ["/svc=>/#/io.l5d.fs", "/svc/web", leaf(WEB, "web")],
    ["/svc=>/#/io.l5d.fs", "/svc/web/extra", leaf(WEB, "web", "/extra")],
    ["/svc=>/#/io.l5d.fs", "/svc/none", `{"type":"neg"}`],
    ["/svc=>/#/io.l5d.fs", "/svc/empty", leaf(`{"type":"bound","addrs":[],"meta":{}}`, "empty")],
    [
      "/svc=>/#/io.l5d.fs",
      "/svc/bad",
      leaf(`{"type":"failed","cause":"malformed address: x"}`, "bad"),
    ],
    ["/svc=>/#/io.l5d.fs/web;/svc=>!", "/svc", `{"type":"fail"}`],
    ["/svc=>/#/io.l5d.fs/web;/svc=>$", "/svc", `{"type":"empty"}`],
    [
      "/svc=>0.9*/#/io.l5d.fs/web & 1*/#/io.l5d.fs/bad",
      "/svc",
      `{"type":"union","union":[{"weight":0.9,"tree":` +
        leaf(WEB.replace(/\{\}\}$/, `{"namer_nametree_weight":0.9}}`), "web") +
        `},{"weight":1.0,"tree":` +
        leaf(`{"type":"failed","cause":"malformed address: x"}`, "bad") +
        `}]}`,
    ],
  ])("with %p writes %p", (dtab, path, json) => expect(boundJson(dtab, path)).toBe(json));

  test("writes alternatives, should there be any", () => {
    const tree: BoundTree = { kind: "alt", trees: [{ kind: "neg" }, { kind: "empty" }] };
    expect(renderBound(tree, addrOf)).toBe(
      `{"type":"alt","alt":[{"type":"neg"},{"type":"empty"}]}`,
    );
  });

  test("says the weight of the nearest union", () => {
    const web: BoundTree = { kind: "leaf", value: { id: "/#/io.l5d.fs/web", residual: [] } };
    const inner: BoundTree = { kind: "union", branches: [{ weight: 3, tree: web }] };
    const json = renderBound({ kind: "union", branches: [{ weight: 2, tree: inner }] }, addrOf);
    expect(json).toContain(`"meta":{"namer_nametree_weight":3.0}}`);
    expect(json).toStartWith(`{"type":"union","union":[{"weight":2.0,"tree":{"type":"union",`);
  });
});

describe("renderDelegate()", () => {
  test("writes what linkerd's delegator does", () => {
    const dtab =
      "/beh=>/$/error;/bah/humbug=>/$/inet/127.1/8080;/foo=>/bah | /beh | /$/fail;/foo=>/bar;/boo=>/foo;/meh=>/heh";
    const dentry = (prefix: string, dst: string): string =>
      `"dentry":{"prefix":"${prefix}","dst":"${dst}"}`;
    const foo = dentry("/foo", "/bah | /beh | /$/fail");
    expect(delegateJson(dtab, "/boo/humbug")).toBe(
      `{"type":"delegate","path":"/boo/humbug","delegate":` +
        `{"type":"alt","path":"/foo/humbug",${dentry("/boo", "/foo")},"alt":[` +
        `{"type":"neg","path":"/bar/humbug",${dentry("/foo", "/bar")}},` +
        `{"type":"delegate","path":"/bah/humbug",${foo},"delegate":` +
        `{"type":"leaf","path":"/$/inet/127.1/8080",${dentry("/bah/humbug", "/$/inet/127.1/8080")},` +
        `"bound":{"addr":{"type":"bound","addrs":[{"ip":"127.0.0.1","port":8080,"meta":{}}],"meta":{}},` +
        `"id":"/$/inet/127.1/8080","path":"/"}}},` +
        `{"type":"delegate","path":"/beh/humbug",${foo},"delegate":` +
        `{"type":"exception","path":"/$/error/humbug",${dentry("/beh", "/$/error")},"message":"error"}},` +
        `{"type":"fail","path":"/$/fail/humbug",${foo}}]}}`,
    );
  });

  test("writes unions without telling the addresses their weight", () => {
    const dentry = `"dentry":{"prefix":"/a","dst":"0.50*/#/io.l5d.fs/web & $"}`;
    expect(delegateJson("/a=>0.5*/#/io.l5d.fs/web & $", "/a")).toBe(
      `{"type":"union","path":"/a","union":[{"weight":0.5,"tree":` +
        `{"type":"leaf","path":"/#/io.l5d.fs/web",${dentry},"bound":{"addr":${WEB},` +
        `"id":"/#/io.l5d.fs/web","path":"/"}}},{"weight":1.0,"tree":{"type":"empty","path":"$",${dentry}}}]}`,
    );
  });
});

describe("a tree that is too long to be written", () => {
  const name = { id: "/#/io.l5d.fs/web", residual: ["c".repeat(1_000)] };
  const leaves = Array.from({ length: 1_000 }, () => ({ weight: 1, name }));

  test("is none, and is not written to its end first", () => {
    let asked = 0;
    const counting: AddrOf = (id) => {
      asked += 1;
      return addrOf(id);
    };
    const bound: BoundTree = {
      kind: "union",
      branches: leaves.map(({ weight }) => ({ weight, tree: { kind: "leaf", value: name } })),
    };
    const place = { path: "/a", dentry: undefined };
    const explained: DelegateTree = {
      ...place,
      kind: "alt",
      trees: leaves.map(() => ({ ...place, kind: "leaf", bound: name })),
    };
    expect(renderBound(bound, counting, 10_000)).toBeUndefined();
    expect(asked).toBe(9);
    expect(renderDelegate(explained, counting, 10_000)).toBeUndefined();
    expect(asked).toBe(18);
    const whole = renderBound(bound, addrOf) ?? "";
    expect(JSON.parse(whole).union.length).toBe(1_000);
    expect(renderBound(bound, addrOf, whole.length)).toBe(whole);
    expect(renderBound(bound, addrOf, whole.length - 1)).toBeUndefined();
  });
});
