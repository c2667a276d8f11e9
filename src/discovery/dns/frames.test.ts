import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { framed, FrameReader } from "./frames.ts";

describe("FrameReader", () => {
  test("gives the messages of a stream, however it was cut", () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 4 });
    const cuts = fc.array(fc.nat(1_200), { maxLength: 12 });
    fc.assert(
      fc.property(messages, cuts, (sent, at) => {
        const stream = Buffer.concat(sent.map(framed));
        const places = [0, ...at.filter((cut) => cut < stream.length).sort((x, y) => x - y)];
        const reader = new FrameReader();
        const got = places.flatMap((start, index) =>
          reader.push(stream.subarray(start, places[index + 1])).map((it) => Buffer.from(it)),
        );
        expect(got).toEqual(sent.map((it) => Buffer.from(it)));
      }),
    );
  });

  test("reads a message of the greatest length", () => {
    const message = new Uint8Array(65_535).fill(7);
    const [got] = new FrameReader().push(framed(message));
    expect(got?.length).toBe(65_535);
  });
});
