import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LOG_LEVELS } from "./log.ts";
import { logFilterFromEnv, parseLogFilter, thresholdOf } from "./log-filter.ts";

const MODULES = ["balancer", "balancer.ejection", "balancers", "proxy.server"] as const;

/** The thresholds of MODULES. */
function thresholds(text: string): string[] {
  const { filter } = parseLogFilter(text);
  return MODULES.map((module) => thresholdOf(filter, module));
}

describe("parseLogFilter()", () => {
  test.each([
    ["", "info info info info"],
    ["debug", "debug debug debug debug"],
    ["off", "off off off off"],
    ["WARN", "warn warn warn warn"],
    ["linkerd_tcp=error", "error error error error"],
    ["linkerd_tcp", "trace trace trace trace"],
    ["linkerd_tcp::balancer=debug", "debug debug info info"],
    ["linkerd_tcp::balancer=debug,warn", "debug debug warn warn"],
    ["warn , linkerd_tcp::balancer = Debug ,", "debug debug warn warn"],
    ["linkerd_tcp::balancer::ejection=trace", "info trace info info"],
    ["linkerd_tcp::proxy", "info info info trace"],
    ["balancer=trace", "trace trace info info"],
    ["proxy::server=off", "info info info off"],
    ["proxy.server=off", "info info info off"],
    ["off,balancer.ejection=info", "off info off off"],
    ["balancer=trace,balancer=error", "error error info info"],
    ["hyper=trace,tokio_core=debug", "info info info info"],
  ])("reads %p", (text, expected) => {
    expect(parseLogFilter(text).warnings).toEqual([]);
    expect(thresholds(text).join(" ")).toBe(expected);
  });

  test.each([
    "inof",
    "balancer=loud",
    "=info",
    "a=b=c",
    "balancer",
    "a b=info",
    "::=info",
    "trace=",
    "constructor",
    "__proto__=toString",
  ])("warns of %p and goes on", (directive) => {
    const { filter, warnings } = parseLogFilter(`error,${directive},proxy=debug`);
    expect(warnings).toEqual([`unknown directive ${JSON.stringify(directive)}`]);
    expect(filter).toEqual([
      { module: "", threshold: "error" },
      { module: "proxy", threshold: "debug" },
    ]);
  });

  test("warns of a pattern for messages and takes the rest", () => {
    const { filter, warnings } = parseLogFilter("warn/foo,debug");
    expect(filter).toEqual([{ module: "", threshold: "warn" }]);
    expect(warnings).toHaveLength(1);
  });

  test("takes any text, gives only known thresholds, and warns in single lines", () => {
    const texts = fc.oneof(
      fc.string({ unit: "binary" }),
      fc
        .array(fc.constantFrom("info", "=", ",", "::", ".", "linkerd_tcp", "a", " ", "/", "\n"))
        .map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(texts, fc.string(), (text, module) => {
        const { filter, warnings } = parseLogFilter(text);
        expect([...LOG_LEVELS, "off"]).toContain(thresholdOf(filter, module));
        for (const warning of warnings) expect(warning).not.toContain("\n");
      }),
    );
  });

  test("does what the last of the longest rules says, for any rules that it wrote itself", () => {
    const module = fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 3 });
    const level = fc.constantFrom(...LOG_LEVELS, "off" as const);
    fc.assert(
      fc.property(fc.array(fc.tuple(module, level)), module, (rules, asked) => {
        const text = rules.map(([segments, name]) => `linkerd_tcp::${segments.join("::")}=${name}`);
        const { filter, warnings } = parseLogFilter(text.join());
        expect(warnings).toEqual([]);
        const covering = rules.filter(([segments]) =>
          segments.every((segment, at) => segment === asked[at]),
        );
        const longest = Math.max(...covering.map(([segments]) => segments.length));
        const expected = covering.findLast(([segments]) => segments.length === longest)?.[1];
        expect(thresholdOf(filter, asked.join("."))).toBe(expected ?? "info");
      }),
    );
  });
});

describe("logFilterFromEnv()", () => {
  const none = () => undefined;

  test("takes the program's own variable before RUST_LOG", () => {
    const { filter } = logFilterFromEnv({ LINKERD_TCP_LOG: "debug", RUST_LOG: "off" }, none);
    expect(thresholdOf(filter, "x")).toBe("debug");
  });

  test("takes RUST_LOG when the other is missing or empty", () => {
    for (const LINKERD_TCP_LOG of [undefined, "", " "]) {
      const { filter } = logFilterFromEnv({ LINKERD_TCP_LOG, RUST_LOG: "off" }, none);
      expect(thresholdOf(filter, "x")).toBe("off");
    }
  });

  test("writes info and above when neither is set", () => {
    expect(logFilterFromEnv({}, none)).toEqual({ filter: [], warnings: [] });
    expect(thresholdOf([], "x")).toBe("info");
  });

  test("names the variable in its warnings", () => {
    expect(logFilterFromEnv({ RUST_LOG: "loud" }, none).warnings).toEqual([
      'RUST_LOG: unknown directive "loud"',
    ]);
  });

  test("warns of a module that does not exist, with the one that was meant, and keeps the rule", () => {
    const suggested = (word: string) => (word === "proxi" ? "proxy" : undefined);
    const { filter, warnings } = logFilterFromEnv(
      { LINKERD_TCP_LOG: "proxi=debug,linkerd_tcp::lb=warn" },
      suggested,
    );
    expect(filter).toHaveLength(2);
    expect(warnings[0]).toBe("LINKERD_TCP_LOG: there is no module proxi; did you mean proxy?");
    expect(warnings[1]).toStartWith(
      "LINKERD_TCP_LOG: there is no module lb; there are admin, app,",
    );
  });

  test("does not warn of modules and what holds them, nor of other programs' modules in RUST_LOG", () => {
    for (const text of ["warn", "proxy=debug", "linkerd_tcp::balancer=off", "telemetry=off"]) {
      expect(logFilterFromEnv({ LINKERD_TCP_LOG: text }, none).warnings).toEqual([]);
    }
    expect(logFilterFromEnv({ RUST_LOG: "hyper=trace" }, none).warnings).toEqual([]);
  });
});
