import { describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import type { StaticName } from "../config/types.ts";
import type { Clock } from "../lib/clock.ts";
import { seededRng } from "../lib/rng.ts";
import type { Resolution } from "../naming/resolution.ts";
import { silentLogger } from "../telemetry/log.ts";
import { Registry } from "../telemetry/registry.ts";
import { ResolverMetrics } from "./metrics.ts";
import { describeResolver } from "./resolver.contract.ts";
import { StaticResolver } from "./static.ts";

const NAMES: readonly StaticName[] = [
  {
    path: "/svc/web",
    endpoints: [
      { host: "10.0.0.1", port: 80, weight: 1 },
      { host: "10.0.0.2", port: 80, weight: 2 },
    ],
  },
  { path: "/svc/a\\x2fb", endpoints: [{ host: "::1", port: 80, weight: 1 }] },
  { path: "/svc/none", endpoints: [] },
];

function resolverFor(clock: Clock): StaticResolver {
  return new StaticResolver(
    { kind: "io.l5d.static", names: NAMES },
    {
      clock,
      rng: seededRng(1),
      log: silentLogger,
      metrics: new ResolverMetrics(new Registry(() => {}), "", "r"),
      lookup: async () => ({ state: "unknown" }),
    },
  );
}

/** The first report for a path, which comes at once. */
function resolve(path: string): Resolution | undefined {
  const reports: Resolution[] = [];
  const abort = new AbortController();
  resolverFor(new FakeClock()).watch(path, abort.signal, (it) => reports.push(it));
  abort.abort();
  return reports[0];
}

describeResolver("StaticResolver", async (clock) => ({
  resolver: resolverFor(clock),
  path: "/svc/web",
  bind: undefined,
  initially: ["10.0.0.1:80", "10.0.0.2:80"],
  unknownPath: "/svc/other",
  close() {},
}));

describe("StaticResolver", () => {
  test("knows its names at once, with their weights", () => {
    expect(resolve("/svc/web")).toEqual({
      state: "bound",
      endpoints: [
        { ip: "10.0.0.1", port: 80, weight: 1 },
        { ip: "10.0.0.2", port: 80, weight: 2 },
      ],
    });
  });

  test("knows a name however it is spelled", () => {
    expect(resolve("/svc/\\x61\\x2f\\x62")?.state).toBe("bound");
    expect(resolve(" /svc/web ")?.state).toBe("bound");
  });

  test("is bound to nothing where nothing is configured, and neg where the name is not", () => {
    expect(resolve("/svc/none")).toEqual({ state: "bound", endpoints: [] });
    expect(resolve("/svc")).toEqual({ state: "neg" });
    expect(resolve("/svc/web/more")).toEqual({ state: "neg" });
  });

  test("knows /$/inet by itself", () => {
    expect(resolve("/$/inet/127.0.0.1/8080")).toEqual({
      state: "bound",
      endpoints: [{ ip: "127.0.0.1", port: 8080, weight: 1 }],
    });
  });
});
