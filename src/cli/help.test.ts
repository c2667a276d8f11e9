import { describe, expect, test } from "bun:test";
import { EXIT, EXIT_CODES } from "./exit-codes.ts";
import { COMMANDS, COMMON_OPTIONS, helpText, optionSyntax } from "./help.ts";

describe("helpText()", () => {
  test("names every form, option and exit code", () => {
    const text = helpText();
    for (const { usage, summary, options } of COMMANDS) {
      expect(text).toContain(`linkerd-tcp ${usage}`);
      expect(text).toContain(summary);
      for (const option of options) expect(text).toContain(optionSyntax(option));
    }
    for (const option of COMMON_OPTIONS) expect(text).toContain(optionSyntax(option));
    for (const { code } of EXIT_CODES) expect(text).toContain(`    ${code} `);
    expect(text).toEndWith("\n");
  });

  test("keeps to 110 columns", () => {
    const longest = Math.max(
      ...helpText()
        .split("\n")
        .map((line) => line.length),
    );
    expect(longest).toBeLessThanOrEqual(110);
  });

  test("of a command is about that command", () => {
    expect(helpText("check")).toContain("USAGE:\n    linkerd-tcp check <PATH>\n");
    expect(helpText("check")).not.toContain("--listen-addr");
    expect(helpText("nonsense")).toBe(helpText());
  });
});

test("EXIT_CODES explains every code of EXIT", () => {
  const explained = EXIT_CODES.map(({ code }) => code);
  for (const code of Object.values(EXIT)) expect(explained).toContain(`${code}`);
});
