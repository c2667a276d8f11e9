import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { issue, makeCa } from "../../../test/support/certs.ts";
import { CONSUL_CONFIG, ConsulScene } from "../../../test/support/consul-scene.ts";
import type { FakeClock } from "../../../test/support/fake-clock.ts";
import {
  check,
  type FakeInstance,
  instance,
  printInstances,
} from "../../../test/support/fake-consul-catalog.ts";
import {
  type ConsulBehaviour,
  type ConsulRequest,
  FakeConsul,
} from "../../../test/support/fake-consul.ts";
import { until } from "../../../test/support/until.ts";
import type { ConsulNamerConfig } from "../../config/namer-types.ts";
import { formatAddress } from "../../lib/address.ts";
import type { Resolution } from "../../naming/resolution.ts";

const A = "10.0.0.1:80";
const B = "10.0.0.2:80";
const C = "10.0.0.3:80";

describe("consulSource()", () => {
  let scene: ConsulScene;

  beforeEach(() => {
    scene = new ConsulScene();
    scene.consul.set("web", [instance(A)]);
  });

  afterEach(() => {
    expect(scene.consul.mostAtOnce).toBeLessThanOrEqual(1);
    expect(scene.stop()).toBe(0);
  });

  /** The request line of the first query of a watch. */
  async function target(rest: Partial<ConsulNamerConfig>, labels = "dc1/web"): Promise<string> {
    scene.watch(rest, labels);
    await scene.queried(1);
    return scene.consul.queries()[0]?.target ?? "";
  }

  describe("splits a path", () => {
    const split = (path: string, includeTag = false) => {
      const parts = scene.source({ includeTag }).split(path.split("/").slice(1));
      return parts && `${parts.id.join("/")} + ${parts.residual.join("/")}`;
    };

    test("into data center and service, and with includeTag a tag between them", () => {
      expect(split("/dc1/Web/a/b")).toBe("dc1/Web + a/b");
      expect(split("/dc1/Prod/Web/a", true)).toBe("dc1/Prod/Web + a");
      expect(split("/.local/web")).toBe(".local/web + ");
    });

    test("but one that is too short is none of its names", () => {
      expect(split("/dc1")).toBeUndefined();
      expect(split("/dc1/web", true)).toBeUndefined();
      expect(scene.source().split([])).toBeUndefined();
    });

    test("nor one that would lead to another resource", async () => {
      expect(split("/dc1/..")).toBeUndefined();
      expect(split("/dc1/./x")).toBeUndefined();
      scene.watch({}, "dc1/..");
      expect(scene.reports).toEqual([]);
      await scene.reported("neg");
      expect(scene.consul.requests).toEqual([]);
    });
  });

  describe("asks", () => {
    test("in lower case, for the tag too", async () => {
      expect(await target({ includeTag: true }, "dc1/PROD/WeB")).toBe(
        "/v1/catalog/service/web?dc=dc1&tag=prod",
      );
    });

    test("the agent's own data center where the name says .local", async () => {
      expect(await target({}, ".local/web")).toBe("/v1/catalog/service/web");
    });

    test("for health, and leaves the choice to Consul where only passing counts", async () => {
      expect(await target({ useHealthCheck: true })).toBe(
        "/v1/health/service/web?dc=dc1&passing=true",
      );
    });

    test("for all of them where more than passing counts", async () => {
      const healthStatuses = ["passing", "warning"] as const;
      expect(await target({ useHealthCheck: true, healthStatuses })).toBe(
        "/v1/health/service/web?dc=dc1",
      );
    });

    test.each(["stale", "consistent"] as const)("for %s answers", async (consistencyMode) => {
      expect(await target({ consistencyMode })).toBe(
        `/v1/catalog/service/web?${consistencyMode}=true&dc=dc1`,
      );
    });

    test("for names of any bytes without leaving their place", async () => {
      // As labels write "ü", "Ü" and others: a character for each byte.
      expect(await target({ includeTag: true }, "d c/a&b=\u00C3\u009C/x?#%\u00C3\u00BC")).toBe(
        "/v1/catalog/service/x%3F%23%25%C3%BC?dc=d%20c&tag=a%26b%3D%C3%9C",
      );
    });

    test("with its token", async () => {
      scene.consul.token = "s3cret";
      scene.watch({ token: "s3cret" });
      await scene.bound(A);
      expect(scene.consul.requests[0]?.headers.get("x-consul-token")).toBe("s3cret");
    });

    test("without one where there is none, and is refused", async () => {
      scene.consul.token = "s3cret";
      scene.watch();
      await scene.reported("failed");
      expect(scene.consul.requests[0]?.headers.has("x-consul-token")).toBe(false);
      expect(JSON.stringify(scene.reports)).not.toContain("s3cret");
    });
  });

  test("follows one tag of a service", async () => {
    scene.consul.set("web", [instance(A, { tags: ["Prod"] }), instance(B, { tags: ["dev"] })]);
    scene.watch({ includeTag: true }, "dc1/prod/web");
    await scene.bound(A);
    await scene.blocked(1);
    scene.consul.set("web", [instance(C, { tags: ["prod"] })]);
    await scene.bound(C);
  });

  describe("with useHealthCheck", () => {
    const checked = (address: string, status: string, id?: string) =>
      instance(address, { checks: [check(status, id)] });

    test("has only what is passing, and is neg where nothing is", async () => {
      scene.consul.set("web", [
        checked(A, "passing"),
        checked(B, "warning"),
        checked(C, "critical"),
      ]);
      scene.watch({ useHealthCheck: true });
      await scene.bound(A);
      await scene.blocked(1);
      scene.consul.set("web", [checked(A, "critical")]);
      await scene.reported("neg");
      await scene.blocked(1);
      scene.consul.set("web", [checked(A, "passing")]);
      await scene.bound(A);
    });

    test("has what is in one of the states that are asked for", async () => {
      const healthStatuses = ["warning", "maintenance"] as const;
      scene.consul.set("web", [
        checked(A, "passing"),
        checked(B, "warning"),
        checked(C, "critical", "_service_maintenance:web"),
        checked("10.0.0.4:80", "critical"),
      ]);
      scene.watch({ useHealthCheck: true, healthStatuses });
      await scene.bound(B, C);
    });

    test("does not rely on Consul to leave out what is not passing", async () => {
      const list = [checked(A, "passing"), checked(B, "critical")];
      const body = printInstances("web", list, "health");
      scene.consul.behaviour = { kind: "body", body };
      scene.watch({ useHealthCheck: true });
      await scene.bound(A);
    });
  });

  describe("tells of the set", () => {
    const metaOf = () => (scene.last?.state === "bound" ? scene.last.meta : undefined);
    const metas = () =>
      scene.reports.map((it) => (it.state === "bound" ? it.meta?.["authority"] : it.state));

    test("nothing by default, and does not ask the agent", async () => {
      scene.watch();
      await scene.bound(A);
      expect(metaOf()).toBeUndefined();
      await scene.blocked(1);
      expect(scene.consul.requests.length).toBe(2);
    });

    test("its authority with setHost", async () => {
      scene.consul.agent = { Config: {}, DebugConfig: { DNSDomain: "corp.example." } };
      scene.watch({ setHost: true });
      await scene.bound(A);
      expect(metaOf()).toEqual({ authority: "web.service.dc1.corp.example" });
    });

    test("its authority with tag, in lower case, and the agent's data center for .local", async () => {
      scene.consul.set("web", [instance(A, { tags: ["prod"] })]);
      scene.watch({ setHost: true, includeTag: true }, ".local/Prod/Web");
      await scene.bound(A);
      expect(metaOf()).toEqual({ authority: "prod.web.service.dc1.consul" });
    });

    test("no data center where not even the agent names one", async () => {
      scene.consul.agent = { Config: {} };
      scene.watch({ setHost: true }, ".local/web");
      await scene.bound(A);
      expect(metaOf()).toEqual({ authority: "web.service.consul" });
    });

    test("the usual domain until the agent can be asked, once it has failed", async () => {
      let forbidden = true;
      scene.consul.agent = { Config: {}, DebugConfig: { DNSDomain: "corp" } };
      scene.consul.behaviour = ({ path }) =>
        path === "/v1/agent/self" && forbidden
          ? { kind: "status", status: 403 }
          : { kind: "normal" };
      scene.watch({ setHost: true });
      await scene.bound(A);
      expect(metas()).toEqual(["web.service.dc1.consul"]);
      expect(scene.warnings).toEqual(["cannot ask Consul's agent for its domain"]);
      forbidden = false;
      scene.clock.advance(await scene.waiting());
      await scene.count(2);
      expect(metas()).toEqual(["web.service.dc1.consul", "web.service.dc1.corp"]);
      const asked = () => scene.consul.requests.filter(({ path }) => path === "/v1/agent/self");
      expect(asked().length).toBe(2);
    });

    test("nothing while the agent has not answered, and leaves no request behind", async () => {
      scene.consul.behaviour = ({ path }) =>
        path === "/v1/agent/self" ? { kind: "hang" } : { kind: "normal" };
      scene.watch({ setHost: true });
      await scene.blocked(1);
      expect(scene.reports).toEqual([]);
      scene.clock.advance(10_000);
      expect(scene.last?.state).toBe("bound");
      scene.abort();
      expect(scene.clock.pending).toBe(0);
      await until("no connection", () => scene.consul.openConnections === 0);
    });

    test("the agent's domain to all names by one request", async () => {
      const source = scene.source({ setHost: true });
      const abort = new AbortController();
      let reports = 0;
      for (const service of ["web", "a", "b"]) {
        source.watch(["dc1", service], abort.signal, () => reports++);
      }
      await until("three reports", () => reports === 3);
      source.watch(["dc1", "c"], abort.signal, () => reports++);
      await until("a fourth", () => reports === 4);
      expect(scene.consul.requests.filter(({ path }) => path === "/v1/agent/self").length).toBe(1);
      abort.abort();
    });

    test("metadata with transferMetadata", async () => {
      const first = instance(A, { nodeMeta: { rack: "7" }, serviceMeta: { version: "4" } });
      scene.consul.set("web", [first, instance(B, { serviceMeta: { version: "5" } })]);
      scene.watch({ transferMetadata: true });
      await scene.bound(A, B);
      expect(scene.last).toEqual({
        state: "bound",
        endpoints: [
          { ip: "10.0.0.1", port: 80, weight: 1, meta: { rack: "7", endpoint_addr_weight: 1 } },
          { ip: "10.0.0.2", port: 80, weight: 1, meta: { endpoint_addr_weight: 1 } },
        ],
        meta: { version: "4" },
      });
    });
  });

  describe("looks up host names", () => {
    beforeEach(() => {
      scene.hosts.set("web.local", { state: "found", ips: ["10.0.0.9", "10.0.0.8"] });
      scene.consul.set("web", [instance(A), instance("web.local:80", { nodeMeta: { rack: "7" } })]);
    });

    test("and has all their addresses, with what is told of them", async () => {
      scene.watch({ transferMetadata: true });
      await scene.bound(A, "10.0.0.8:80", "10.0.0.9:80");
      expect(scene.last).toMatchObject({
        endpoints: [{}, { meta: { rack: "7" } }, { meta: { rack: "7" } }],
      });
    });

    test("again and again", async () => {
      scene.watch();
      await scene.bound(A, "10.0.0.8:80", "10.0.0.9:80");
      scene.hosts.set("web.local", { state: "found", ips: ["10.0.0.7"] });
      scene.clock.advance(6_000);
      await scene.bound(A, "10.0.0.7:80");
      scene.hosts.set("web.local", { state: "failed", cause: "EAI_AGAIN" });
      const reports = scene.reports.length;
      scene.clock.advance(6_000);
      await until("another report", () => scene.reports.length > reports);
      expect(scene.addresses).toEqual([A, "10.0.0.7:80"]);
    });

    test("and reports an answer that Consul confirms", async () => {
      scene.watch();
      await scene.bound(A, "10.0.0.8:80", "10.0.0.9:80");
      await scene.blocked(1);
      const reports = scene.reports.length;
      scene.consul.expire();
      await scene.count(reports + 1);
    });

    test("and has the others where one is unknown", async () => {
      scene.hosts.clear();
      scene.watch();
      await scene.bound(A);
    });

    test("and fails where all are unknown, until one is known again", async () => {
      scene.consul.set("web", [instance("nobody.local:80")]);
      scene.watch();
      await scene.reported("failed");
      await scene.blocked(1);
      scene.consul.set("web", [instance("web.local:80")]);
      await scene.bound("10.0.0.8:80", "10.0.0.9:80");
      await scene.blocked(1);
      scene.consul.set("web", [instance("nobody.local:80")]);
      await scene.reported("failed");
      await scene.blocked(1);
      scene.hosts.set("nobody.local", { state: "found", ips: ["10.0.0.7"] });
      scene.clock.advance(6_000);
      await scene.bound("10.0.0.7:80");
    });

    test("while Consul cannot be asked too, which their changes do not hide", async () => {
      scene.watch();
      await scene.bound(A, "10.0.0.8:80", "10.0.0.9:80");
      await scene.blocked(1);
      scene.consul.behaviour = { kind: "hang" };
      scene.consul.cut();
      await scene.reported("failed");
      const [failure, { length }] = [scene.last, scene.reports];
      const passing = (what: string, condition: () => boolean): Promise<void> =>
        until(what, () => {
          scene.clock.advance(10);
          return condition();
        });
      await passing("another query", () => scene.consul.queries().length === 3);
      scene.hosts.set("web.local", { state: "found", ips: ["10.0.0.7"] });
      await passing("a look-up", () => scene.reports.length > length);
      const [change, ...others] = scene.reports.slice(length);
      expect(change).toMatchObject({ endpoints: [{ ip: "10.0.0.1" }, { ip: "10.0.0.7" }] });
      expect(others).toEqual(failure === undefined ? [] : [failure]);
      // Rounds that change nothing say nothing.
      await passing("two more queries", () => scene.consul.queries().length === 5);
      const later = scene.reports.slice(length + 2);
      expect(later.map(({ state }) => state)).toEqual(["failed", "failed"]);
    });

    test("no more once they are gone", async () => {
      scene.watch();
      await scene.bound(A, "10.0.0.8:80", "10.0.0.9:80");
      await scene.blocked(1);
      scene.consul.set("web", [instance(B)]);
      await scene.bound(B);
      await scene.blocked(1);
      // The deadline of the query.
      expect(scene.clock.pending).toBe(1);
    });

    test("no more once the service is gone", async () => {
      scene.watch();
      await scene.bound(A, "10.0.0.8:80", "10.0.0.9:80");
      await scene.blocked(1);
      scene.consul.set("web", []);
      await scene.reported("neg");
      await scene.blocked(1);
      expect(scene.clock.pending).toBe(1);
    });
  });

  describe("with other data centers to fail over to", () => {
    const REST = { failoverDatacenters: ["dc2", "dc1", "dc3", "dc2"] };

    beforeEach(() => {
      scene.consul.set("web", [instance(B)], "dc2");
      scene.consul.set("web", [instance(C)], "dc3");
    });

    test("does not ask them while its own has an instance", async () => {
      scene.watch(REST);
      await scene.bound(A);
      await scene.blocked(1);
      expect(scene.consul.queries().length).toBe(2);
    });

    test("takes the first that has one, and comes back when its own has one again", async () => {
      scene.watch(REST);
      await scene.bound(A);
      await scene.blocked(1);
      scene.consul.set("web", []);
      await scene.bound(B);
      await scene.blocked(2);
      expect(scene.consul.queries("dc3")).toEqual([]);
      scene.consul.set("web", [], "dc2");
      await scene.bound(C);
      await scene.blocked(3);
      scene.consul.set("web", [instance(B)], "dc2");
      await scene.bound(B);
      await scene.blocked(2);
      scene.consul.set("web", [instance(A)]);
      await scene.bound(A);
      await until("one connection", () => scene.consul.openConnections === 1);
      expect(scene.reports.map(({ state }) => state)).toEqual(Array(5).fill("bound"));
    });

    test("counts healthy ones only where it is to", async () => {
      scene.consul.set("web", [instance(A, { checks: [check("critical")] })]);
      scene.watch({ ...REST, useHealthCheck: true });
      await scene.bound(B);
    });

    test("is neg when none has any, and notices the first that has", async () => {
      for (const datacenter of ["dc1", "dc2", "dc3"]) scene.consul.set("web", [], datacenter);
      scene.watch(REST);
      await scene.reported("neg");
      await scene.blocked(3);
      expect(scene.reports.length).toBe(1);
      scene.consul.set("web", [instance(C)], "dc3");
      await scene.bound(C);
    });

    test("is neg when its own loses its last instance and no other has one", async () => {
      for (const datacenter of ["dc2", "dc3"]) scene.consul.set("web", [], datacenter);
      scene.watch(REST);
      await scene.bound(A);
      await scene.blocked(1);
      scene.consul.set("web", []);
      await scene.reported("neg");
      await scene.blocked(3);
      scene.consul.expire();
      await scene.blocked(3);
      await scene.count(3);
    });

    test("takes another while its own has never answered", async () => {
      scene.consul.behaviour = ({ query }) =>
        query.get("dc") === "dc1"
          ? { kind: "status", status: 500, body: "No path to datacenter" }
          : { kind: "normal" };
      scene.watch(REST);
      await scene.bound(B);
      scene.consul.behaviour = { kind: "normal" };
      await scene.nextQuery();
      await scene.bound(A);
    });

    test("passes over one that cannot be reached", async () => {
      scene.consul.set("web", []);
      scene.consul.behaviour = ({ query }) =>
        query.get("dc") === "dc2" ? { kind: "status", status: 500 } : { kind: "normal" };
      scene.watch(REST);
      await scene.bound(C);
      scene.consul.behaviour = { kind: "normal" };
      await scene.nextQuery();
      await scene.bound(B);
    });

    test("says nothing while one that may have an instance has not answered", async () => {
      scene.consul.set("web", []);
      scene.consul.behaviour = ({ query }) =>
        query.get("dc") === "dc2" ? { kind: "hang" } : { kind: "normal" };
      scene.watch(REST);
      await until("a query of dc2", () => scene.consul.queries("dc2").length === 1);
      await scene.blocked(1);
      scene.consul.expire();
      await until("another query of dc1", () => scene.consul.queries("dc1").length === 3);
      await scene.blocked(1);
      expect(scene.reports).toEqual([]);
      scene.clock.advance(10_000);
      await scene.bound(C);
      expect(scene.reports.length).toBe(1);
    });

    test("keeps what its own had while that cannot be reached", async () => {
      scene.watch(REST);
      await scene.bound(A);
      await scene.blocked(1);
      scene.consul.behaviour = { kind: "status", status: 500 };
      scene.consul.expire();
      await scene.nextQuery();
      await scene.waiting();
      await scene.count(4);
      expect(scene.reports.map(({ state }) => state)).toEqual([
        "bound",
        "bound",
        "failed",
        "failed",
      ]);
      expect(scene.consul.queries("dc2")).toEqual([]);
      scene.consul.behaviour = { kind: "normal" };
      await scene.nextQuery();
      await scene.bound(A);
      await scene.blocked(1);
    });

    /** As `behaviour` of the fake: this data center is cut off from the agent. */
    const withoutDatacenter =
      (name: string) =>
      ({ query }: ConsulRequest): ConsulBehaviour =>
        query.get("dc") === name
          ? { kind: "status", status: 500, body: "No path to datacenter" }
          : { kind: "normal" };

    test("keeps what the one that serves had while that cannot be reached", async () => {
      scene.consul.set("web", []);
      scene.watch(REST);
      await scene.bound(B);
      await scene.blocked(2);
      scene.consul.behaviour = withoutDatacenter("dc2");
      scene.consul.expire();
      await scene.reported("failed");
      expect(scene.last).toEqual({
        state: "failed",
        cause: "Consul answered with HTTP status 500: No path to datacenter",
      });
      // What its own says again confirms nothing.
      const { length } = scene.reports;
      await scene.blocked(1);
      scene.consul.expire();
      await scene.blocked(1);
      expect(scene.reports.length).toBe(length);
      expect(scene.consul.queries("dc3")).toEqual([]);
      scene.consul.behaviour = { kind: "normal" };
      await scene.nextQuery();
      await scene.bound(B);
      await scene.blocked(2);
    });

    test("leaves one that cannot be reached for its own as soon as that has an instance", async () => {
      scene.consul.set("web", []);
      scene.watch(REST);
      await scene.bound(B);
      await scene.blocked(2);
      scene.consul.behaviour = withoutDatacenter("dc2");
      scene.consul.expire();
      await scene.reported("failed");
      await scene.blocked(1);
      scene.consul.set("web", [instance(A)]);
      await scene.bound(A);
      await scene.blocked(1);
      expect(scene.clock.waits.size).toBe(0);
    });

    test("does not tell that one cannot be reached which does not serve", async () => {
      scene.consul.set("web", []);
      scene.watch(REST);
      await scene.bound(B);
      await scene.blocked(2);
      scene.consul.behaviour = withoutDatacenter("dc1");
      scene.consul.expire();
      await scene.waiting();
      await scene.blocked(1);
      expect(new Set(scene.reports.map(({ state }) => state))).toEqual(new Set(["bound"]));
      // With the last instance elsewhere, it is its own again that counts.
      for (const datacenter of ["dc2", "dc3"]) scene.consul.set("web", [], datacenter);
      await scene.reported("failed");
      expect(scene.reports.at(-2)).toEqual({ state: "neg" });
      scene.consul.behaviour = { kind: "normal" };
      await scene.nextQuery();
      await scene.reported("neg");
      await scene.blocked(3);
    });

    test("reports what is confirmed by the one that serves, and by no other", async () => {
      scene.consul.set("web", []);
      scene.watch(REST);
      await scene.bound(B);
      await scene.blocked(2);
      scene.consul.expire();
      await scene.blocked(2);
      await until("six queries", () => scene.consul.queries().length === 6);
      await scene.count(2);
    });

    test("names the one that serves in the authority", async () => {
      scene.consul.set("web", []);
      scene.watch({ ...REST, setHost: true });
      await scene.bound(B);
      expect(scene.last).toMatchObject({ meta: { authority: "web.service.dc2.consul" } });
    });

    test("leaves none behind", async () => {
      scene.consul.set("web", []);
      scene.watch(REST);
      await scene.bound(B);
      await scene.blocked(2);
      scene.abort();
      expect(scene.clock.pending).toBe(0);
      await until("no connection", () => scene.consul.openConnections === 0);
    });
  });

  test("comes to what Consul knows after any row of troubles", async () => {
    const trouble = fc.oneof(
      fc.record({
        kind: fc.constant("set" as const),
        datacenter: fc.constantFrom("dc1", "dc2"),
        list: fc.constantFrom([], [instance(A)], [instance(B), instance(C)]),
      }),
      fc.record({
        kind: fc.constant("behaviour" as const),
        behaviour: fc.constantFrom<ConsulBehaviour[]>(
          { kind: "normal" },
          { kind: "hang" },
          { kind: "reset" },
          { kind: "status", status: 500 },
          { kind: "cut", bytes: 40, then: "close" },
          { kind: "cut", bytes: 40, then: "stall" },
          { kind: "body", body: "<html>" },
        ),
      }),
      fc.record({ kind: fc.constant("time" as const), ms: fc.integer({ min: 1, max: 400_000 }) }),
      fc.constantFrom(...(["cut", "expire", "restart"] as const)).map((kind) => ({ kind })),
      fc.record({ kind: fc.constant("turns" as const), turns: fc.integer({ min: 1, max: 20 }) }),
    );
    const rounds = fc.array(fc.array(trouble, { maxLength: 8 }), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(rounds, async (all) => {
        using consul = FakeConsul.start();
        const abort = new AbortController();
        let last: Resolution | undefined;
        const config = { baseUrl: consul.baseUrl, failoverDatacenters: ["dc2"] };
        scene.source(config).watch(["dc1", "web"], abort.signal, (it) => (last = it));
        const lists = new Map<string, readonly FakeInstance[]>();
        for (const round of all) {
          for (const it of round) {
            if (it.kind === "set") lists.set(it.datacenter, it.list);
            await makeTrouble(it, consul, scene.clock);
          }
          consul.behaviour = { kind: "normal" };
          // Deadlines have their own tests.
          if (round.some((it) => it.kind === "behaviour")) consul.cut();
          const own = lists.get("dc1") ?? [];
          const serving = own.length > 0 ? own : (lists.get("dc2") ?? []);
          const expected = serving.map(({ address, port }) => `${address}:${port}`);
          await until(`${expected}`, () => {
            // Waits pass, and nothing else: what only helps once Consul's time is over helps too late.
            const [waitMs] = scene.clock.waits;
            if (waitMs !== undefined) scene.clock.advance(waitMs);
            if (last?.state === "neg") return expected.length === 0;
            return (
              last?.state === "bound" && Bun.deepEquals(last.endpoints.map(formatAddress), expected)
            );
          });
        }
        abort.abort();
        expect(scene.clock.pending).toBe(0);
      }),
      { numRuns: 60, endOnFailure: true },
    );
  });

  test("reports nothing after an abort, not even before the first answer", async () => {
    const abort = new AbortController();
    const source = scene.source();
    const report = () => expect.unreachable();
    source.watch(["dc1", "web"], abort.signal, report);
    source.watch(["dc1"], abort.signal, report);
    abort.abort();
    source.watch(["dc1", "web"], abort.signal, report);
    source.watch(["dc1"], abort.signal, report);
    expect(scene.clock.pending).toBe(0);
    scene.watch();
    await scene.bound(A);
    await scene.blocked(1);
    expect(scene.consul.requests.length).toBe(2);
  });

  test("ends in the midst of a report without a trace", async () => {
    const abort = new AbortController();
    let reports = 0;
    scene.source({ failoverDatacenters: ["dc2"] }).watch(["dc1", "web"], abort.signal, () => {
      reports++;
      abort.abort();
    });
    await until("a report", () => reports === 1);
    expect(scene.clock.pending).toBe(0);
    await until("no connection", () => scene.consul.openConnections === 0);
    expect(reports).toBe(1);
  });

  describe("over TLS", () => {
    test("trusts whom it is told to trust, and shows its own certificate", async () => {
      const [ca, other] = await Promise.all([makeCa(), makeCa("Other CA")]);
      const server = await issue(ca, { names: ["server.dc1.consul"] });
      const client = await issue(ca, { names: ["namerd"] });
      using agent = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        tls: {
          cert: server.certPem,
          key: server.keyPem,
          ca: ca.certPem,
          requestCert: true,
          rejectUnauthorized: true,
        },
        fetch: () =>
          new Response(printInstances("web", [instance(A)], "catalog"), {
            headers: { "X-Consul-Index": "5" },
          }),
      });
      const clientAuth = { certPem: client.certPem, keyPem: client.keyPem };
      const good = {
        disableValidation: false,
        commonName: "server.dc1.consul",
        trustPem: ca.certPem,
        clientAuth,
      };
      const cases = [
        { tls: good, state: "bound" },
        { tls: { ...good, trustPem: other.certPem }, state: "failed" },
        { tls: { ...good, commonName: "other.example" }, state: "failed" },
        { tls: { ...good, clientAuth: undefined }, state: "failed" },
        { tls: { ...good, trustPem: other.certPem, disableValidation: true }, state: "bound" },
      ];
      for (const { tls, state } of cases) {
        const each = new AbortController();
        const first = Promise.withResolvers<string>();
        const config = { ...CONSUL_CONFIG, baseUrl: `https://127.0.0.1:${agent.port}`, tls };
        scene.source(config).watch(["dc1", "web"], each.signal, (it) => first.resolve(it.state));
        expect(await first.promise).toBe(state);
        each.abort();
      }
    });
  });
});

type Trouble =
  | {
      readonly kind: "set";
      readonly datacenter: string;
      readonly list: readonly FakeInstance[];
    }
  | { readonly kind: "behaviour"; readonly behaviour: ConsulBehaviour }
  | { readonly kind: "time"; readonly ms: number }
  | { readonly kind: "turns"; readonly turns: number }
  | { readonly kind: "cut" | "expire" | "restart" };

async function makeTrouble(it: Trouble, consul: FakeConsul, clock: FakeClock): Promise<void> {
  switch (it.kind) {
    case "set":
      return consul.set("web", it.list, it.datacenter);
    case "behaviour":
      consul.behaviour = it.behaviour;
      return;
    case "time":
      return clock.advance(it.ms);
    case "turns":
      for (let n = 0; n < it.turns; n++) await new Promise((resolve) => setImmediate(resolve));
      return;
    case "cut":
      return consul.cut();
    case "expire":
      return consul.expire();
    case "restart":
      consul.pause();
      return consul.resume();
    default:
      return it satisfies never;
  }
}
