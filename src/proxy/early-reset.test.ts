// What sessions say of endpoints when they end: which resets count as the endpoint's failures, and which do not.
import { describe, expect, test } from "bun:test";
import { afterFailures } from "../../test/support/accrual-config.ts";
import type { FakeSocket } from "../../test/support/fake-sockets.ts";
import { fakeWorld } from "../../test/support/fake-world.ts";
import type { AccrualConfig } from "../config/accrual-types.ts";

/** Two endpoints; what the sessions with the first do decides. */
function setup(accrual: AccrualConfig = afterFailures(2)) {
  const world = fakeWorld({}, { accrual });
  const other = world.addEndpoint(2);
  /** A session with the first endpoint. */
  const stream = (): { readonly client: FakeSocket; readonly upstream: FakeSocket } => {
    for (let tries = 0; tries < 1_000; tries += 1) {
      const client = world.accept();
      const upstream = world.connector.last.succeed();
      if (world.connector.last.target.port === 1001) return { client, upstream };
    }
    throw new Error("the endpoint is not picked");
  };
  /** How many resets count, until now. */
  const resets = () => world.metric("l5d_balancer_early_resets_total");
  return { ...world, other, stream, resets };
}

describe("A reset by an endpoint", () => {
  test("before its first byte ejects it, though connects succeed", () => {
    const { stream, endpoint, resets, metric } = setup();
    stream().upstream.receiveReset();
    expect(endpoint.state).toBe("ready");
    stream().upstream.receiveReset();
    expect([endpoint.state, resets()]).toEqual(["ejected", 2]);
    expect(metric("l5d_endpoint_ejections_total", "early_reset")).toBe(1);
  });

  test("counts as well when it comes before the connect is noticed, and together with those after", () => {
    const { accept, connector, stream, endpoint, metric } = setup();
    stream().upstream.receiveReset();
    while (endpoint.state === "ready") {
      accept();
      if (connector.last.target.port === 1001) connector.last.fail("refused", "ECONNRESET");
    }
    expect(connector.attempts.filter(({ target }) => target.port === 1001)).toHaveLength(2);
    expect(metric("l5d_endpoint_ejections_total", "early_reset")).toBe(1);
  });

  test("that meets bytes which cannot be written any more counts too", () => {
    const { stream, resets } = setup();
    const { client, upstream } = stream();
    upstream.room = 0;
    client.receive("lost");
    upstream.data.onClose(undefined);
    expect(resets()).toBe(1);
  });

  test("counts late as well when it was asked something, and not when it was left idle", () => {
    const { stream, clock, resets } = setup(afterFailures(100));
    const asked = stream();
    const idle = stream();
    asked.client.receive("question");
    clock.advance(10_000);
    idle.upstream.receiveReset();
    expect(resets()).toBe(0);
    asked.upstream.receiveReset();
    expect(resets()).toBe(1);
  });

  test("after its first byte is no failure, and forgives those before", () => {
    const { stream, endpoint, resets } = setup();
    stream().upstream.receiveReset();
    const { upstream } = stream();
    upstream.receive("hello");
    upstream.receiveReset();
    stream().upstream.receiveReset();
    expect([endpoint.state, resets()]).toEqual(["ready", 2]);
  });

  test("is forgiven as soon as another client gets an answer, not only when that session ends", () => {
    const { stream, endpoint } = setup();
    stream().upstream.receiveReset();
    const { upstream } = stream();
    upstream.receive("hello");
    stream().upstream.receiveReset();
    expect(endpoint.state).toBe("ready");
  });

  test("is not forgiven at the end of a session that had its answers before", () => {
    const { stream, endpoint } = setup();
    const old = stream();
    old.upstream.receive("hello");
    stream().upstream.receiveReset();
    old.client.receiveEnd();
    old.upstream.receiveEnd();
    stream().upstream.receiveReset();
    expect(endpoint.state).toBe("ejected");
  });
});

describe("An endpoint that refuses connections and lets those that stand run on", () => {
  test("stays out: neither their answers nor their ends bring it back", () => {
    const { connector, endpoint, stream, accept } = setup(afterFailures(2));
    // From now on it matters when it answers.
    stream().upstream.receiveReset();
    const old = [stream(), stream()];
    while (endpoint.state === "ready") {
      accept();
      if (connector.last.target.port === 1001) connector.last.fail();
    }
    for (const { client, upstream } of old) {
      upstream.receive("hello");
      client.receiveEnd();
      upstream.receiveEnd();
    }
    expect(endpoint.state).toBe("ejected");
  });
});

describe("An end that is not the endpoint's doing", () => {
  const ends: Readonly<
    Record<string, (session: ReturnType<ReturnType<typeof setup>["stream"]>) => void>
  > = {
    "the client resets": ({ client }) => client.receiveReset(),
    "the client resets, and the endpoint answers it with a reset": ({ client, upstream }) => {
      upstream.room = 0;
      client.receive("unsent");
      client.receiveReset();
      upstream.receiveReset();
    },
    "the client ends, and the endpoint resets what nobody had asked": ({ client, upstream }) => {
      client.receiveEnd();
      upstream.receiveReset();
    },
    "both end in good order": ({ client, upstream }) => {
      client.receiveEnd();
      upstream.receiveEnd();
    },
    "the endpoint ends in good order": ({ upstream }) => {
      upstream.receiveEnd();
      upstream.close();
    },
  };

  test.each(Object.keys(ends))("is no failure: %s", (name) => {
    const { stream, endpoint, resets } = setup(afterFailures(1));
    for (let time = 0; time < 3; time += 1) ends[name]?.(stream());
    expect([endpoint.state, endpoint.accrual, resets()]).toEqual(["ready", undefined, 0]);
  });

  test("is no failure: the process ends", () => {
    const { stream, server, endpoint, resets } = setup(afterFailures(1));
    stream();
    server.destroySessions("shutdown");
    expect([endpoint.state, resets()]).toEqual(["ready", 0]);
  });
});

describe("The probe of an endpoint that resets", () => {
  function ejected() {
    const world = setup(afterFailures(1));
    world.stream().upstream.receiveReset();
    expect(world.endpoint.state).toBe("ejected");
    world.clock.advance(1_000);
    return world;
  }

  test("fails when it is reset as well: no client is needed to find that out", () => {
    const { connector, endpoint, clock } = ejected();
    const probe = connector.last.succeed();
    expect([probe.state, endpoint.state]).toEqual(["open", "ejected"]);
    clock.advance(499);
    probe.receiveReset();
    expect([endpoint.state, endpoint.load]).toEqual(["ejected", 0]);
    const attempts = connector.attempts.length;
    clock.advance(1_000);
    expect(connector.attempts).toHaveLength(attempts + 1);
  });

  test("succeeds when it is left standing for half a second, or ended in good order; one more reset ejects at once", () => {
    for (const isEnded of [false, true]) {
      const { connector, endpoint, clock, stream } = ejected();
      const probe = connector.last.succeed();
      if (isEnded) probe.receiveEnd();
      else clock.advance(500);
      expect([probe.state, endpoint.state, endpoint.load]).toEqual(["closed", "ready", 0]);
      stream().upstream.receiveReset();
      expect(endpoint.state).toBe("ejected");
    }
  });

  test("acquits when the endpoint says something", () => {
    const { connector, endpoint } = ejected();
    const probe = connector.last.succeed();
    probe.receive("220 ready");
    expect([probe.state, endpoint.state, endpoint.accrual]).toEqual(["closed", "ready", undefined]);
  });

  test("leaves nothing behind when the process ends, or when the endpoint goes", () => {
    const ending = ejected();
    const probe = ending.connector.last.succeed();
    ending.balancer.stopIdling();
    expect([probe.state, ending.endpoint.load]).toEqual(["closed", 0]);
    const going = ejected();
    const other = going.connector.last.succeed();
    going.balancer.update({
      known: true,
      branches: [{ branch: 0, weight: 1 }],
      added: [],
      changed: [],
      removed: [{ id: 1, epoch: 1 }],
    });
    other.receiveReset();
    expect([going.endpoint.state, going.endpoint.load]).toEqual(["retired", 0]);
  });
});
