// What client and backend of the bench say to each other: HTTP/1.1 of fixed shape, so that every byte can be checked.
import { EXTENSION, helloRecords } from "../../test/support/tls/hello-bytes.ts";

/** Length of the body of a small response. */
export const SMALL_BYTES = 128;

/** The digits of a body's length stand here in a request, always as many. */
const LENGTH_AT = "GET /".length;
const LENGTH_DIGITS = 11;

const REQUEST_TAIL = " HTTP/1.1\r\nHost: bench.test\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n";

/** Length of each request, in bytes. */
export const REQUEST_BYTES = LENGTH_AT + LENGTH_DIGITS + REQUEST_TAIL.length;

/** Bodies repeat a pattern whose period shares no factor with the sizes in which bytes travel. */
const PERIOD = 65_521;

/** Longest piece that `expect` and the backend handle at once. */
export const PIECE_BYTES = 1 << 20;

const PATTERN = pattern(PERIOD + PIECE_BYTES);

/** The request for a body of so many bytes. */
export function requestFor(bodyBytes: number): Buffer {
  return Buffer.from(`GET /${digits(bodyBytes)}${REQUEST_TAIL}`, "latin1");
}

/** The length of the body that the request at `start` asks for; NaN when it is none of ours. */
export function bodyBytesOf(requests: Buffer, start: number): number {
  let bytes = 0;
  for (let at = start + LENGTH_AT; at < start + LENGTH_AT + LENGTH_DIGITS; at++) {
    const digit = (requests[at] ?? 0) - 48;
    if (digit < 0 || digit > 9) return Number.NaN;
    bytes = bytes * 10 + digit;
  }
  return bytes;
}

/** One response as it must arrive: head, then the pattern. */
export class Response {
  /** Head and body together. */
  readonly totalBytes: number;
  readonly #head: Buffer;

  constructor(bodyBytes: number) {
    const lines = ["HTTP/1.1 200 OK", "Server: bench", `Content-Length: ${digits(bodyBytes)}`];
    this.#head = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
    this.totalBytes = this.#head.length + bodyBytes;
  }

  /** The bytes from `offset` on: as many as are at hand, at most PIECE_BYTES; none at the end. */
  piece(offset: number): Buffer {
    if (offset < this.#head.length) return this.#head.subarray(offset);
    const at = (offset - this.#head.length) % PERIOD;
    return PATTERN.subarray(at, at + Math.min(this.totalBytes - offset, PIECE_BYTES));
  }

  /** The whole of a short response. */
  whole(): Buffer {
    const body = this.piece(this.#head.length);
    if (this.#head.length + body.length < this.totalBytes) throw new Error("response too long");
    return Buffer.concat([this.#head, body]);
  }

  /** Whether `chunk` is what must stand at `offset`. */
  matches(chunk: Buffer, offset: number): boolean {
    let at = 0;
    while (at < chunk.length) {
      const expected = this.piece(offset + at);
      const length = Math.min(expected.length, chunk.length - at);
      if (length === 0) return false;
      if (chunk.compare(expected, 0, length, at, at + length) !== 0) return false;
      at += length;
    }
    return true;
  }
}

function digits(bytes: number): string {
  return String(bytes).padStart(LENGTH_DIGITS, "0");
}

/** Bytes that look random and are always the same; from PERIOD on they repeat. */
function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = 1;
  for (let at = 0; at < length; at++) {
    if (at >= PERIOD) {
      bytes[at] = bytes[at - PERIOD] ?? 0;
      continue;
    }
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

/** Length of the key share of X25519 with ML-KEM, which makes hellos of today's browsers longer than a segment. */
const HYBRID_BYTES = 1216;

/** A hello of TLS as clients send it today, in length and in extensions. Its name is `bench.test`. */
export const HELLO = helloRecords({
  serverName: "bench.test",
  alpn: ["h2", "http/1.1"],
  extensions: [
    [EXTENSION.grease, new Uint8Array(1)],
    [EXTENSION.keyShare, new Uint8Array(HYBRID_BYTES + 36)],
    [EXTENSION.padding, new Uint8Array(120)],
  ],
});

/** How long the hello at the beginning of `bytes` is; 0 where there is none, undefined where its head is not whole. */
export function helloBytesOf(bytes: Buffer): number | undefined {
  if (bytes[0] !== 22) return 0;
  return bytes.length < 5 ? undefined : 5 + bytes.readUInt16BE(3);
}
