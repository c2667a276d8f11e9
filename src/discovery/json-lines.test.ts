import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { JsonLines } from "./json-lines.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Everything that `chunks` give, with the last line, in order. */
function readAll(maxBytes: number, chunks: readonly Uint8Array[]): (string | boolean)[] {
  const splitter = new JsonLines(maxBytes);
  const all: (string | boolean)[] = [];
  let tooLong = false;
  for (const chunk of chunks) {
    const { lines, ...rest } = splitter.push(chunk);
    all.push(...lines);
    tooLong = rest.tooLong;
  }
  const last = splitter.end();
  if (last !== undefined) all.push(last);
  all.push(tooLong);
  return all;
}

describe("JsonLines", () => {
  test("gives whole lines only, and keeps the rest for later", () => {
    const splitter = new JsonLines(100);
    expect(splitter.push(bytes('{"a":1}\n{"b"'))).toEqual({ lines: ['{"a":1}'], tooLong: false });
    expect(splitter.midLine).toBe(true);
    expect(splitter.push(bytes(":2}\n"))).toEqual({ lines: ['{"b":2}'], tooLong: false });
    expect(splitter.midLine).toBe(false);
    expect(splitter.end()).toBeUndefined();
  });

  test("gives the last line when it has no newline", () => {
    const splitter = new JsonLines(100);
    splitter.push(bytes("a\nb"));
    expect(splitter.end()).toBe("b");
  });

  test("leaves out blank lines and carriage returns", () => {
    expect(readAll(100, [bytes("\r\n\n  \na\r\n")])).toEqual(["a", false]);
  });

  test("puts a character together that was cut in two", () => {
    const [first = new Uint8Array(), second = new Uint8Array()] = [
      bytes("é\n").subarray(0, 1),
      bytes("é\n").subarray(1),
    ];
    expect(readAll(100, [first, second])).toEqual(["é", false]);
  });

  test("allows a line of exactly the longest length and stops at a longer one", () => {
    expect(readAll(3, [bytes("abc\n")])).toEqual(["abc", false]);
    expect(readAll(3, [bytes("ok\nabcd\nok\n")])).toEqual(["ok", true]);
    expect(readAll(3, [bytes("ok\nab"), bytes("cd"), bytes("\nok\n")])).toEqual(["ok", true]);
  });

  test("takes a megabyte byte by byte in no time", () => {
    const splitter = new JsonLines(2 ** 21);
    const one = bytes("x");
    for (let n = 0; n < 2 ** 20; n++) splitter.push(one);
    expect(splitter.push(bytes("\n")).lines[0]?.length).toBe(2 ** 20);
  });

  test("gives the same whatever the chunks", () => {
    const alphabet = fc.constantFrom(0x0a, 0x0d, 0x20, 0x61, 0x7b, 0xc3, 0xa9, 0xff);
    fc.assert(
      fc.property(
        fc.array(alphabet, { maxLength: 200 }),
        fc.array(fc.nat({ max: 20 })),
        fc.integer({ min: 1, max: 40 }),
        (codes, sizes, maxBytes) => {
          const all = Uint8Array.from(codes);
          const chunks: Uint8Array[] = [];
          let at = 0;
          for (const size of sizes) {
            chunks.push(all.subarray(at, at + size));
            at += size;
          }
          chunks.push(all.subarray(at));
          expect(readAll(maxBytes, chunks)).toEqual(readAll(maxBytes, [all]));
        },
      ),
    );
  });
});
