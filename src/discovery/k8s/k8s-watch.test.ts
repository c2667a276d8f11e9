// The namer against an API server that fails in every way it can: what is reported, kept, asked for again, and when.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { endpointSlice } from "../../../test/support/kubernetes-objects.ts";
import { type Followed, KubernetesScene, SLICES } from "../../../test/support/kubernetes-scene.ts";
import { until } from "../../../test/support/until.ts";
import { seededRng } from "../../lib/rng.ts";
import { REQUEST_TIMEOUT_MS } from "./k8s-request.ts";

let scene: KubernetesScene;
let web: Followed;

beforeEach(() => {
  scene = new KubernetesScene();
  scene.slice("web-a", ["10.0.0.1"]);
});

afterEach(async () => {
  expect(scene.stop()).toBe(0);
  await scene.connections(0);
});

/** Follows the name until its watch is open, on both sides. */
async function following(): Promise<void> {
  web = scene.follow();
  await web.bound("10.0.0.1");
  await scene.watching();
  await until("the end of the deadline for its head", () => scene.clock.pending === 1);
}

/** Nothing but good answers was ever reported. */
function onlyBound(): void {
  expect(web.all.filter(({ state }) => state !== "bound")).toEqual([]);
}

/** There were failures, and nothing but those and good answers was reported; a good one last, unless it still fails. */
function onlyTroubled(andStillIs = false): void {
  expect(new Set(web.all.map(({ state }) => state))).toEqual(new Set(["bound", "failed"]));
  expect(web.last?.state).toBe(andStillIs ? "failed" : "bound");
}

describe("nothing is lost", () => {
  test("that changes between the list and the watch", async () => {
    scene.api.behaviour = ({ watch }) => {
      if (watch && scene.watches === 1) scene.slice("web-b", ["10.0.0.2"]);
      return { kind: "normal" };
    };
    web = scene.follow();
    await web.bound("10.0.0.1", "10.0.0.2");
    expect(scene.lists).toBe(1);
  });

  test("that changes between the pages of a list", async () => {
    for (let slice = 0; slice < 30; slice++) scene.slice(`web-a${slice}`, ["10.0.0.1"]);
    scene.api.behaviour = ({ parameters }) => {
      if (parameters.has("continue")) scene.slice("web-0", ["10.0.0.2"]);
      return { kind: "normal" };
    };
    web = scene.follow();
    await web.bound("10.0.0.1", "10.0.0.2");
    expect(scene.lists).toBe(2);
  });

  test("that changes between a watch and the next", async () => {
    await following();
    scene.api.endWatches();
    scene.slice("web-b", ["10.0.0.2"]);
    await scene.pass("the change", () => web.addresses?.length === 2);
    expect(scene.lists).toBe(1);
    onlyBound();
  });

  test("wherever the pieces of the answers end", async () => {
    for (const pieceBytes of [1, 3, 50]) {
      scene.api.pieceBytes = pieceBytes;
      scene.slice("web-a", ["10.0.0.1"]);
      await following();
      scene.slice("web-a", ["10.0.0.2"]);
      scene.slice("web-b", ["10.0.0.3"]);
      await web.bound("10.0.0.2", "10.0.0.3");
      onlyBound();
      web.stop();
      await scene.connections(0);
      scene.api.remove(SLICES, "web-b");
    }
  });
});

describe("a version that is forgotten", () => {
  for (const expiresBy of ["event", "status"] as const) {
    test(`is told by ${expiresBy}: lists anew`, async () => {
      scene.api.expiresBy = expiresBy;
      await following();
      scene.api.endWatches();
      scene.slice("web-a", ["10.0.0.2"]);
      scene.slice("web-b", ["10.0.0.3"]);
      scene.api.store.forget();
      expect(await scene.nextRequest()).toBeWithin(50, 101);
      expect(await scene.nextRequest()).toBeWithin(100, 201);
      await web.bound("10.0.0.2", "10.0.0.3");
      await scene.watching();
      expect(scene.lists).toBe(2);
      expect(scene.logged.filter(({ level }) => level === "warn")).toEqual([]);
      onlyBound();
    });
  }

  test("while the watch runs: lists anew, and what went meanwhile is gone", async () => {
    scene.slice("web-b", ["10.0.0.2"]);
    web = scene.follow();
    await web.bound("10.0.0.1", "10.0.0.2");
    await scene.watching();
    scene.api.failWatches(410, "too old");
    scene.api.remove(SLICES, "web-b");
    scene.api.store.forget();
    await scene.pass("the new list", () => web.addresses?.length === 1);
    expect(scene.lists).toBe(2);
    onlyBound();
  });

  test("during a long outage: lists anew as soon as the server is back", async () => {
    await following();
    scene.api.pause();
    await scene.pass("a failure", () => scene.logged.length === 1);
    for (let tries = 0; tries < 10; tries++) scene.clock.advance(await scene.waiting());
    await scene.waiting();
    scene.slice("web-a", ["10.0.0.2"]);
    scene.api.store.forget();
    scene.api.resume();
    expect(await scene.nextRequest()).toBeGreaterThan(4_999);
    expect(await scene.nextRequest()).toBeWithin(50, 101);
    await web.bound("10.0.0.2");
  });

  test("between the pages of a list: lists from the beginning", async () => {
    for (let slice = 0; slice < 30; slice++) scene.slice(`web-a${slice}`, ["10.0.0.1"]);
    scene.api.behaviour = ({ parameters }) => {
      if (parameters.has("continue") && scene.lists === 2) scene.api.store.forget();
      return { kind: "normal" };
    };
    web = scene.follow();
    await scene.pass("a list", () => web.last?.state === "bound");
    expect(scene.lists).toBe(4);
  });
});

describe("a watch that ends", () => {
  test("in good order is opened again at once, from where it ended", async () => {
    await following();
    scene.slice("web-a", ["10.0.0.2"]);
    await web.bound("10.0.0.2");
    scene.clock.advance(60_000);
    scene.api.endWatches();
    expect(await scene.nextRequest()).toBeWithin(50, 101);
    expect(scene.api.requests.at(-1)?.parameters.get("resourceVersion")).toBe(
      scene.api.store.version,
    );
    expect(scene.lists).toBe(1);
    expect(scene.logged).toEqual([]);
  });

  test("again and again is opened less and less often", async () => {
    scene.api.behaviour = ({ watch }) =>
      watch ? { kind: "body", body: "", then: "end" } : { kind: "normal" };
    web = scene.follow();
    const waits: number[] = [];
    for (let watches = 2; watches < 12; watches++) waits.push(await scene.nextRequest());
    expect(waits[0]).toBeWithin(50, 101);
    expect(waits.at(-1)).toBeWithin(5_000, 10_001);
    expect(scene.lists).toBe(1);
  });

  test("by a connection that breaks is opened again; the endpoints stay", async () => {
    for (const how of ["reset", "close"] as const) {
      await following();
      const { watches } = scene;
      scene.api.cut(how);
      await web.reported("failed");
      await scene.pass("the next watch", () => scene.watches === watches + 1);
      await web.bound("10.0.0.1");
      onlyTroubled();
      await scene.watching();
      web.stop();
      await scene.connections(0);
    }
  });

  test("in the middle of an event: takes nothing of it", async () => {
    const event = JSON.stringify({ type: "MODIFIED", object: endpointSlice("web-a", "web") });
    for (const end of [() => scene.api.endWatches(), () => scene.api.cut("reset")]) {
      await following();
      scene.api.say(event.slice(0, -20));
      end();
      await scene.pass("the next watch", () => scene.api.watches.length === 1);
      scene.slice("web-a", ["10.0.0.1", "10.0.0.2"]);
      await web.bound("10.0.0.1", "10.0.0.2");
      onlyTroubled();
      web.stop();
      await scene.connections(0);
      scene.slice("web-a", ["10.0.0.1"]);
    }
  });

  test("never, though it should have, is replaced", async () => {
    await following();
    const secs = Number(scene.api.requests.at(-1)?.parameters.get("timeoutSeconds"));
    scene.clock.advance((secs + 30) * 1_000 - 1);
    expect(scene.watches).toBe(1);
    scene.clock.advance(1);
    await scene.watching(1);
    await scene.pass("the next watch", () => scene.watches === 2, 0);
    await scene.connections(1);
    expect(scene.lists).toBe(1);
    expect(scene.logged.map(({ level }) => level)).toEqual(["debug"]);
    onlyBound();
  });
});

describe("what is no event", () => {
  for (const line of [
    "<html>bad gateway</html>",
    "{}",
    '{"type":"MODIFIED","object":{"metadata":{"name":"web-a","resourceVersion":"1"},"endpoints":7}}',
    '{"type":"ERROR","object":{"kind":"Status","code":500,"message":"boom"}}',
  ]) {
    test(`makes it list anew, and keep what it had: ${line.slice(0, 60)}`, async () => {
      await following();
      scene.api.say(`${line}\n`);
      await scene.pass("a list and a watch", () => scene.lists === 2 && scene.watches === 2);
      await web.bound("10.0.0.1");
      await scene.watching();
      onlyTroubled();
      const [warning, info] = scene.logged;
      expect(warning).toMatchObject({ level: "warn", fields: { kept: true } });
      expect(String(warning?.fields["cause"])).toStartWith("Kubernetes ");
      expect(info).toMatchObject({ level: "info" });
      expect(scene.logged.length).toBe(2);
    });
  }

  test("or does not end is given up", async () => {
    await following();
    scene.api.say('{"type":');
    await scene.pass("the watch to be given up", () => scene.watches === 2, 500);
    await scene.connections(1);
    expect(scene.logged[0]?.fields["cause"]).toBe(
      `Kubernetes began an answer and did not end it within ${REQUEST_TIMEOUT_MS} ms`,
    );
    await web.bound("10.0.0.1");
    onlyTroubled();
  });
});

describe("a server that cannot be had", () => {
  test("is a failure at each attempt, before the first answer and after it", async () => {
    scene.api.pause();
    web = scene.follow();
    await web.reported("failed");
    expect(web.last).toEqual({ state: "failed", cause: "cannot reach Kubernetes (ECONNREFUSED)" });
    scene.api.resume();
    await scene.pass("an answer", () => web.last?.state === "bound");
    await scene.watching();

    const before = web.all.length;
    scene.api.pause();
    for (let tries = 1; tries <= 3; tries++) {
      await web.count(before + tries);
      scene.clock.advance(await scene.waiting());
    }
    const later = web.all.slice(before);
    expect(later.map((it) => (it.state === "failed" ? it.cause : it.state))).toEqual([
      "the connection to Kubernetes broke (ECONNRESET)",
      "cannot reach Kubernetes (ECONNREFUSED)",
      "cannot reach Kubernetes (ECONNREFUSED)",
    ]);
    scene.slice("web-a", ["10.0.0.2"]);
    scene.api.resume();
    await scene.pass("the change", () => Bun.deepEquals(web.addresses, ["10.0.0.2:8080"]));
    expect(scene.logged.map(({ level }) => level)).toEqual(["warn", "info", "warn", "info"]);
  });

  test("and comes back as it was is told by the same answer again", async () => {
    await following();
    const good = web.last;
    for (let round = 0; round < 2; round++) {
      scene.api.pause();
      await web.reported("failed");
      scene.api.resume();
      await scene.pass("an answer", () => web.last?.state === "bound");
      expect(web.last).toEqual(good);
      await scene.watching();
    }
    expect(scene.lists).toBe(1);
  });

  test("is asked again after 100 ms at first, and after 10 s at last", async () => {
    scene.api.behaviour = { kind: "reset" };
    web = scene.follow();
    const waits: number[] = [];
    for (let lists = 2; lists < 13; lists++) waits.push(await scene.nextRequest());
    expect(waits[0]).toBeWithin(50, 101);
    expect(Math.max(...waits)).toBeLessThanOrEqual(10_000);
    expect(waits.at(-1)).toBeGreaterThan(4_999);
  });

  test("because it does not answer is given up", async () => {
    scene.api.behaviour = { kind: "hang" };
    web = scene.follow();
    await scene.connections(1);
    scene.clock.advance(REQUEST_TIMEOUT_MS);
    await web.reported("failed");
    scene.api.behaviour = ({ watch }) => ({ kind: watch ? "hang" : "normal" });
    await scene.pass("an answer", () => web.last?.state === "bound");
    await scene.connections(1);
    scene.api.behaviour = { kind: "normal" };
    await scene.pass("a watch", () => scene.api.watches.length === 1, 500);
    expect(scene.lists).toBe(2);
  });

  test("because of its answers says which", async () => {
    const causes: readonly (readonly [Parameters<typeof answer>[0], string | RegExp])[] = [
      [401, "Kubernetes refuses the token (HTTP status 401) for the EndpointSlices of web in prod"],
      [
        403,
        "Kubernetes does not allow to list and watch the EndpointSlices of web in prod (HTTP status 403)",
      ],
      [404, `Kubernetes has no ${SLICES} (HTTP status 404): it must be 1.21 or newer`],
      [500, /^Kubernetes answered with HTTP status 500: \{"kind":"Status".*"message":"scripted"/],
      ["", "Kubernetes gave an empty answer"],
      ["<html>", "Kubernetes answered: <html>"],
      ['{"kind":"Status"}', "Kubernetes gave a list without a resourceVersion"],
    ];
    const answer = (what: number | string): void => {
      scene.api.behaviour =
        typeof what === "number"
          ? { kind: "status", status: what }
          : { kind: "body", body: what, then: "end" };
    };
    for (const [what, cause] of causes) {
      answer(what);
      web = scene.follow();
      await web.reported("failed");
      const told = web.last?.state === "failed" ? web.last.cause : "";
      if (typeof cause === "string") expect(told).toBe(cause);
      else expect(told).toMatch(cause);
      web.stop();
    }
  });
});

describe("a watch that is refused", () => {
  const cases = { 401: 1, 403: 1, 429: 1, 500: 1, 503: 1, 400: 2, 410: 2, 504: 2 };
  for (const [status, lists] of Object.entries(cases)) {
    test(`with ${status} ${lists === 1 ? "is tried again" : "needs a new list"}`, async () => {
      scene.api.behaviour = ({ watch }) =>
        watch && scene.watches === 1
          ? { kind: "status", status: Number(status) }
          : { kind: "normal" };
      web = scene.follow();
      await scene.pass("a watch", () => scene.api.watches.length === 1);
      expect(scene.lists).toBe(lists);
      await web.bound("10.0.0.1");
      // That a version is forgotten is nobody's fault.
      if (status === "410") onlyBound();
      else onlyTroubled();
    });
  }
});

test("a watch that is refused again and again needs a new list, as its version may be the reason", async () => {
  scene.api.behaviour = ({ watch }) =>
    watch && scene.lists === 1 ? { kind: "status", status: 500 } : { kind: "normal" };
  web = scene.follow();
  await scene.pass("a watch", () => scene.api.watches.length === 1);
  expect([scene.lists, scene.watches]).toEqual([2, 4]);
  await web.bound("10.0.0.1");
  onlyTroubled();
});

test("refusals that are not in a row need no new list", async () => {
  await following();
  for (let round = 1; round < 5; round++) {
    scene.api.behaviour = ({ watch }) =>
      watch && scene.watches === 2 * round ? { kind: "status", status: 503 } : { kind: "normal" };
    scene.api.endWatches();
    await scene.pass("a watch", () => scene.watches === 2 * round + 1);
    await scene.watching();
    scene.clock.advance(10_000);
  }
  expect(scene.lists).toBe(1);
});

test("events that come together are one change", async () => {
  await following();
  const { version: resourceVersion } = scene.api.store;
  const events = ["10.0.0.2", "10.0.0.3"].map((ip) => {
    const slice = endpointSlice("web-a", "web", { endpoints: [ip] });
    return JSON.stringify({
      type: "MODIFIED",
      object: { ...slice, metadata: { name: "web-a", resourceVersion } },
    });
  });
  const before = web.all.length;
  scene.api.say(`${events.join("\n")}\n`);
  await web.bound("10.0.0.3");
  expect(web.all.length).toBe(before + 1);
});

describe("more than can be", () => {
  test("of objects is a failure", async () => {
    for (let slice = 0; slice < 2_001; slice++) scene.slice(`web-${slice}`, []);
    web = scene.follow();
    await web.reported("failed");
    expect(web.last).toMatchObject({
      cause: "Kubernetes has more than 2000 objects for the EndpointSlices of web in prod",
    });
  });

  test("of objects in a watch keeps what was there", async () => {
    await following();
    for (let slice = 0; slice < 2_001; slice++) scene.slice(`web-${slice}`, []);
    await scene.pass("a warning", () => scene.logged.length > 0, 0);
    await web.reported("failed");
    onlyTroubled(true);
  });

  test("of pages is a failure", async () => {
    const metadata = { resourceVersion: "1", continue: "again" };
    const body = JSON.stringify({ metadata, items: [] });
    scene.api.behaviour = { kind: "body", body, then: "end" };
    web = scene.follow();
    await web.reported("failed");
    expect(scene.lists).toBe(201);
  });
});

test("whatever happens, it comes to say what is there", async () => {
  const rng = seededRng(7);
  const draw = (below: number): number => Math.floor(rng.next() * below);
  await following();
  for (let round = 0; round < 40; round++) {
    scene.api.pieceBytes = [undefined, 1, 40][draw(3)];
    scene.api.expiresBy = draw(2) === 0 ? "event" : "status";
    for (let step = 0; step < 6; step++) {
      const steps = [
        () => scene.slice(`web-${draw(40)}`, [`10.0.1.${draw(9)}`, `10.0.2.${draw(9)}`]),
        () => scene.slice("web-a", [`10.0.0.${draw(9)}`]),
        () => scene.api.bookmark(),
        () => scene.api.endWatches(),
        () => scene.api.cut("reset"),
        () => scene.api.cut("close"),
        () => scene.api.store.forget(),
        () => scene.api.failWatches(410, "too old"),
        () => scene.api.say("garbage\n"),
        () => scene.clock.advance(draw(1_000)),
        () => new Promise(setImmediate),
      ];
      await steps[draw(steps.length)]?.();
    }
    const query = { path: SLICES, labelSelector: "", fieldSelector: "" };
    const truth = new Set(
      scene.api.store
        .list(query)
        .flatMap(({ endpoints }) =>
          Array.isArray(endpoints) ? endpoints.map((it) => `${it.addresses[0]}:8080`) : [],
        ),
    );
    const wanted = [...truth].sort();
    await scene.pass(`round ${round}`, () => Bun.deepEquals(web.addresses, wanted), 50);
  }
  onlyTroubled();
}, 30_000);

test("many names that come and go leave nothing", async () => {
  for (let round = 0; round < 100; round++) {
    const names = [scene.follow(), scene.follow(["prod", "80", "web"])];
    if (round % 2 === 0) await names[0]?.bound("10.0.0.1");
    for (const name of names) name.stop();
    expect(scene.clock.pending).toBe(0);
  }
  await scene.connections(0);
});
