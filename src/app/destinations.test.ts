// Destinations of the configuration beside those that connections bring up, with names of the configuration itself.
import { describe, expect, test } from "bun:test";
import { configFrom } from "../../test/support/config-text.ts";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { until } from "../../test/support/until.ts";
import type { Config } from "../config/types.ts";
import { seededRng } from "../lib/rng.ts";
import { Aggregate } from "../telemetry/aggregate.ts";
import { silentLogger } from "../telemetry/log.ts";
import { Registry } from "../telemetry/registry.ts";
import type { ToWorker } from "../wire/messages.ts";
import { Destinations } from "./destinations.ts";
import { planOf } from "./reload/plan.ts";

const config = (dstName: string, more = ""): Config =>
  configFrom(`
workers: 2
routers:
  - label: r
    interpreter:
      kind: io.l5d.static
      names: {/svc/fixed: ["10.0.0.1:1"], /svc/a.test: ["10.0.0.2:2"], /svc/b.test: ["10.0.0.3:3"]}
    servers:
      - {port: 1, dstName: ${dstName}}
      - {port: 2, passthrough: {}, dstName: "/svc/{sni}"}
    ${more}
`);

async function scene(first: Config) {
  const told: string[] = [];
  const note =
    (to: string) =>
    (message: ToWorker): void => {
      if (message.type !== "endpoint-page") told.push(`${to}${textOf(message)}`);
    };
  const clock = new FakeClock();
  const added: string[] = [];
  const destinations = new Destinations({
    config: first,
    registry: new Registry(new Aggregate().source("control")),
    clock,
    rng: seededRng(1),
    logger: () => silentLogger,
    broadcast: note(""),
    tell: (worker, message) => note(`${worker}: `)(message),
    tellEach: (make) => note("")(make(0)),
    drains: {
      removed: () => {},
      returned: () => {},
      demoted: () => {
        throw new Error("nothing is checked here");
      },
    },
    onDescriptors: () => note("")({ type: "limit-descriptors", maxDescriptors: 0 }),
    onAdded: ({ path }) => added.push(path),
  });
  await destinations.follow();
  /** What was told since this was asked before. */
  const since = (): string[] => told.splice(0);
  const want = (path: string, worker = 0): void =>
    destinations.applyNames(worker, { type: "want-destination", router: "r", path, wanted: true });
  let before = first;
  const reload = async (after: Config): Promise<void> => {
    const plan = planOf(before, after);
    const prepared = await destinations.prepare(plan.effective);
    destinations.commit(plan.destinations, prepared, (make) => note("")(make(0)));
    destinations.removeGone(plan.destinations, plan.effective);
    before = plan.effective;
  };
  await until("names are resolved", () => told.some((text) => text.startsWith("update")));
  since();
  return { destinations, clock, added, told, since, want, reload };
}

function textOf(message: ToWorker): string {
  switch (message.type) {
    case "add-destination":
      return `add ${message.destination} ${message.path}`;
    case "configure-destination":
      return `configure ${message.destination} ${message.config.maxWaiters}`;
    case "remove-destination":
      return `remove ${message.destination}`;
    case "update-endpoints":
      return `update ${message.destination} +${message.added.length}`;
    case "refuse-destination":
      return `refuse ${message.path}`;
    default:
      return message.type;
  }
}

describe("destinations that connections bring up", () => {
  test("are told to all workers, and to those that start later, like those of the configuration", async () => {
    const { destinations, added, told, since, want } = await scene(config("/svc/fixed"));
    want("/svc/a.test");
    await until("it is resolved", () => told.length === 2);
    expect(since()).toEqual(["add 1 /svc/a.test", "update 1 +1"]);
    expect([added, destinations.idOf("r", "/svc/a.test")]).toEqual([["/svc/a.test"], 1]);
    destinations.workerDied(1);
    const replayed = destinations.replay(1).map(textOf);
    expect(replayed).toEqual([
      "endpoint-page",
      "add 0 /svc/fixed",
      "update 0 +1",
      "add 1 /svc/a.test",
      "update 1 +1",
    ]);
    want("/svc/none.test", 1);
    await until("there is an answer", () => told.length === 1);
    expect([since(), destinations.all.length]).toEqual([["1: refuse /svc/none.test"], 2]);
    destinations.stop();
  });

  test("are removed when nobody has used them, and come back as what they were while they have connections", async () => {
    const { destinations, clock, told, since, want } = await scene(config("/svc/fixed"));
    want("/svc/a.test");
    await until("it is resolved", () => told.length === 2);
    const use = (inUse: boolean) => {
      for (const worker of [0, 1])
        destinations.applyNames(worker, { type: "destination-use", changes: [[1, inUse]] });
    };
    clock.advance(700_000);
    use(false);
    since();
    clock.advance(601_000);
    expect([since(), destinations.idOf("r", "/svc/a.test")]).toEqual([["remove 1"], undefined]);
    want("/svc/a.test");
    await until("it is resolved again", () => told.length === 2);
    expect(since()).toEqual(["add 1 /svc/a.test", "update 1 +1"]);
    use(false);
    clock.advance(601_000);
    const [spec] = destinations.all.flatMap(({ endpoints }) =>
      endpoints.filter(({ retired }) => retired),
    );
    for (const worker of [0, 1]) destinations.released(worker, spec?.spec.id ?? -1, 2);
    expect(destinations.all.map(({ path }) => path)).toEqual(["/svc/fixed"]);
    destinations.stop();
  });

  test("get new settings by a reload, become those of the configuration, and go with their router's names", async () => {
    const { destinations, told, since, want, reload } = await scene(config("/svc/fixed"));
    want("/svc/a.test");
    want("/svc/b.test");
    await until("both are resolved", () => told.length === 4);
    since();
    const client = "client: {kind: io.l5d.global, maxWaiters: 8}";
    await reload(config("/svc/a.test", client));
    // Of each worker a half.
    expect(since().sort()).toEqual(["configure 1 4", "configure 1 4", "configure 2 4", "remove 0"]);
    // It stands in the file now: workers know it.
    want("/svc/a.test");
    expect(since()).toEqual([]);
    const plain = config("/svc/a.test", client);
    const [router] = plain.routers;
    if (router === undefined) throw new Error("no router");
    const servers = router.servers.slice(0, 1);
    await reload({ ...plain, routers: [{ ...router, servers, bindingCache: undefined }] });
    expect(since()).toEqual(["remove 2"]);
    expect(destinations.idOf("r", "/svc/a.test")).toBe(1);
    destinations.stop();
  });

  test("keep warm connections for each name, and leave descriptors for those", async () => {
    const client = "client: {kind: io.l5d.global, minConnections: 6}";
    const { destinations, clock, told, since, want } = await scene(config("/svc/fixed", client));
    expect(destinations.warmConnections).toBe(6);
    want("/svc/a.test");
    await until("it is resolved", () => told.length === 3);
    expect(since()).toEqual(["add 1 /svc/a.test", "limit-descriptors", "update 1 +1"]);
    expect(destinations.warmConnections).toBe(12);
    for (const worker of [0, 1])
      destinations.applyNames(worker, { type: "destination-use", changes: [[1, false]] });
    clock.advance(601_000);
    expect([since(), destinations.warmConnections]).toEqual([["remove 1", "limit-descriptors"], 6]);
    destinations.stop();
  });
});
