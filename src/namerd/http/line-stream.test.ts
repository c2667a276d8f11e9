import { describe, expect, test } from "bun:test";
import { type LineResponse, LineStream } from "./line-stream.ts";

/** A response that takes one write after each `drain`. */
class SlowResponse {
  readonly written: string[] = [];
  isFull = false;
  drain: () => void = () => {};

  get response(): LineResponse {
    const fake = {
      on: (_: string, run: () => void) => {
        this.drain = () => {
          this.isFull = false;
          run();
        };
      },
      write: (line: Uint8Array) => {
        this.written.push(new TextDecoder().decode(line));
        this.isFull = true;
        return false;
      },
      end: (text?: string) => this.written.push(`end ${text ?? ""}`),
    };
    return fake as unknown as LineResponse;
  }
}

const line = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("LineStream", () => {
  test("keeps only the last line for a client that does not keep up", () => {
    const slow = new SlowResponse();
    const stream = new LineStream(slow.response);
    for (const text of ["a", "b", "c", "d"]) stream.send(line(text));
    expect(slow.written).toEqual(["a"]);
    slow.drain();
    expect(slow.written).toEqual(["a", "d"]);
    slow.drain();
    stream.send(line("e"));
    expect(slow.written).toEqual(["a", "d", "e"]);
  });

  test("sends no line twice, not even one that came back while the client was away", () => {
    const slow = new SlowResponse();
    const stream = new LineStream(slow.response);
    for (const text of ["a", "b", "a"]) stream.send(line(text));
    slow.drain();
    stream.send(line("a"));
    expect(slow.written).toEqual(["a"]);
  });

  test("ends once, and sends nothing behind that", () => {
    const slow = new SlowResponse();
    const stream = new LineStream(slow.response);
    for (const text of ["a", "b"]) stream.send(line(text));
    stream.end("boom");
    stream.end("again");
    stream.send(line("c"));
    slow.drain();
    expect(slow.written).toEqual(["a", "end boom\n"]);
  });
});
