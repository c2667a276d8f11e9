import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseByteText, showBytes } from "./byte-text.ts";

describe("parseByteText", () => {
  test("reads escapes, and everything else as UTF-8", () => {
    expect(parseByteText("PI\\x4eG\\r\\n\\t\\\\é")).toEqual({
      ok: true,
      bytes: new Uint8Array([...Buffer.from("PING\r\n\t\\é")]),
    });
  });

  test.each(["\\q", "a\\", "\\x1", "\\xzz", "\\\n"])("refuses %p", (text) => {
    expect(parseByteText(text)).toMatchObject({ ok: false });
  });

  test("reads back what is shown", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
        expect(parseByteText(showBytes(bytes, 50))).toEqual({ ok: true, bytes });
      }),
    );
  });
});

test("showBytes ends in dots where there is more", () => {
  expect(showBytes(Buffer.from("hello\r\nworld"), 7)).toBe("hello\\r\\n...");
});
