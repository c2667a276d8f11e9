#!/usr/bin/env bun
// Which folder of src may import which, and which file may touch the system. The tables are the rule.
import { join } from "node:path";
import type { LayerTable } from "./layer-imports.ts";
import type { Place } from "./layer-places.ts";
import { layerFindings, type LayerRules } from "./layer-rules.ts";
import { projectFiles, report, ROOT } from "./source-tree.ts";

/**
 * A folder may import what its row names: `lib` a folder, `lib:types` only with `import type`, `lib/rng.ts` one file.
 * Type-only imports obey the table too. src/main.ts is `main`.
 */
export const MAY_IMPORT = {
  lib: [],
  naming: ["lib"],
  telemetry: ["lib"],
  transport: ["lib", "telemetry:types"],
  config: ["lib", "naming"],
  admission: ["lib", "telemetry", "config:types"],
  balancer: ["lib", "telemetry", "naming", "transport:types", "config:types"],
  admin: ["lib", "telemetry"],
  router: ["lib", "telemetry", "naming", "balancer", "config"],
  discovery: ["lib", "telemetry", "naming", "config"],
  health: ["lib", "telemetry", "config", "transport", "proxy/proxy-protocol/outgoing.ts"],
  wire: ["lib", "naming", "config", "telemetry:types", "admission:types"],
  proxy: ["lib", "telemetry", "naming", "transport", "admission", "balancer", "router", "config"],
  control: [
    "lib",
    "telemetry",
    "naming",
    "config",
    "wire",
    "admission",
    "discovery",
    "transport/bind.ts",
    "transport/libc.ts",
  ],
  worker: [
    "lib",
    "telemetry",
    "naming",
    "config",
    "wire",
    "transport",
    "admission",
    "balancer",
    "router",
    "proxy",
  ],
  app: [
    "lib",
    "telemetry",
    "naming",
    "config",
    "discovery",
    "admission",
    "control",
    "health",
    "admin",
    "wire",
    "transport/bind.ts",
    "transport/libc.ts",
    "transport/libc-sockets.ts",
    "transport/channel.ts",
    "transport/successor.ts",
  ],
  namerd: ["lib", "telemetry", "naming", "config", "discovery", "admin"],
  cli: ["lib", "telemetry", "naming", "config", "app", "admin", "namerd"],
  main: ["app", "cli", "lib"],
} as const satisfies LayerTable;

/** Where the system may be touched, below src. Tests are free. */
export const PLACES: readonly Place[] = [
  {
    why: "clocks, timers and chance come from lib/clock.ts and lib/rng.ts",
    // A given time may be spelled out with Date; what may not is to ask it for the present.
    names: [
      "Date.now",
      "Date()",
      "performance",
      "Math.random",
      "setTimeout",
      "setInterval",
      "setImmediate",
    ],
    modules: ["node:timers", "node:timers/promises", "node:perf_hooks"],
    only: ["lib/clock.ts", "lib/rng.ts"],
  },
  {
    why: "Bun is called at the rim",
    names: ["Bun"],
    modules: ["bun"],
    only: [
      "transport/",
      "discovery/",
      "namerd/",
      "admin/server.ts",
      "cli/",
      "config/",
      "worker/main.ts",
      "control/supervisor.ts",
    ],
  },
  {
    why: "the process belongs to the frame of the program",
    names: ["process."],
    modules: ["node:process"],
    only: [
      "main.ts",
      "app/",
      "cli/",
      "config/child.ts",
      "config/load-child.ts",
      "config/load-in-child.ts",
      "control/",
      "worker/main.ts",
      "telemetry/process-metrics.ts",
      "telemetry/log-writer.ts",
      "transport/libc.ts",
      "lib/system-roots.ts",
    ],
  },
  {
    why: "threads start in one place",
    names: ["new Worker"],
    only: ["control/supervisor.ts"],
  },
  {
    why: "foreign functions are declared in two files: for every thread, and for the control thread alone",
    names: [],
    modules: ["bun:ffi"],
    only: ["transport/libc.ts", "transport/libc-sockets.ts"],
  },
  {
    why: "the data plane never throws: it answers a value or closes with a reason",
    names: ["throw"],
    within: ["proxy/", "balancer/", "transport/"],
    only: ["transport/bind.ts"],
  },
];

/** Held against every *.test.ts of the project; the waits are in test/support. */
export const IN_TESTS: readonly Place[] = [
  {
    why: "a test awaits a condition, it does not sleep",
    names: ["setTimeout", "setInterval", "Bun.sleep", "Bun.sleepSync", "sleep("],
    modules: ["node:timers", "node:timers/promises"],
  },
  {
    why: "the other tests would not run",
    names: ["test.only", "it.only", "describe.only"],
  },
];

/** The rules of the project; `packages` are the dependencies of the program. */
export function projectRules(packages: readonly string[]): LayerRules {
  return {
    mayImport: MAY_IMPORT,
    testsMayImport: ["test/support/", "test/contract/"],
    packages: ["bun", ...packages],
    testPackages: ["bun:test", "fast-check"],
    places: PLACES,
    inTests: IN_TESTS,
    metricNames: { pattern: /^(?:l5d|process)_[a-z0-9_]+$/, only: "telemetry/catalogue/" },
  };
}

if (import.meta.main) {
  const read = (path: string): Promise<string> => Bun.file(join(ROOT, path)).text();
  const paths = projectFiles().filter((path) => path.endsWith(".ts"));
  const files = await Promise.all(paths.map(async (path) => ({ path, source: await read(path) })));
  const { dependencies } = JSON.parse(await read("package.json")) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  report(
    layerFindings(files, projectRules(Object.keys(dependencies))),
    `${files.length} files in ${Object.keys(MAY_IMPORT).length} layers, all in order`,
  );
}
