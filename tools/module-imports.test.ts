import { describe, expect, test } from "bun:test";
import { maskSource } from "./mask-source.ts";
import { moduleImports } from "./module-imports.ts";

const imports = (source: string): string[] =>
  moduleImports(maskSource(source)).map(
    ({ specifier, typeOnly, line }) => `${line} ${typeOnly ? "type " : ""}${specifier}`,
  );

describe("moduleImports()", () => {
  test.each([
    [`import a from "./a.ts";`, "1 ./a.ts"],
    [`import a, { type B } from './a.ts';`, "1 ./a.ts"],
    [`import * as a from "./a.ts";`, "1 ./a.ts"],
    [`import "./a.ts";`, "1 ./a.ts"],
    [`import {\n  b,\n  c,\n} from "./a.ts";`, "1 ./a.ts"],
    [`import type { A } from "./a.ts";`, "1 type ./a.ts"],
    [`import type from "./a.ts";`, "1 ./a.ts"],
    [`import { type A } from "./a.ts";`, "1 ./a.ts"],
    [`export { a } from "./a.ts";`, "1 ./a.ts"],
    [`export * from "./a.ts";`, "1 ./a.ts"],
    [`export type { A } from "./a.ts";`, "1 type ./a.ts"],
    [`const a = await import("./a.ts");`, "1 ./a.ts"],
    [`type A = typeof import("./a.ts");`, "1 type ./a.ts"],
    [`\n\nimport html from "./a.html" with { type: "text" };`, "3 ./a.html"],
  ])("reads %p", (source, expected) => {
    expect(imports(source)).toEqual([expected]);
  });

  test("sees nothing in comments, strings, members and plain exports", () => {
    const source = `// import "./a.ts"
      const s = 'import "./a.ts"';
      x.import("./a.ts");
      export const from = "./a.ts";
      export const b = import.meta.url;
      const t = Array.from("abc");`;
    expect(imports(source)).toEqual([]);
  });
});
