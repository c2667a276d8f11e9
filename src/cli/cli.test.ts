import { expect, test } from "bun:test";
import { parseArgs } from "./args.ts";
import { onlyFile } from "./cli.ts";
import { COMMANDS } from "./help.ts";

/** A file system in which everything is a file. */
const FILES = { isFile: () => true, isDirectory: () => false };

test("a lone file is told without the parser, and as the parser tells it", () => {
  for (const word of ["proxy.yml", "./check", "/etc/l5d/proxy.yml", "a b.json", "Proxy", "p2"]) {
    expect(onlyFile([word], FILES)).toBe(word);
    expect(parseArgs([word], FILES)).toEqual({ command: "run", path: word });
  }
});

test("what may be something else is left to the parser", () => {
  const nowhere = { ...FILES, isFile: () => false };
  for (const { name } of COMMANDS) {
    if (name !== undefined) expect(onlyFile([name], FILES)).toBeUndefined();
  }
  for (const words of [[], [""], ["-"], ["-h"], ["--help"], ["a.yml", "b.yml"]])
    expect(onlyFile(words, FILES)).toBeUndefined();
  expect(onlyFile(["/svc/web"], nowhere)).toBeUndefined();
});
