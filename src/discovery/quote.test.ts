import { describe, expect, test } from "bun:test";
import { quote } from "./quote.ts";

describe("quote()", () => {
  test("cuts long texts and takes out what would break a line of a log", () => {
    expect(quote("a\r\nb\u001b[31mc\u2028d")).toBe("a b [31mc d");
    expect(quote("x".repeat(1_000)).length).toBeLessThan(210);
    expect(quote("\ud800")).toBe("\ufffd");
  });
});
