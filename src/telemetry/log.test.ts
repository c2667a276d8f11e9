import { describe, expect, test } from "bun:test";
import { labelled, type LogFields, type Logger, silentLogger } from "./log.ts";

/** Writes warnings only. */
function warningLogger() {
  const lines: [string, LogFields | undefined][] = [];
  const log: Logger = {
    ...silentLogger,
    warn: (message, fields) => lines.push([message, fields?.()]),
    enabled: (level) => level === "warn",
  };
  return { log, lines };
}

describe("labelled()", () => {
  test("adds its labels to every line, before the fields of the line", () => {
    const { log, lines } = warningLogger();
    const inner = labelled(log, { rt: "web", dst: "/svc/a" });
    inner.warn("full", () => ({ active: 7 }));
    inner.warn("bare");
    expect(lines).toEqual([
      ["full", { rt: "web", dst: "/svc/a", active: 7 }],
      ["bare", { rt: "web", dst: "/svc/a" }],
    ]);
    expect(Object.keys(lines[0]?.[1] ?? {})).toEqual(["rt", "dst", "active"]);
  });

  test("makes nothing for a level that is not written", () => {
    const { log, lines } = warningLogger();
    let given: unknown;
    const quiet = { ...log, debug: (_message: string, fields: unknown) => (given = fields) };
    const fields = () => {
      throw new Error("fields were made");
    };
    labelled(quiet as Logger, { rt: "web" }).debug("quiet", fields);
    // The function itself, not another one around it.
    expect(given).toBe(fields);
    expect([lines.length, labelled(log, {}).enabled("debug")]).toEqual([0, false]);
  });
});
