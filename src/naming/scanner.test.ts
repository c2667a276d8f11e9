import { describe, expect, test } from "bun:test";
import { Scanner } from "./scanner.ts";

describe("Scanner", () => {
  test("reads tokens, labels and numbers, with white space and comments between", () => {
    const scanner = new Scanner("# all\n => /a\\x20b\t2.5*");
    scanner.skipSpace();
    expect(scanner.expect("=>")).toBe(true);
    scanner.skipSpace();
    expect(scanner.eat("/")).toBe(true);
    expect(scanner.atLabel()).toBe(true);
    expect(scanner.label()).toBe("a b");
    scanner.skipSpace();
    expect(scanner.number()).toBe(2.5);
    expect(scanner.eat("+")).toBe(false);
    expect(scanner.peek()).toBe("*");
    expect(scanner.failed).toBe(false);
  });

  test("keeps the first failure", () => {
    const scanner = new Scanner("ab");
    scanner.fail("'x'");
    scanner.eat("a");
    scanner.reject("something else");
    const message = "'x' expected but 'a' found at '[a]b'";
    expect(scanner.failure()).toEqual({ ok: false, line: 1, column: 1, message });
  });

  test("shows only the line that it fails in", () => {
    const scanner = new Scanner("/a # one\r\n/b = /c\r\n/d");
    while (scanner.peek() !== "=") scanner.eat(scanner.peek());
    scanner.fail("'=>'");
    const message = "'=>' expected but '=' found at '/b [=] /c'";
    expect(scanner.failure()).toEqual({ ok: false, line: 2, column: 4, message });
  });

  test.each(["\n", "\r\n"])("says where a line ends: %j", (end) => {
    const scanner = new Scanner(`/a/${end}b`);
    scanner.eat("/a/");
    scanner.label();
    const message = "label char expected but end of line found at '/a/[]'";
    expect(scanner.failure()).toEqual({ ok: false, line: 1, column: 4, message });
  });

  test("cuts a long line around the place", () => {
    const text = `${"a".repeat(300)}!${"b".repeat(300)}`;
    const scanner = new Scanner(text);
    scanner.label();
    scanner.fail("'/'");
    const quote = `...${"a".repeat(200)}[!]${"b".repeat(200)}...`;
    expect(scanner.failure().message).toBe(`'/' expected but '!' found at '${quote}'`);
  });

  test("shows a character outside the first plane whole", () => {
    const scanner = new Scanner("😀");
    scanner.label();
    expect(scanner.failure().message).toBe("label char expected but '😀' found at '[😀]'");
  });
});
