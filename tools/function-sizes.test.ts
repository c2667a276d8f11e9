import { describe, expect, test } from "bun:test";
import { functionSizes } from "./function-sizes.ts";
import { maskSource } from "./mask-source.ts";

const sizes = (source: string): string[] =>
  functionSizes(maskSource(source).code).map(({ name, line, lines }) => `${name} ${line}+${lines}`);

describe("functionSizes()", () => {
  test.each([
    ["function f() {\n}", "f 1+2"],
    ["export async function f<T>(a: T): Promise<{ b: T }> {\n  return a;\n}", "f 1+3"],
    ["function f(\n  a: { b: number },\n): a is { b: 1 } {\n}", "f 1+4"],
    ["function f(): { a: string } | undefined {\n}", "f 1+2"],
    ["function f(): () => void {\n}", "f 1+2"],
    ["const f = (a: number): void => {\n};", "f 1+2"],
    ["const f: F<A> = async (a) => {\n};", "f 1+2"],
    ["run(() => {\n});", "(anonymous) 1+2"],
    ["class A {\n  constructor() {\n  }\n}", "constructor 2+2"],
    ["class A {\n  get #b(): number {\n    return 1;\n  }\n}", "#b 2+3"],
    ["const a = { b(c) {\n}, };", "b 1+2"],
    ['function f() {\n  g("}");\n  // }\n}', "f 1+4"],
  ])("measures %j", (source, expected) => {
    expect(sizes(source)).toEqual([expected]);
  });

  test.each([
    "if (a) {\n}\nfor (const b of c) {\n}\nwhile (d()) {\n}",
    "switch (a) {\n  case b(): {\n    break;\n  }\n}",
    "try {\n} catch (error) {\n}",
    "interface A {\n  b(): void;\n  c(): { d: string };\n}",
    "const a = b() ? c(d) : { e };",
    "const a = { b: c(), d: { e } };",
    "const f = (a: number): number => a + 1;",
    "type F = () => void;",
  ])("finds no function in %j", (source) => {
    expect(sizes(source)).toEqual([]);
  });

  test("measures a function within another by itself", () => {
    expect(sizes("function f() {\n  const g = () => {\n  };\n  g();\n}")).toEqual([
      "f 1+5",
      "g 2+2",
    ]);
  });
});
