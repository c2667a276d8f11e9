// What `ewma` is told about endpoints: how long connects and first answers take, as sessions see it.
import { describe, expect, test } from "bun:test";
import { fakeWorld } from "../../test/support/fake-world.ts";

const EWMA = { kind: "ewma", decayTimeMs: 10_000 } as const;

function connected() {
  const world = fakeWorld({}, {}, EWMA);
  const { connector, accept, clock, endpoint } = world;
  const client = accept();
  clock.advance(3);
  const socket = connector.last.succeed();
  expect(endpoint.latency?.ms).toBe(3);
  return { ...world, client, socket };
}

describe("A session, where picks go by latency,", () => {
  test("tells the time from the first byte sent to the first that comes", () => {
    const { client, clock, socket, endpoint } = connected();
    clock.advance(5_000);
    client.receive("get");
    clock.advance(30);
    client.receive(" it");
    clock.advance(10);
    socket.receive("here");
    expect(endpoint.latency?.ms).toBe(40);
    clock.advance(500);
    socket.receive("more");
    expect(endpoint.latency?.ms).toBe(40);
  });

  test("counts from the connect for a client that sent early, and for an endpoint that speaks first", () => {
    for (const early of ["get", ""]) {
      const { connector, accept, clock, endpoint } = fakeWorld({}, {}, EWMA);
      const client = accept();
      if (early !== "") client.receive(early);
      clock.advance(3);
      const socket = connector.last.succeed();
      clock.advance(20);
      socket.receive("hello");
      expect(endpoint.latency?.ms).toBe(20);
    }
  });

  test("takes a failure for twice as long", () => {
    const { connector, accept, clock, endpoint } = connected();
    accept();
    clock.advance(1);
    connector.last.fail();
    expect(endpoint.latency?.ms).toBeCloseTo(6, 2);
  });

  test("takes a lack of descriptors for no fault of the endpoint's", () => {
    const { connector, accept, endpoint } = connected();
    accept();
    connector.last.fail("descriptors");
    expect(endpoint.latency?.ms).toBe(3);
  });

  test("learns nothing from what an endpoint had said before the client came", () => {
    const { balancer, connector, accept, clock, endpoint } = fakeWorld(
      {},
      { minConnections: 1 },
      EWMA,
    );
    clock.advance(7);
    const greeted = connector.last.succeed();
    greeted.receive("220 hello");
    accept();
    clock.advance(50);
    greeted.receive("more");
    expect(endpoint.latency?.ms).toBe(7);
    balancer.stopIdling();
  });
});

test("A session does not ask the time of the first byte where nobody wants to know", () => {
  const { accept, connector, endpoint, clock } = fakeWorld();
  accept();
  const socket = connector.last.succeed();
  clock.advance(10);
  socket.receive("hello");
  expect(endpoint.latency).toBeUndefined();
});
