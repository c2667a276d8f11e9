import { describe, expect, test } from "bun:test";
import { parseOptions } from "./options.ts";

const WORKLOADS = ["small", "conn"];
const parse = (...argv: string[]): ReturnType<typeof parseOptions> => parseOptions(argv, WORKLOADS);

describe("parseOptions()", () => {
  test("runs everything nine times by default", () => {
    expect(parse()).toEqual({
      rounds: 9,
      quick: false,
      only: undefined,
      proxies: ["ours", "haproxy", "nginx"],
      oursAt: undefined,
      main: "src/main.ts",
      save: false,
      unpinned: false,
    });
  });

  test("takes lists and a revision", () => {
    expect(
      parse("--quick", "--only", "conn", "--proxies=ours,nginx", "--ours-at", "HEAD"),
    ).toMatchObject({
      rounds: 3,
      only: ["conn"],
      proxies: ["ours", "nginx"],
      oursAt: "HEAD",
    });
  });

  test.each([
    [["--rounds", "0"], "--rounds: Expected a whole number from 1: current value is 0"],
    [["--only", "small,big"], "--only: Expected some of small, conn: current value is big"],
    [["--proxies", "envoy"], "--proxies: Expected some of ours, haproxy, nginx"],
    [["--save", "--quick"], "--save: Expected a full run"],
    [["--fast"], "--fast"],
  ])("refuses %p", (argv, message) => {
    expect(() => parse(...argv)).toThrow(message);
  });
});
