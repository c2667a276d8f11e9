import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { labelsOf } from "../../test/support/bound-text.ts";
import { anyLabel, paths } from "../../test/support/arbitrary-names.ts";
import { printPath } from "./path.ts";
import { endpointOf, lookupUtility } from "./utility-namers.ts";

/** `-> /path` for a path, `<id> + <residual>` for a bound name, else the word or the cause. */
function found(path: string): string {
  const answer = lookupUtility(labelsOf(path));
  if (answer?.state !== "ok") return answer?.state === "failed" ? answer.cause : "none";
  const tree = answer.value;
  if (tree.kind !== "leaf") return tree.kind;
  if (tree.value.kind === "path") return `-> ${printPath(tree.value.path)}`;
  return `${tree.value.name.id} + ${printPath(tree.value.name.residual)}`;
}

describe("lookupUtility()", () => {
  test.each([
    ["/svc/a", "none"],
    ["/#/io.l5d.fs/a", "none"],
    ["/$", "neg"],
    ["/$/nil", "empty"],
    ["/$/nil/x", "empty"],
    ["/$/fail", "fail"],
    ["/$/fail/x", "fail"],
    ["/$/no.such.Cls/x", "no.such.Cls"],
    ["/$/constructor/x", "constructor"],
  ])("knows %p as %s", (path, answer) => expect(found(path)).toBe(answer));

  test.each([
    ["/$/inet/10.0.0.1/80", "/$/inet/10.0.0.1/80 + /"],
    ["/$/inet/127.1/8080/a/b", "/$/inet/127.1/8080 + /a/b"],
    ["/$/inet/8080", "/$/inet/8080 + /"],
    ["/$/inet/8080/res", "/$/inet/8080 + /res"],
    ["/$/inet/8080/90", "/$/inet/8080/90 + /"],
    ["/$/fixedinet/web/80/x", "/$/fixedinet/web/80 + /x"],
    ["/$/io.buoyant.rinet/80/web/x", "/$/io.buoyant.rinet/80/web + /x"],
    ["/$/inet", "neg"],
    ["/$/inet/web", "neg"],
    ["/$/inet/web/http", "neg"],
    ["/$/inet/web/0", "neg"],
    ["/$/inet/web/65536", "neg"],
    ["/$/inet/a%b/80", "neg"],
    ["/$/fixedinet/80", "neg"],
    ["/$/io.buoyant.rinet/web/80", "neg"],
    ["/$/io.buoyant.rinet/80", "neg"],
  ])("binds %p to %s", (path, answer) => expect(found(path)).toBe(answer));

  test.each([
    ["io.buoyant.hostportPfx/pfx/host:80/etc", "-> /pfx/host/80/etc"],
    ["io.buoyant.hostportPfx/pfx/host:http-alt/etc", "-> /pfx/host/http-alt/etc"],
    ["io.buoyant.hostportPfx/pfx/host", "neg"],
    ["io.buoyant.hostportPfx/pfx/a:b:80", "neg"],
    ["io.buoyant.hostportPfx/pfx/:80", "neg"],
    ["io.buoyant.hostportPfx/pfx/host:", "neg"],
    ["io.buoyant.hostportPfx/pfx/host:HTTP", "neg"],
    ["io.buoyant.hostportPfx/pfx/host:-80", "neg"],
    [`io.buoyant.hostportPfx/pfx/host:${"a".repeat(63)}`, `-> /pfx/host/${"a".repeat(63)}`],
    [`io.buoyant.hostportPfx/pfx/host:${"a".repeat(64)}`, "neg"],
    ["io.buoyant.hostportPfx/pfx", "neg"],
    ["io.buoyant.hostportPfx", "neg"],
    ["io.buoyant.porthostPfx/pfx/host:80/etc", "-> /pfx/80/host/etc"],
    ["io.buoyant.http.anyMethod/GET/foo/bar", "-> /foo/bar"],
    ["io.buoyant.http.anyMethod/GET", "-> /"],
    ["io.buoyant.http.anyMethod/A.B/foo", "neg"],
    ["io.buoyant.http.anyMethod", "neg"],
    ["io.buoyant.http.anyMethodPfx/foo/GET/bar", "-> /foo/bar"],
    ["io.buoyant.http.anyMethodPfx/foo/A.B/bar", "neg"],
    ["io.buoyant.http.anyHost/a.b/foo", "-> /foo"],
    ["io.buoyant.http.anyHost/a%b/foo", "neg"],
    ["io.buoyant.http.anyHostPfx/foo/a.b/bar", "-> /foo/bar"],
    ["io.buoyant.http.anyHostPfx/foo/a%b/bar", "neg"],
    ["io.buoyant.http.subdomainOf/a.b/foo.a.b/bar", "-> /foo/bar"],
    ["io.buoyant.http.subdomainOf/a.b/x.y.a.b/bar", "-> /x.y/bar"],
    ["io.buoyant.http.subdomainOf/a.b/a.b/bar", "neg"],
    ["io.buoyant.http.subdomainOf/a.b/.a.b/bar", "neg"],
    ["io.buoyant.http.subdomainOf/a.b/foo.a.c/bar", "neg"],
    ["io.buoyant.http.subdomainOf/a.b/foo-a.b/bar", "neg"],
    ["io.buoyant.http.subdomainOfPfx/a.b/foo/bar_x.a.b/bah", "-> /foo/bar_x/bah"],
    ["io.buoyant.http.subdomainOfPfx/a.b/foo/bar.a.b:9090/bah", "-> /foo/bar/bah"],
    ["io.buoyant.http.subdomainOfPfx/a.b", "neg"],
    ["io.buoyant.http.domainToPath/foo.buoyant.io/x", "-> /io/buoyant/foo/x"],
    ["io.buoyant.http.domainToPath/foo.io.", "-> /io/foo"],
    ["io.buoyant.http.domainToPath/a..b", "neg"],
    ["io.buoyant.http.domainToPathPfx/pfx/foo.buoyant.io", "-> /pfx/io/buoyant/foo"],
  ])("rewrites /$/%s: %s", (path, answer) => expect(found(`/$/${path}`)).toBe(answer));

  test("answers any path below $, and binds to ids that are bound to themselves", () => {
    const kind = fc.constantFrom("inet", "fixedinet", "io.buoyant.rinet", "io.buoyant.hostportPfx");
    const label = fc.oneof(anyLabel, fc.constantFrom("80", "web", "web:80", "127.0.0.1"));
    fc.assert(
      fc.property(kind, paths(label), (name, rest) => {
        const answer = lookupUtility(["$", name, ...rest]);
        if (answer?.state !== "ok") throw new Error("every path of a known class has an answer");
        if (answer.value.kind !== "leaf" || answer.value.value.kind !== "bound") return;
        const { id, residual } = answer.value.value.name;
        expect([...labelsOf(id), ...residual]).toEqual(["$", name, ...rest]);
        expect(found(id)).toBe(`${id} + /`);
        expect(endpointOf(labelsOf(id))).toBeDefined();
      }),
    );
  });
});

describe("endpointOf()", () => {
  test.each([
    ["/$/inet/WEB/80", "WEB", 80, false],
    ["/$/inet/0:0::1/80", "::1", 80, false],
    ["/$/inet/80", "localhost", 80, false],
    ["/$/inet/web/80/rest", "web", 80, false],
    ["/$/fixedinet/web/80", "web", 80, true],
    ["/$/io.buoyant.rinet/80/web", "web", 80, false],
  ])("reads %p", (id, host, port, fixed) =>
    expect(endpointOf(labelsOf(id))).toEqual({ host, port, fixed }),
  );

  test.each(["/", "/$", "/$/inet", "/$/inet/web", "/$/nil", "/#/inet/web/80", "/svc"])(
    "knows none in %p",
    (id) => expect(endpointOf(labelsOf(id))).toBeUndefined(),
  );
});
