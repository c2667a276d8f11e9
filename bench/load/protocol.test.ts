import { describe, expect, test } from "bun:test";
import { readClientHello } from "../../src/proxy/client-hello/client-hello.ts";
import {
  bodyBytesOf,
  HELLO,
  helloBytesOf,
  PIECE_BYTES,
  REQUEST_BYTES,
  requestFor,
  Response,
} from "./protocol.ts";

test("bodyBytesOf() reads what requestFor() asks for, anywhere in a buffer", () => {
  const requests = Buffer.concat([requestFor(128), requestFor(2 ** 30)]);
  expect(requests).toHaveLength(2 * REQUEST_BYTES);
  expect(bodyBytesOf(requests, 0)).toBe(128);
  expect(bodyBytesOf(requests, REQUEST_BYTES)).toBe(2 ** 30);
});

test("bodyBytesOf() refuses what is none of ours", () => {
  expect(bodyBytesOf(Buffer.alloc(REQUEST_BYTES, "x"), 0)).toBeNaN();
});

describe("HELLO", () => {
  test("is one hello with the name of the bench, which its length leads past", () => {
    expect(HELLO.length).toBeGreaterThan(1_460);
    expect(helloBytesOf(HELLO)).toBe(HELLO.length);
    expect(readClientHello(HELLO)).toMatchObject({ hello: { serverName: "bench.test" } });
  });

  test("is waited for until its head is whole, and is no request", () => {
    expect(helloBytesOf(HELLO.subarray(0, 4))).toBeUndefined();
    expect(helloBytesOf(requestFor(128))).toBe(0);
  });
});

describe("Response", () => {
  const response = new Response(3 * PIECE_BYTES);

  /** The response in chunks of some length. */
  function* chunks(length: number): Generator<[Buffer, number]> {
    const pieces: Buffer[] = [];
    for (let at = 0; at < response.totalBytes; at += pieces.at(-1)?.length ?? 0) {
      pieces.push(response.piece(at));
    }
    const all = Buffer.concat(pieces);
    for (let at = 0; at < all.length; at += length) yield [all.subarray(at, at + length), at];
  }

  test("matches itself, however it is cut", () => {
    for (const length of [1_000, 65_536, 524_288, response.totalBytes]) {
      for (const [chunk, at] of chunks(length)) expect(response.matches(chunk, at)).toBe(true);
    }
  });

  test("does not match at another place, nor with a bit changed", () => {
    const [, second] = [...chunks(65_536)];
    const [chunk, at] = second ?? [Buffer.alloc(0), 0];
    expect(response.matches(chunk, at + 65_536)).toBe(false);
    const changed = Buffer.from(chunk);
    changed[40_000] = (changed[40_000] ?? 0) ^ 1;
    expect(response.matches(changed, at)).toBe(false);
  });

  test("does not match bytes past its end", () => {
    const short = new Response(10);
    const whole = short.whole();
    expect(short.matches(whole, 0)).toBe(true);
    expect(short.matches(Buffer.concat([whole, Buffer.from("x")]), 0)).toBe(false);
  });
});
