import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LOG_LEVELS, type LogFields } from "./log.ts";
import { type LogEntry, logLine, MAX_LINE_BYTES } from "./log-line.ts";

const ENTRY: LogEntry = {
  timeMs: 1_700_000_000_123,
  level: "info",
  module: "proxy.server",
  message: "listening",
  fields: {},
};

const texts = fc.oneof(
  fc.string({ unit: "binary", size: "medium" }),
  fc.string({
    unit: fc.constantFrom("\n", "\r", "\u001b", "\u2028", "\u202e", "\ud800", '"', "="),
  }),
);
const entries: fc.Arbitrary<LogEntry> = fc.record({
  timeMs: fc.integer({ min: 0, max: 4e12 }),
  level: fc.constantFrom(...LOG_LEVELS),
  module: texts,
  message: texts,
  fields: fc.dictionary(
    texts,
    fc.oneof(texts, fc.double(), fc.boolean(), fc.constant(undefined)),
  ) as fc.Arbitrary<LogFields>,
});

/** Holds for every line: one line, short, and nothing in it that a terminal obeys. */
function expectOneLine(line: string): void {
  expect(line.slice(0, -1)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
  expect(line.endsWith("\n")).toBe(true);
  expect(Buffer.byteLength(line)).toBeLessThanOrEqual(MAX_LINE_BYTES);
}

describe("logLine() as text", () => {
  test("writes time, level, module, message and fields", () => {
    const fields = { address: "127.0.0.1:80", tls: false, reason: "no such file", none: undefined };
    expect(logLine({ ...ENTRY, fields }, "text")).toBe(
      "2023-11-14T22:13:20.123Z INFO  proxy.server listening " +
        'address=127.0.0.1:80 tls=false reason="no such file"\n',
    );
  });

  test("quotes values that could be misread", () => {
    const fields = { a: "", b: "x=y", c: 'say "hi"', d: "back\\slash", "e f": 1, g: "ü" };
    expect(logLine({ ...ENTRY, fields }, "text")).toEndWith(
      ' a="" b="x=y" c="say \\"hi\\"" d="back\\\\slash" "e f"=1 g=ü\n',
    );
  });

  test("escapes line ends and terminal codes wherever they stand", () => {
    const line = logLine(
      {
        ...ENTRY,
        module: "a\rb",
        message: "x\n2023 ERROR forged",
        fields: { y: "\u001b[2J\u202e" },
      },
      "text",
    );
    expect(line).toEndWith('INFO  a\\rb x\\n2023 ERROR forged y="\\u001b[2J\\u202e"\n');
  });

  test("writes exactly one line for any entry", () => {
    fc.assert(fc.property(entries, (entry) => expectOneLine(logLine(entry, "text"))));
  });

  test("has colours only when asked for, around the same text", () => {
    const fields = { address: "1.2.3.4:5" };
    const line = logLine({ ...ENTRY, level: "error", fields }, "colour");
    expect(line).toContain("\u001b[31mERROR\u001b[0m");
    expect(Bun.stripANSI(line)).toBe(logLine({ ...ENTRY, level: "error", fields }, "text"));
  });
});

describe("logLine() as JSON", () => {
  test("writes one object with the fields beside the rest", () => {
    const fields = { address: "127.0.0.1:80", connections: 3, tls: true, none: undefined };
    expect(logLine({ ...ENTRY, fields }, "json")).toBe(
      '{"ts":"2023-11-14T22:13:20.123Z","level":"info","module":"proxy.server","msg":"listening",' +
        '"address":"127.0.0.1:80","connections":3,"tls":true}\n',
    );
  });

  test("lets no field take the place of its own names", () => {
    const line = logLine({ ...ENTRY, fields: { level: "error", ts: 0, msg: "x" } }, "json");
    expect(JSON.parse(line)).toMatchObject({ level: "info", level_: "error", ts_: 0, msg_: "x" });
  });

  test("writes numbers that JSON has not as texts", () => {
    const line = logLine({ ...ENTRY, fields: { a: Number.NaN, b: Infinity } }, "json");
    expect(JSON.parse(line)).toMatchObject({ a: "NaN", b: "Infinity" });
  });

  test("writes exactly one line for any entry, and a reader gets back what was said", () => {
    fc.assert(
      fc.property(entries, (entry) => {
        const line = logLine(entry, "json");
        expectOneLine(line);
        const read = JSON.parse(line) as Record<string, unknown>;
        expect(read["ts"]).toBe(new Date(entry.timeMs).toISOString());
        expect(read["level"]).toBe(entry.level);
        if ("truncated" in read || line.includes("…")) return;
        expect(read["msg"]).toBe(entry.message);
        expect(read["module"]).toBe(entry.module);
      }),
    );
  });
});

describe("logLine() of a long entry", () => {
  const long = "\u0001".repeat(10_000);

  test("cuts long texts so that a pipe takes the line whole", () => {
    for (const style of ["json", "text"] as const) {
      const line = logLine({ ...ENTRY, message: "m", fields: { body: long, status: 7 } }, style);
      expectOneLine(line);
      expect(line).toContain("…");
      expect(line).toContain("status");
    }
  });

  test("leaves the fields out when there are too many, and says so", () => {
    const fields = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`f${at}`, long]));
    for (const style of ["json", "text", "colour"] as const) {
      const line = logLine({ ...ENTRY, message: long, module: long, fields }, style);
      expect(Buffer.byteLength(line)).toBeLessThanOrEqual(MAX_LINE_BYTES);
      expect(Bun.stripANSI(line)).toMatch(/truncated"?[=:]true/);
    }
  });
});
