// A worker whose clients bring up names, over real sockets; the test is the control thread.
import { afterEach, expect, test } from "bun:test";
import { addServer } from "../../test/support/add-server.ts";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { helloRecords } from "../../test/support/tls/hello-bytes.ts";
import { until } from "../../test/support/until.ts";
import { clientFor } from "../config/client-for.ts";
import { seededRng } from "../lib/rng.ts";
import { newSlotPage } from "../telemetry/endpoint-slots.ts";
import { newEndpointPage } from "../telemetry/endpoint-table.ts";
import { silentLogger } from "../telemetry/log.ts";
import { bind } from "../transport/bind.ts";
import type { EndpointSpec, ToControl, ToWorker, WorkerStart } from "../wire/messages.ts";
import { DataPlane } from "./data-plane.ts";
import { Features, featuresOf } from "./features.ts";

const START: WorkerStart = {
  type: "start",
  worker: 0,
  workers: 1,
  bufferSizeBytes: 16_384,
  maxDescriptors: 1_000,
  log: { filter: [], style: "json", target: { fd: 2, by: "write" } },
};
const PATH = "/svc/a.test";
const ADD = {
  type: "add-destination",
  destination: 1,
  router: "rt",
  path: PATH,
  config: clientFor([], PATH),
} as const;
const RESET = { kind: "end", how: "reset" } as const;

const running = new Set<() => void>();
afterEach(() => {
  for (const stop of running) stop();
  running.clear();
});

async function scene() {
  const clock = new FakeClock();
  const sent: ToControl[] = [];
  const features = new Features();
  const plane = new DataPlane({
    start: START,
    features,
    clock,
    rng: seededRng(1),
    logger: () => silentLogger,
    send: (message) => sent.push(message),
    hostName: () => "here",
  });
  const apply = async (message: Exclude<ToWorker, WorkerStart>): Promise<void> => {
    await features.load(featuresOf(message));
    plane.apply(message);
  };
  const socket = bind("127.0.0.1", 0);
  const endpoint = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: (client) => void client.write("here") },
  });
  running.add(() => {
    plane.apply({ type: "destroy" });
    plane.apply({ type: "drain" });
    endpoint.stop(true);
    socket.close();
  });
  const [buffer, slots] = [newEndpointPage(1), newSlotPage(1)];
  await apply({ type: "endpoint-page", page: 0, buffer, slots });
  const spec: EndpointSpec = {
    ...{ id: 5, branch: 0, ip: "127.0.0.1", port: endpoint.port, weight: 1 },
    ...{ healthy: true, enabled: true, page: 0, row: 0 },
  };
  const server = addServer(socket, {
    destination: -1,
    bringsUpNames: true,
    routing: {
      routes: [],
      rest: { kind: "template", template: "/svc/{sni}" },
      otherwise: { notTls: RESET, noServerName: undefined, noRoute: RESET, silent: RESET },
      passthrough: { helloTimeoutMs: 60_000 },
    },
  });
  await apply(server);
  /** What the worker has said of names, since this was asked before. */
  const said = (): readonly ToControl[] => {
    const all = sent.splice(0);
    return all.filter(({ type }) => type === "want-destination" || type === "destination-use");
  };
  return {
    ...{ clock, apply, said, spec, server },
    update: (added: readonly EndpointSpec[]) =>
      apply({
        type: "update-endpoints",
        destination: 1,
        known: true,
        branches: [{ branch: 0, weight: 1 }],
        ...{ added, changed: [], removed: [] },
      }),
    hasSaid: (type: ToControl["type"]) => until(type, () => sent.some((one) => one.type === type)),
    client: () => connect(socket.port),
  };
}

/** A client that asks for `a.test`, what it has read, and whether it was closed. */
async function connect(port: number) {
  const client = { text: "", closed: false, end: () => {} };
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      data: (_, bytes) => void (client.text += bytes.toString()),
      close: () => void (client.closed = true),
      error: () => {},
    },
  });
  socket.write(helloRecords({ serverName: "a.test" }));
  client.end = () => socket.terminate();
  return client;
}

const want = (wanted: boolean): ToControl => ({
  type: "want-destination",
  router: "rt",
  path: PATH,
  wanted,
});
const use = (inUse: boolean): ToControl => ({ type: "destination-use", changes: [[1, inUse]] });

test("a session whose destination is let go as it gets there is served when it is back", async () => {
  const { clock, apply, said, spec, update, hasSaid, client } = await scene();
  const one = await client();
  await hasSaid("want-destination");
  expect(said()).toEqual([want(true)]);
  // Its endpoints are not known yet, so the session waits there.
  await apply(ADD);
  await apply({ type: "remove-destination", destination: 1, removed: [] });
  clock.advance(3_000);
  const two = await client();
  await hasSaid("want-destination");
  expect([said(), one.closed]).toEqual([[want(true)], false]);
  await apply(ADD);
  await update([spec]);
  await until("both are served", () => one.text === "here" && two.text === "here");
  clock.advance(1_000);
  expect(said()).toEqual([use(true)]);
  one.end();
  two.end();
  await until("they are gone", () => {
    clock.advance(1_000);
    return said().some((message) => message.type === "destination-use");
  });
});

test("a destination that is let go keeps its connections, and is asked for anew", async () => {
  const { clock, apply, said, spec, update, hasSaid, client } = await scene();
  const one = await client();
  await hasSaid("want-destination");
  await apply(ADD);
  await update([spec]);
  await until("it is served", () => one.text === "here");
  clock.advance(1_000);
  expect(said()).toEqual([want(true), use(true)]);
  await apply({ type: "remove-destination", destination: 1, removed: [{ id: 5, epoch: 1 }] });
  clock.advance(5_000);
  const two = await client();
  await hasSaid("want-destination");
  expect([said(), one.closed]).toEqual([[want(true)], false]);
  await apply({ type: "refuse-destination", router: "rt", path: PATH });
  await until("the other is refused", () => two.closed);
  expect(one.closed).toBe(false);
});

test("what the configuration has is found by its path, and nothing is asked once the server is gone", async () => {
  const { apply, said, spec, update, hasSaid, client, server } = await scene();
  const waiting = await client();
  await hasSaid("want-destination");
  await apply({ type: "remove-server", server: server.server });
  await apply(ADD);
  await update([spec]);
  await until("who was there is served", () => waiting.text === "here");
  expect(said()).toEqual([want(true)]);
  waiting.end();
  await apply({ ...server, server: 2 });
  const late = await client();
  await until("it is served at once", () => late.text === "here");
  expect(said()).toEqual([]);
});
