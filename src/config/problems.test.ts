import { describe, expect, test } from "bun:test";
import {
  formatPath,
  formatProblem,
  formatProblems,
  type Problem,
  redact,
  show,
} from "./problems.ts";

const PROBLEM: Problem = {
  file: "l5d.yml",
  line: 12,
  column: 7,
  path: "routers[0].label",
  message: "expected a text, found 8080",
  severity: "error",
};

describe("formatPath()", () => {
  test.each([
    [[], ""],
    [["routers", 0, "servers", 1, "port"], "routers[0].servers[1].port"],
    [
      ["tls", "identities", "*.example.com", "certs", 0],
      'tls.identities["*.example.com"].certs[0]',
    ],
    [["names", "/svc/web"], 'names["/svc/web"]'],
    [["$schema"], "$schema"],
  ])("%p is %p", (path, expected) => expect(formatPath(path)).toBe(expected));
});

describe("formatProblem()", () => {
  test("puts file, line and column first, as compilers do", () => {
    expect(formatProblem(PROBLEM)).toBe(
      "l5d.yml:12:7: error: routers[0].label: expected a text, found 8080",
    );
  });

  test("leaves out what a problem of the whole file has not", () => {
    const whole = { ...PROBLEM, line: undefined, column: undefined, path: "" };
    expect(formatProblem(whole)).toBe("l5d.yml: error: expected a text, found 8080");
  });
});

describe("formatProblems()", () => {
  test("counts errors in the last line, but not warnings", () => {
    const warning: Problem = { ...PROBLEM, severity: "warning" };
    expect(formatProblems([warning])).toBe(formatProblem(warning));
    expect(formatProblems([PROBLEM, warning]).split("\n").at(-1)).toBe("1 error");
    expect(formatProblems([PROBLEM, PROBLEM]).split("\n").at(-1)).toBe("2 errors");
  });
});

describe("show()", () => {
  test.each([
    [null, "nothing"],
    [undefined, "nothing"],
    [7474, "7474"],
    [true, "true"],
    [[], "an empty list"],
    [[1], "a list"],
    [{}, "an object"],
    ["soon", '"soon"'],
    ["a\nb", "a text of several lines"],
    ["-----BEGIN PRIVATE KEY-----", "PEM text"],
    ["http://user:secret@host/", '"http://***@host/"'],
    ["x".repeat(100), `"${"x".repeat(60)}..."`],
  ])("%p is shown as %p", (value, expected) => expect(show(value)).toBe(expected));
});

describe("redact()", () => {
  test.each([
    ["http://host:4180/a@b", "http://host:4180/a@b"],
    ["http://user:pa@ss@host:4180/x", "http://***@host:4180/x"],
    ["https://token@host", "https://***@host"],
    ["user:secret@host:4180", "***@host:4180"],
    ["localhost:4180", "localhost:4180"],
  ])("%p becomes %p", (text, expected) => expect(redact(text)).toBe(expected));
});
