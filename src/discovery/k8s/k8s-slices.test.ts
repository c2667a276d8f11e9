import { describe, expect, test } from "bun:test";
import {
  endpointSlice,
  service,
  type SliceOptions,
} from "../../../test/support/kubernetes-objects.ts";
import { endpointsOf, readService, readSlice, type Slice } from "./k8s-slices.ts";

function slice(options: SliceOptions): Slice {
  const read = readSlice(endpointSlice("s", "web", options));
  if (!read.ok) throw new Error(read.problem);
  return read.value;
}

const addresses = (port: string, ...slices: readonly SliceOptions[]): readonly string[] =>
  endpointsOf(slices.map(slice), port).endpoints.map((it) => `${it.ip} ${it.port}`);

describe("conditions", () => {
  const use = (conditions: object | undefined): string | undefined => {
    const read = readSlice({
      addressType: "IPv4",
      endpoints: [{ addresses: ["10.0.0.1"], ...(conditions !== undefined && { conditions }) }],
    });
    return read.ok ? read.value.endpoints[0]?.use : "problem";
  };

  test("an endpoint is ready unless it says that it is not", () => {
    expect(use(undefined)).toBe("ready");
    expect(use({})).toBe("ready");
    expect(use({ ready: null })).toBe("ready");
    expect(use({ ready: true, serving: false })).toBe("ready");
    expect(use({ ready: false })).toBeUndefined();
    expect(use({ ready: "yes" })).toBeUndefined();
  });

  test("one that is not drains if it is terminating and serves", () => {
    expect(use({ ready: false, serving: true, terminating: true })).toBe("draining");
    expect(use({ ready: false, serving: true, terminating: false })).toBeUndefined();
    expect(use({ ready: false, serving: false, terminating: true })).toBeUndefined();
    expect(use({ ready: false, terminating: true })).toBeUndefined();
  });
});

describe("endpointsOf()", () => {
  const draining = { ready: false, serving: true, terminating: true };

  test("is the endpoints of all slices, each address once, sorted, with their nodes", () => {
    const slices = [
      slice({ endpoints: [{ ip: "10.0.0.2", node: "n2" }, "10.0.0.1"] }),
      slice({ addressType: "IPv6", endpoints: ["2001:DB8:0:0::1"] }),
      slice({ endpoints: ["10.0.0.1"] }),
    ];
    expect(endpointsOf(slices, "http")).toEqual({
      known: true,
      skipped: 0,
      endpoints: [
        { ip: "10.0.0.1", port: 8080, weight: 1 },
        { ip: "10.0.0.2", port: 8080, weight: 1, meta: { nodeName: "n2" } },
        { ip: "2001:db8::1", port: 8080, weight: 1 },
      ],
    });
  });

  test("takes terminating ones only when no slice has one that is ready", () => {
    const leaving = { endpoints: [{ ip: "10.0.0.9", conditions: draining }] };
    expect(addresses("http", leaving, { endpoints: ["10.0.0.1"] })).toEqual(["10.0.0.1 8080"]);
    expect(addresses("http", leaving, { endpoints: [] })).toEqual(["10.0.0.9 8080"]);
  });

  test("an endpoint that is ready in one of two slices is ready", () => {
    const stale = { endpoints: [{ ip: "10.0.0.1", conditions: draining }] };
    const fresh = { endpoints: ["10.0.0.1", "10.0.0.2"] };
    for (const order of [
      [stale, fresh],
      [fresh, stale],
    ]) {
      expect(addresses("http", ...order)).toEqual(["10.0.0.1 8080", "10.0.0.2 8080"]);
    }
  });

  test("a port is looked up in each slice by its name, TCP only", () => {
    const ports = [
      { name: "dns", port: 53, protocol: "UDP" },
      { name: "http", port: 80, protocol: "TCP" },
      { name: "admin", port: 9990 },
      { name: "nil", port: null },
    ];
    const both: readonly SliceOptions[] = [
      { endpoints: ["10.0.0.1"], ports },
      { endpoints: ["10.0.0.2"], ports: [{ name: "http", port: 8080 }] },
    ];
    expect(addresses("http", ...both)).toEqual(["10.0.0.1 80", "10.0.0.2 8080"]);
    expect(addresses("admin", ...both)).toEqual(["10.0.0.1 9990"]);
    for (const port of ["dns", "nil", "other", ""]) {
      expect(endpointsOf(both.map(slice), port).known).toBe(false);
    }
    for (const name of [null, "", undefined]) {
      const ports = [{ port: 1, ...(name !== undefined && { name }) }];
      expect(addresses("", { endpoints: ["10.0.0.1"], ports })).toEqual(["10.0.0.1 1"]);
    }
  });

  test("host names and what is no address are counted, not used", () => {
    const slices = [
      slice({ addressType: "FQDN", endpoints: ["a.example", "b.example"] }),
      slice({ endpoints: ["10.0.0.256", "10.0.0.1"] }),
      slice({ endpoints: [{ ip: "bad", conditions: { ready: false } }] }),
    ];
    expect(endpointsOf(slices, "http")).toMatchObject({ skipped: 3, endpoints: { length: 1 } });
    expect(endpointsOf(slices, "other").skipped).toBe(0);
  });

  test("of several addresses of one endpoint the first counts", () => {
    const read = readSlice({
      addressType: "IPv4",
      ports: [{ port: 1 }],
      endpoints: [{ addresses: ["10.0.0.1", "10.0.0.2"] }, { addresses: [] }, {}],
    });
    expect(read.ok && endpointsOf([read.value], "")).toMatchObject({
      endpoints: [{ ip: "10.0.0.1" }],
      skipped: 2,
    });
  });
});

test("readService() gives the names of TCP ports by number", () => {
  const read = readService(
    service("web", [
      { name: "dns", port: 53, protocol: "UDP" },
      { name: "dns-tcp", port: 53, protocol: "TCP" },
      { port: 80 },
    ]),
  );
  expect(read.ok && [...read.value.portNames]).toEqual([
    [53, "dns-tcp"],
    [80, ""],
  ]);
  expect(readService({})).toMatchObject({ ok: true });
  expect(readService({ spec: { ports: 7 } })).toEqual({
    ok: false,
    problem: "its ports are no list",
  });
});
