import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { context, DerReader, sameBytes, TAG } from "./der.ts";

const read = (...bytes: number[]) => new DerReader(Uint8Array.from(bytes));

describe("DerReader", () => {
  test("reads one value after another", () => {
    const reader = read(TAG.integer, 1, 7, TAG.boolean, 1, 255);
    expect(reader.next()).toMatchObject({ tag: TAG.integer, content: Uint8Array.of(7) });
    expect(reader.peek()).toBe(TAG.boolean);
    expect(reader.next()?.whole).toEqual(Uint8Array.of(TAG.boolean, 1, 255));
    expect(reader.atEnd).toBe(true);
    expect(reader.next()).toBeUndefined();
  });

  test("reads long lengths", () => {
    const content = new Uint8Array(300).fill(1);
    const reader = read(TAG.octetString, 0x82, 1, 44, ...content);
    expect(reader.next()?.content).toEqual(content);
  });

  test("enters what has the tag, and leaves alone what has another", () => {
    const reader = read(TAG.sequence, 3, TAG.integer, 1, 9);
    expect(reader.enter(TAG.octetString)).toBeUndefined();
    expect(reader.enter(TAG.sequence)?.take(TAG.integer)?.content).toEqual(Uint8Array.of(9));
  });

  for (const [what, bytes] of Object.entries({
    "a length that is more than there is": [TAG.integer, 2, 7],
    "a length without end, which DER does not have": [TAG.sequence, 0x80, 0, 0],
    "a length of five bytes": [TAG.integer, 0x85, 0, 0, 0, 0, 1, 7],
    "a length that is cut short": [TAG.integer, 0x82, 1],
    "a tag of several bytes": [0x1f, 0x81, 1, 0],
    "a tag alone": [TAG.integer],
  })) {
    test(`has no value in ${what}`, () => {
      const reader = read(...bytes);
      expect(reader.next()).toBeUndefined();
      expect(reader.atEnd).toBe(false);
    });
  }

  test("any bytes give an answer, and values that are views of them, in order", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const reader = new DerReader(bytes);
        let read = 0;
        for (let value = reader.next(); value !== undefined; value = reader.next()) {
          expect(value.whole.byteOffset).toBe(bytes.byteOffset + read);
          expect(value.whole.length).toBeGreaterThan(1);
          read += value.whole.length;
        }
        expect(read).toBeLessThanOrEqual(bytes.length);
      }),
    );
  });
});

test("tags of places say whether they hold values", () => {
  expect(context(2, false)).toBe(0x82);
  expect(context(3, true)).toBe(0xa3);
});

test("bytes are the same or not", () => {
  expect(sameBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true);
  expect(sameBytes(Uint8Array.of(1, 2), Uint8Array.of(1))).toBe(false);
  expect(sameBytes(Uint8Array.of(1), Uint8Array.of(2))).toBe(false);
});
