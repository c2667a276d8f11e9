import { expect, test } from "bun:test";
import { isServerName } from "./server-name.ts";

test("host names are server names, and those with a star for the first label", () => {
  for (const name of ["web.example.com", "localhost", "*.example.com", "xn--bcher-kva.example"]) {
    expect(isServerName(name)).toBe(true);
  }
});

test("parts of labels, stars further behind, addresses of version 6 and nothing are none", () => {
  for (const name of [
    "",
    "*.",
    "*",
    "w*.example.com",
    "a.*.example.com",
    "*.*.com",
    "::1",
    "a b",
  ]) {
    expect(isServerName(name)).toBe(false);
  }
});
