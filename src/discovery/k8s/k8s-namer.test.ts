import { afterEach, describe, expect, test } from "bun:test";
import { describeResolver } from "../resolver.contract.ts";
import { endpointSlice, service } from "../../../test/support/kubernetes-objects.ts";
import {
  type Followed,
  KubernetesScene,
  SERVICES,
  SLICES,
  WEB,
} from "../../../test/support/kubernetes-scene.ts";
import { until } from "../../../test/support/until.ts";
import { labelsOf } from "../inet.ts";

let scene: KubernetesScene;

function start(...args: ConstructorParameters<typeof KubernetesScene>): void {
  scene = new KubernetesScene(...args);
}

afterEach(() => {
  expect(scene.stop()).toBe(0);
});

describeResolver("K8sSource", async (clock) => {
  start({}, {}, clock);
  const bind = (...addresses: readonly string[]): void => {
    for (const [index, address] of addresses.entries()) {
      const [ip = "", port = ""] = address.split(":");
      scene.slice(`web-${index}`, {
        endpoints: [ip],
        ports: [{ name: "http", port: Number(port) }],
      });
    }
    for (let index = addresses.length; index < count; index++) {
      scene.api.remove(SLICES, `web-${index}`);
    }
    count = addresses.length;
  };
  let count = 0;
  bind("10.0.0.1:80");
  return {
    resolver: {
      watch: (path, signal, report) => scene.source.watch(labelsOf(path) ?? [], signal, report),
    },
    path: "/prod/http/web",
    bind,
    initially: ["10.0.0.1:80"],
    unknownPath: "/prod/http/none",
    openHandles: () => scene.api.openConnections,
    close: () => scene.api.pause(),
  };
});

describe("split()", () => {
  const split = (...path: readonly string[]) => scene.source.split(path);

  test("takes three segments in lower case, and leaves the rest", () => {
    start();
    expect(split("Prod", "HTTP", "Web", "A", "b")).toEqual({
      id: ["prod", "http", "web"],
      residual: ["A", "b"],
    });
    expect(split("prod", "8080", "web")).toEqual({ id: ["prod", "8080", "web"], residual: [] });
    expect(split("prod", "http")).toBeUndefined();
  });

  test("takes two where the namespace is configured, and one more for the value of a label", () => {
    start({ kind: "io.l5d.k8s.ns", namespace: "prod", labelSelector: "version" });
    expect(split("http", "web", "V1.2", "x")).toEqual({
      id: ["http", "web", "v1.2"],
      residual: ["x"],
    });
    expect(split("http", "web")).toBeUndefined();
  });

  test("refuses what cannot be a name, and so what would change the question", () => {
    start({ labelSelector: "version" });
    for (const bad of ["..", "a/b", "a%2fb", "a,b=c", "a b", "-a", "a?", "\xe9", "a".repeat(64)]) {
      expect(split(bad, "http", "web", "v")).toBeUndefined();
      expect(split("prod", bad, "web", "v")).toBeUndefined();
      expect(split("prod", "http", bad, "v")).toBeUndefined();
      expect(split("prod", "http", "web", bad)).toBeUndefined();
    }
    for (const bad of ["0", "65536", "123456"]) {
      expect(split("prod", bad, "web", "v")).toBeUndefined();
    }
  });
});

describe("asks", () => {
  test("for the slices of the service, and watches from there", async () => {
    start();
    scene.slice("web-a", ["10.0.0.1"]);
    await scene.follow().bound("10.0.0.1");
    await scene.watching();
    const [list, watch] = scene.api.requests;
    expect(list?.method).toBe("GET");
    expect(list?.target).toBe(
      `${SLICES}?labelSelector=kubernetes.io%2Fservice-name%3Dweb&limit=25`,
    );
    expect(list?.headers.has("authorization")).toBe(false);
    expect(watch?.target).toStartWith(
      `${SLICES}?labelSelector=kubernetes.io%2Fservice-name%3Dweb&watch=true&resourceVersion=${scene.api.store.version}&allowWatchBookmarks=true&timeoutSeconds=`,
    );
    expect(Number(watch?.parameters.get("timeoutSeconds"))).toBeWithin(290, 581);
  });

  test("once for all ports of a service, and for each value of a label by itself", async () => {
    start({ labelSelector: "version" });
    const ports = [
      { name: "http", port: 80 },
      { name: "admin", port: 9990 },
    ];
    scene.slice("web-1", { endpoints: ["10.0.0.1"], ports, labels: { version: "v1" } });
    scene.slice("web-2", { endpoints: ["10.0.0.2"], ports, labels: { version: "v2" } });
    const first = scene.follow(["prod", "http", "web", "v1"]);
    const second = scene.follow(["prod", "admin", "web", "v1"]);
    await first.bound("10.0.0.1");
    await second.bound("10.0.0.1");
    const late = scene.follow(["prod", "http", "web", "v1"]);
    await late.bound("10.0.0.1");
    expect(second.addresses).toEqual(["10.0.0.1:9990"]);
    const other = scene.follow(["prod", "http", "web", "v2"]);
    await other.bound("10.0.0.2");
    await scene.follow(["prod", "http", "web", "v3"]).reported("neg");
    expect(scene.lists).toBe(3);
    await scene.watching(3);

    first.stop();
    late.stop();
    scene.api.put(
      SLICES,
      endpointSlice("web-1", "web", { endpoints: [], ports, labels: { version: "v1" } }),
    );
    await second.bound();
    expect(scene.lists).toBe(3);
    second.stop();
    await scene.watching(2);
    const again = scene.follow(["prod", "http", "web", "v1"]);
    await again.bound();
    expect(scene.lists).toBe(4);
  });

  test("in the namespace of the configuration", async () => {
    start({ kind: "io.l5d.k8s.ns", namespace: "prod" });
    scene.slice("web-a", ["10.0.0.1"]);
    await scene.follow(["http", "web"]).bound("10.0.0.1");
  });
});

describe("follows", () => {
  test("slices that come, change and go", async () => {
    start();
    const web = scene.follow();
    await web.reported("neg");
    scene.slice("web-a", ["10.0.0.1"]);
    await web.bound("10.0.0.1");
    scene.slice("web-b", ["10.0.0.3", "10.0.0.2"]);
    await web.bound("10.0.0.1", "10.0.0.2", "10.0.0.3");
    scene.slice("web-b", ["10.0.0.2"]);
    await web.bound("10.0.0.1", "10.0.0.2");
    scene.api.remove(SLICES, "web-a");
    await web.bound("10.0.0.2");
    scene.api.remove(SLICES, "web-b");
    await web.reported("neg");
    expect(scene.api.requests.length).toBe(2);
  });

  test("an endpoint through its end: ready, terminating, gone", async () => {
    start();
    const draining = { ready: false, serving: true, terminating: true };
    const old = { ip: "10.0.0.1", conditions: draining };
    scene.slice("web-a", ["10.0.0.1", "10.0.0.2"]);
    const web = scene.follow();
    await web.bound("10.0.0.1", "10.0.0.2");
    scene.slice("web-a", { endpoints: [old, "10.0.0.2"] });
    await web.bound("10.0.0.2");
    scene.slice("web-a", { endpoints: [old, { ip: "10.0.0.2", conditions: draining }] });
    await web.bound("10.0.0.1", "10.0.0.2");
    scene.slice("web-a", { endpoints: [{ ip: "10.0.0.1", conditions: { ready: false } }] });
    await web.bound();
  });

  test("a slice that gets and loses the label, which the server tells as made and deleted", async () => {
    start({ labelSelector: "version" });
    const web = scene.follow([...WEB, "v1"]);
    await web.reported("neg");
    scene.slice("web-a", { endpoints: ["10.0.0.1"], labels: { version: "v1" } });
    await web.bound("10.0.0.1");
    scene.slice("web-a", { endpoints: ["10.0.0.1"], labels: { version: "v2" } });
    await web.reported("neg");
  });

  test("a service of 120 slices by pages", async () => {
    start();
    for (let slice = 0; slice < 120; slice++) scene.slice(`web-${slice}`, [`10.0.0.${slice}`]);
    const web = scene.follow();
    await until("all", () => web.last?.state === "bound" && web.last.endpoints.length === 120);
    await scene.watching();
    expect(scene.lists).toBe(5);
  });

  test("confirms by bookmarks that nothing changed, and goes on from the last one", async () => {
    start();
    scene.slice("web-a", ["10.0.0.1"]);
    const web = scene.follow();
    await web.bound("10.0.0.1");
    await scene.watching();
    const before = web.all.length;
    scene.api.store.pass();
    scene.api.bookmark();
    await web.count(before + 1);
    expect(web.last).toEqual(web.all[before - 1]);
    const { version } = scene.api.store;
    scene.api.endWatches();
    await scene.pass("the next watch", () => scene.watches === 2);
    expect(scene.api.requests.at(-1)?.parameters.get("resourceVersion")).toBe(version);
    expect(scene.lists).toBe(1);
  });

  test("tells what cannot be used, once for each change of its count", async () => {
    start();
    scene.slice("web-a", { addressType: "FQDN", endpoints: ["db.example"] });
    const web = scene.follow();
    await web.reported("failed");
    expect(web.last).toEqual({
      state: "failed",
      cause: "none of the 1 addresses of web in prod can be used",
    });
    scene.slice("web-b", ["10.0.0.1"]);
    await web.bound("10.0.0.1");
    expect(scene.skipped).toBe(2);
    const warnings = scene.logged.filter(({ level }) => level === "warn");
    expect(warnings).toEqual([
      {
        level: "warn",
        message: "Kubernetes gave addresses that cannot be used",
        fields: { name: "/prod/http/web", skipped: 1 },
      },
    ]);
  });
});

describe("a server that cannot be had any more", () => {
  const states = (one: Followed): readonly string[] => one.all.map(({ state }) => state);

  test("is told to all who follow, and to those who begin then after what was known", async () => {
    start();
    const ports = [
      { name: "http", port: 80 },
      { name: "admin", port: 9990 },
    ];
    scene.slice("web-a", { endpoints: ["10.0.0.1"], ports });
    const web = scene.follow();
    await web.bound("10.0.0.1");
    await scene.watching();
    scene.api.pause();
    await web.reported("failed");
    const late = [scene.follow(["prod", "admin", "web"]), scene.follow(["prod", "none", "web"])];
    await until("both", () => late.every(({ all }) => all.length === 2));
    expect(late.map(states)).toEqual([
      ["bound", "failed"],
      ["neg", "failed"],
    ]);
    expect(late.map(({ last }) => last)).toEqual([web.last, web.last]);
    scene.clock.advance(await scene.waiting());
    await until("another attempt", () => web.all.length === 3);
    expect(late.map(({ all }) => all.length)).toEqual([3, 3]);
    scene.api.resume();
    await scene.pass("an answer", () => web.last?.state === "bound");
    expect(late.map(({ last }) => last?.state)).toEqual(["bound", "neg"]);
    expect(new Set(states(web))).toEqual(new Set(["bound", "failed"]));
  });

  test("may be left after what was known", async () => {
    start();
    scene.slice("web-a", ["10.0.0.1"]);
    const web = scene.follow();
    await web.bound("10.0.0.1");
    await scene.watching();
    scene.api.pause();
    await web.reported("failed");
    const abort = new AbortController();
    const told: string[] = [];
    scene.source.watch(WEB, abort.signal, ({ state }) => {
      told.push(state);
      abort.abort();
    });
    await until("a report", () => told.length > 0);
    await new Promise(setImmediate);
    expect(told).toEqual(["bound"]);
  });

  test("for the Service only: what changes of the slices is told, and that it fails", async () => {
    start();
    scene.slice("web-a", ["10.0.0.1"]);
    scene.service(service("web", [{ name: "http", port: 80 }]));
    const web = scene.follow(["prod", "80", "web"]);
    await web.bound("10.0.0.1");
    await scene.watching(2);
    scene.api.behaviour = ({ path }) =>
      path === SERVICES ? { kind: "status", status: 503, message: "later" } : { kind: "normal" };
    scene.api.endWatches();
    await scene.pass("a failure", () => web.last?.state === "failed");
    await scene.pass("the other watch", () => scene.api.watches.length === 1);
    const before = web.all.length;
    scene.slice("web-a", ["10.0.0.2"]);
    await web.count(before + 2);
    const [change, failure] = web.all.slice(before);
    expect(change).toMatchObject({ state: "bound", endpoints: [{ ip: "10.0.0.2" }] });
    expect(failure).toMatchObject({ state: "failed" });
    scene.api.behaviour = { kind: "normal" };
    await scene.pass("an answer", () => web.last?.state === "bound");
    expect(web.addresses).toEqual(["10.0.0.2:8080"]);
  });
});

describe("a port by name", () => {
  test("that no slice has is neg, but not while there is no pod to tell", async () => {
    start();
    const web = scene.follow(["prod", "admin", "web"]);
    await web.reported("neg");
    scene.slice("web-a", { endpoints: [], ports: null });
    await web.bound();
    scene.slice("web-a", ["10.0.0.1"]);
    await web.reported("neg");
    scene.slice("web-b", { endpoints: ["10.0.0.1"], ports: [{ name: "admin", port: 1 }] });
    await web.bound("10.0.0.1");
  });
});

describe("a port by number", () => {
  const WEB_80 = ["prod", "80", "web"];

  test("is that of the Service, and of its slices by the name it has there", async () => {
    start();
    scene.service(service("web", [{ name: "http", port: 80, targetPort: 8080 }]));
    scene.service(service("other", [{ name: "http", port: 81 }]));
    scene.slice("web-a", ["10.0.0.1"]);
    const web = scene.follow(WEB_80);
    await web.bound("10.0.0.1");
    expect(web.addresses).toEqual(["10.0.0.1:8080"]);
    await scene.follow(["prod", "81", "web"]).reported("neg");
    const asked = scene.api.requests.find(({ path }) => path === SERVICES);
    expect(asked?.target).toBe(`${SERVICES}?fieldSelector=metadata.name%3Dweb&limit=25`);
    expect(scene.lists).toBe(2);
    expect(scene.logged).toEqual([]);
  });

  test("needs no name, where the Service has one port only", async () => {
    start();
    scene.service(service("web", [{ port: 80 }]));
    scene.slice("web-a", { endpoints: ["10.0.0.1"], ports: [{ name: "", port: 8080 }] });
    await scene.follow(WEB_80).bound("10.0.0.1");
  });

  test("follows the Service", async () => {
    start();
    scene.slice("web-a", ["10.0.0.1"]);
    const web = scene.follow(WEB_80);
    await web.reported("neg");
    scene.service(service("web", [{ name: "http", port: 80 }]));
    await web.bound("10.0.0.1");
    scene.service(service("web", [{ name: "http", port: 81 }]));
    await web.reported("neg");
    scene.service(service("web", [{ name: "http", port: 80 }]));
    scene.api.remove(SLICES, "web-a");
    await web.bound();
    scene.api.remove(SERVICES, "web");
    await web.reported("neg");
  });

  test("of a Service without anything that has the label is neg", async () => {
    start({ labelSelector: "version" });
    scene.service(service("web", [{ name: "http", port: 80 }]));
    await scene.follow([...WEB_80, "v1"]).reported("neg");
  });

  test("is not known before both are", async () => {
    start();
    scene.slice("web-a", ["10.0.0.1"]);
    scene.service(service("web", [{ name: "http", port: 80 }]));
    scene.api.behaviour = ({ path }) => ({ kind: path === SERVICES ? "hang" : "normal" });
    const web = scene.follow(WEB_80);
    await scene.watching();
    expect(web.all).toEqual([]);
    scene.clock.advance(15_000);
    await web.reported("failed");
    scene.api.behaviour = { kind: "normal" };
    await scene.pass("an answer", () => web.last?.state === "bound");
  });
});
