import { describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import type { LogFields } from "./log.ts";
import { parseLogFilter } from "./log-filter.ts";
import type { LogSink } from "./log-sink.ts";
import { logStyle, LogWriter } from "./log-writer.ts";

function setUp(filter = "", sink?: LogSink) {
  const lines: string[] = [];
  const clock = new FakeClock();
  const writer = new LogWriter({
    filter: parseLogFilter(filter).filter,
    style: "json",
    clock,
    sink: sink ?? ((line) => lines.push(line) > 0),
  });
  return { writer, lines, clock };
}

describe("LogWriter", () => {
  test("writes an entry with its time, module and fields", () => {
    const { writer, lines, clock } = setUp();
    clock.advance(5);
    writer.logger("proxy.server").warn("accept paused", () => ({ active: 7 }));
    expect(lines).toEqual([
      '{"ts":"2023-11-14T22:13:21.005Z","level":"warn","module":"proxy.server","msg":"accept paused","active":7}\n',
    ]);
  });

  test("writes the levels that the filter lets through, module by module", () => {
    const { writer, lines } = setUp("warn,balancer=trace,quiet=off");
    for (const module of ["proxy", "balancer.ejection", "quiet"]) {
      const log = writer.logger(module);
      for (const level of ["error", "warn", "info", "debug", "trace"] as const) log[level](level);
    }
    const written = lines.map((line) => JSON.parse(line) as { module: string; level: string });
    expect(written.map(({ module, level }) => `${module} ${level}`)).toEqual([
      "proxy error",
      "proxy warn",
      ...["error", "warn", "info", "debug", "trace"].map((level) => `balancer.ejection ${level}`),
    ]);
  });

  test("says which levels are written", () => {
    const { writer } = setUp("warn,a=trace,b=off");
    const enabled = (module: string): boolean[] =>
      (["error", "warn", "info", "trace"] as const).map((level) =>
        writer.logger(module).enabled(level),
      );
    expect(enabled("x")).toEqual([true, true, false, false]);
    expect(enabled("a")).toEqual([true, true, true, true]);
    expect(enabled("b")).toEqual([false, false, false, false]);
  });

  test("makes no fields for a line that is not written", () => {
    const { writer } = setUp("warn");
    let made = 0;
    const fields = (): LogFields => ({ made: ++made });
    writer.logger("x").info("quiet", fields);
    writer.logger("x").warn("loud", fields);
    expect(made).toBe(1);
  });

  test("writes the line although its fields cannot be made", () => {
    const { writer, lines } = setUp();
    writer.logger("x").info("still here", () => {
      throw new Error("oh\nno");
    });
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({
      msg: "still here",
      fieldsError: "Error: oh\nno",
    });
  });

  test("never throws, even when the sink does", () => {
    const { writer } = setUp("", () => {
      throw new Error("no room");
    });
    expect(() => writer.logger("x").error("lost")).not.toThrow();
    expect(writer.lost).toBe(1);
  });

  test("counts the lines that the sink did not take, and tells of them once it takes lines again", () => {
    let isFull = true;
    const lines: string[] = [];
    const { writer } = setUp("", (line) => !isFull && lines.push(line) > 0);
    const log = writer.logger("x");
    for (let times = 0; times < 3; times++) log.info("lost");
    isFull = false;
    log.info("first");
    log.info("second");
    const written = lines.map((line) => JSON.parse(line) as { msg: string; lines?: number });
    expect(written.map(({ msg, lines: count }) => [msg, count])).toEqual([
      ["log lines lost", 3],
      ["first", undefined],
      ["second", undefined],
    ]);
    expect(writer.lost).toBe(3);
  });
});

describe("logStyle()", () => {
  test("is JSON away from a terminal, whatever the environment says", () => {
    expect(logStyle(false, {})).toBe("json");
    expect(logStyle(false, { NO_COLOR: "1" })).toBe("json");
  });

  test("has colours at a terminal unless NO_COLOR is set and not empty", () => {
    expect(logStyle(true, {})).toBe("colour");
    expect(logStyle(true, { NO_COLOR: "" })).toBe("colour");
    expect(logStyle(true, { NO_COLOR: "1" })).toBe("text");
  });

  test("has none at a terminal that knows no escape sequences", () => {
    expect(logStyle(true, { TERM: "dumb" })).toBe("text");
    expect(logStyle(true, { TERM: "xterm" })).toBe("colour");
  });
});
