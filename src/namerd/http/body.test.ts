import { describe, expect, test } from "bun:test";
import type { IncomingMessage } from "node:http";
import { PassThrough } from "node:stream";
import { FakeClock } from "../../../test/support/fake-clock.ts";
import { readBody } from "./body.ts";
import { ClientGone } from "./first.ts";

function message(length: number): PassThrough & IncomingMessage {
  const headers = { "content-length": String(length) };
  return Object.assign(new PassThrough(), { headers }) as unknown as PassThrough & IncomingMessage;
}

describe("readBody()", () => {
  test("gives up on a body that does not come, and leaves no timer", async () => {
    const clock = new FakeClock();
    const half = message(10);
    const body = readBody(half, clock, new AbortController().signal);
    half.write("abc");
    clock.advance(29_999);
    clock.advance(1);
    expect(await body).toMatchObject({
      kind: "whole",
      status: 408,
      headers: { Connection: "close" },
    });
    expect(clock.pending).toBe(0);
  });

  test("gives the whole body", async () => {
    const clock = new FakeClock();
    const whole = message(6);
    const body = readBody(whole, clock, new AbortController().signal);
    whole.write("abc");
    whole.end("def");
    expect(new TextDecoder().decode((await body) as Uint8Array)).toBe("abcdef");
    expect(clock.pending).toBe(0);
  });

  test("ends with the client", async () => {
    const clock = new FakeClock();
    const gone = new AbortController();
    const body = readBody(message(6), clock, gone.signal);
    gone.abort();
    await expect(body).rejects.toBeInstanceOf(ClientGone);
    expect(clock.pending).toBe(0);
  });
});
