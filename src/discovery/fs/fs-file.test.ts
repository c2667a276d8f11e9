import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseFsFile } from "./fs-file.ts";

describe("parseFsFile()", () => {
  test("reads endpoints with and without weights, comments and blank lines", () => {
    const text = [
      "# the web",
      "10.0.0.1 80",
      "",
      "  10.0.0.2\t80 * 1.5   # half as much again",
      "web.example 8080 * 0",
      "::1 80",
      "[::2]:80",
    ].join("\n");
    expect(parseFsFile(text)).toEqual({
      endpoints: [
        { host: "10.0.0.1", port: 80, weight: 1 },
        { host: "10.0.0.2", port: 80, weight: 1.5 },
        { host: "web.example", port: 8080, weight: 0 },
        { host: "::1", port: 80, weight: 1 },
        { host: "::2", port: 80, weight: 1 },
      ],
      problems: [],
    });
  });

  test("tells bad lines by their number and keeps the others", () => {
    const { endpoints, problems } = parseFsFile(
      "10.0.0.1 80\n x y  # no\r\n10.0.0.2 99999\n10.0.0.3 80\n",
    );
    expect(endpoints.map(({ host }) => host)).toEqual(["10.0.0.1", "10.0.0.3"]);
    expect(problems.map(({ line }) => line)).toEqual([2, 3]);
    expect(problems[0]?.text).toBe("x y");
    expect(problems[1]?.problem).toContain("65535");
  });

  test("an empty file has no endpoints and no problems", () => {
    for (const text of ["", "\n\n", "# nothing\n", "\ufeff", "\ufeff# nothing"]) {
      expect(parseFsFile(text)).toEqual({ endpoints: [], problems: [] });
    }
  });

  test("takes a byte order mark and any line ends", () => {
    const { endpoints } = parseFsFile("\ufeff10.0.0.1 80\r10.0.0.2 80\r\n10.0.0.3 80");
    expect(endpoints.map(({ host }) => host)).toEqual(["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
  });

  test("gives a value for any bytes, and for any words", () => {
    const words = fc
      .array(fc.oneof(fc.string(), fc.ipV4(), fc.ipV6(), fc.constantFrom("80", "*", "#", "\n")))
      .map((list) => list.join(" "));
    const bytes = fc.uint8Array({ maxLength: 300 }).map((list) => new TextDecoder().decode(list));
    fc.assert(
      fc.property(fc.oneof(words, bytes, fc.string({ unit: "binary" })), (text) => {
        const { endpoints, problems } = parseFsFile(text);
        for (const { port, weight } of endpoints) {
          expect(port).toBeGreaterThan(0);
          expect(weight).toBeGreaterThanOrEqual(0);
        }
        for (const { line } of problems) expect(line).toBeGreaterThan(0);
      }),
    );
  });
});
