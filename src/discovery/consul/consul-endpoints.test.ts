import { describe, expect, test } from "bun:test";
import { CONSUL_CONFIG } from "../../../test/support/consul-scene.ts";
import type { ConsulInstance } from "./consul-answer.ts";
import { consulEndpoints, setMeta, wantedInstances } from "./consul-endpoints.ts";

const PLAIN: ConsulInstance = {
  host: "10.0.0.1",
  port: 80,
  tags: [],
  health: "passing",
  weights: { passing: 1, warning: 1 },
  nodeMeta: { rack: "7" },
  serviceMeta: { version: "4" },
};
const itself = (host: string) => [host];

/** The weight of one instance. */
function weightOf(
  it: Partial<ConsulInstance>,
  weights = CONSUL_CONFIG.weights,
): number | undefined {
  const config = { ...CONSUL_CONFIG, weights };
  return consulEndpoints([{ ...PLAIN, ...it }], itself, config)[0]?.weight;
}

describe("consulEndpoints()", () => {
  test("says the weight of each endpoint in its metadata, 1 too", () => {
    expect(consulEndpoints([PLAIN], itself, CONSUL_CONFIG)).toEqual([
      { ip: "10.0.0.1", port: 80, weight: 1, meta: { endpoint_addr_weight: 1 } },
    ]);
  });

  test("takes the largest weight of the tags, and 1 without such a tag", () => {
    const weights = [
      { tag: "big", weight: 10 },
      { tag: "small", weight: 0.1 },
      { tag: "none", weight: 0 },
    ];
    expect(weightOf({ tags: ["small"] }, weights)).toBe(0.1);
    expect(weightOf({ tags: ["small", "big", "x"] }, weights)).toBe(10);
    expect(weightOf({ tags: ["none"] }, weights)).toBe(0);
    expect(weightOf({ tags: ["x"] }, weights)).toBe(1);
    expect(weightOf({ tags: ["x"], weights: { passing: 5, warning: 5 } }, weights)).toBe(1);
  });

  test("takes Consul's weights where tags have none, by health", () => {
    const weights = { passing: 10, warning: 2 };
    expect(weightOf({ weights })).toBe(10);
    expect(weightOf({ weights, health: "warning" })).toBe(2);
    expect(weightOf({ weights, health: "critical" })).toBe(2);
  });

  test("passes on what the node tells, if it is asked to, but no other weight", () => {
    const config = { ...CONSUL_CONFIG, transferMetadata: true };
    const nodeMeta = { rack: "7", endpoint_addr_weight: "99" };
    expect(consulEndpoints([{ ...PLAIN, nodeMeta }], itself, config)).toMatchObject([
      { weight: 1, meta: { rack: "7", endpoint_addr_weight: 1 } },
    ]);
  });

  test("has each address once, with the largest weight, and sorts them", () => {
    const config = { ...CONSUL_CONFIG, transferMetadata: true };
    const list = [
      { ...PLAIN, host: "10.0.0.2" },
      PLAIN,
      { ...PLAIN, nodeMeta: { rack: "8" }, weights: { passing: 3, warning: 1 } },
      { ...PLAIN, port: 81 },
      { ...PLAIN, nodeMeta: { rack: "9" }, weights: { passing: 2, warning: 1 } },
    ];
    expect(consulEndpoints(list, itself, config)).toEqual([
      { ip: "10.0.0.1", port: 80, weight: 3, meta: { rack: "7", endpoint_addr_weight: 3 } },
      { ip: "10.0.0.1", port: 81, weight: 1, meta: { rack: "7", endpoint_addr_weight: 1 } },
      { ip: "10.0.0.2", port: 80, weight: 1, meta: { rack: "7", endpoint_addr_weight: 1 } },
    ]);
  });

  test("takes all addresses of a host name, and none where it has none", () => {
    const list = [
      { ...PLAIN, host: "web.local" },
      { ...PLAIN, host: "gone.local" },
    ];
    const ipsOf = (host: string) => (host === "web.local" ? ["10.0.0.3", "::1"] : []);
    expect(consulEndpoints(list, ipsOf, CONSUL_CONFIG).map(({ ip }) => ip)).toEqual([
      "10.0.0.3",
      "::1",
    ]);
  });
});

describe("setMeta()", () => {
  const transfer = { ...CONSUL_CONFIG, transferMetadata: true };

  test("is nothing where nothing is asked for", () => {
    expect(setMeta([PLAIN], undefined, CONSUL_CONFIG)).toBeUndefined();
    expect(setMeta([{ ...PLAIN, serviceMeta: {} }], undefined, transfer)).toBeUndefined();
  });

  test("holds the authority, and what the first service tells", () => {
    const authority = "web.service.dc1.consul";
    expect(setMeta([PLAIN], authority, CONSUL_CONFIG)).toEqual({ authority });
    const lies = { ...PLAIN, serviceMeta: { version: "4", authority: "x" } };
    expect(setMeta([lies, PLAIN], authority, transfer)).toEqual({ version: "4", authority });
  });
});

describe("wantedInstances()", () => {
  const list = (["passing", "warning", "critical", "maintenance"] as const).map((health) => ({
    ...PLAIN,
    health,
  }));

  test("are all of them where health does not matter", () => {
    expect(wantedInstances(list, CONSUL_CONFIG)).toEqual(list);
  });

  test("are those of the states that are asked for", () => {
    const config = { ...CONSUL_CONFIG, useHealthCheck: true };
    const states = (healthStatuses: typeof config.healthStatuses) =>
      wantedInstances(list, { ...config, healthStatuses }).map(({ health }) => health);
    expect(states(["passing"])).toEqual(["passing"]);
    expect(states(["maintenance", "warning"])).toEqual(["warning", "maintenance"]);
  });
});
