import { expect, test } from "bun:test";
import type { Listener } from "../transport/listener.ts";
import { fakeWorld } from "../../test/support/fake-world.ts";

/** Stands for the listening socket: only whether it accepts. */
function fakeListener() {
  const listener = {
    accepting: false,
    closed: false,
    works: true,
    pause() {
      listener.accepting = false;
    },
    resume() {
      listener.accepting = listener.works && !listener.closed;
      return listener.accepting;
    },
    close() {
      listener.closed = true;
      listener.accepting = false;
    },
  };
  return listener;
}

function listening(settings: Parameters<typeof fakeWorld>[0]) {
  const world = fakeWorld(settings);
  const listener = fakeListener();
  world.server.listen(listener as unknown as Listener);
  return { ...world, listener };
}

test("Server stops accepting at maxConcurrency and goes on when a session ends", () => {
  const { listener, accept } = listening({ maxConcurrency: 2 });
  const first = accept();
  expect(listener.accepting).toBe(true);
  accept();
  expect(listener.accepting).toBe(false);
  first.receiveReset();
  expect(listener.accepting).toBe(true);
});

test("Server with a share of zero accepts nothing", () => {
  expect(listening({ maxConcurrency: 0 }).listener.accepting).toBe(false);
});

test("Server tries again to listen when descriptors had run out", () => {
  const { listener, accept, clock } = listening({ maxConcurrency: 1 });
  const client = accept();
  listener.works = false;
  client.receiveReset();
  expect(listener.accepting).toBe(false);
  listener.works = true;
  clock.advance(100);
  expect(listener.accepting).toBe(true);
});

test("Server ends sessions that are idle and leaves busy ones alone", () => {
  const { accept, connector, clock, server, metric } = listening({ idleTimeoutMs: 1_000 });
  const idle = accept();
  connector.last.succeed();
  const busy = accept();
  const upstream = connector.last.succeed();
  for (let ms = 0; ms < 3_000; ms += 100) {
    if (ms % 200 === 0) busy.receive("x");
    else upstream.receive("y");
    clock.advance(100);
    if (ms < 800) expect(idle.state).toBe("open");
  }
  expect([idle.state, busy.state, server.active]).toEqual(["closed", "open", 1]);
  expect(metric("l5d_srv_close_reason_total", "idle_timeout")).toBe(1);
});

test("Server that drains accepts no more and tells once when its last session has ended", () => {
  const { accept, listener, server, clock } = listening({ idleTimeoutMs: 60_000 });
  const client = accept();
  let drained = 0;
  server.drain(() => {
    drained += 1;
  });
  expect([listener.closed, drained]).toEqual([true, 0]);
  client.receiveReset();
  expect([drained, clock.pending]).toEqual([1, 0]);
});

test("Server without sessions is drained at once", () => {
  const { server } = listening({});
  let drained = false;
  server.drain(() => {
    drained = true;
  });
  expect(drained).toBe(true);
});
