// The first bytes of a TLS handshake, written by hand (RFC 8446 §4.1.2, RFC 5246 §7.4): offers what no library here
// would offer, and reads what a server chose without knowing how to go on.
import { randomBytes } from "node:crypto";
import { connect } from "node:net";

export const TLS_1_1 = 0x0302;
export const TLS_1_2 = 0x0303;
export const TLS_1_3 = 0x0304;

/** Named groups (IANA "TLS Supported Groups"). */
export const GROUPS = {
  "P-256": 0x0017,
  "P-384": 0x0018,
  "P-521": 0x0019,
  X25519: 0x001d,
  X448: 0x001e,
  ffdhe2048: 0x0100,
  X25519MLKEM768: 0x11ec,
} as const;

export interface Hello {
  /** In the extension supported_versions; without it a hello of TLS 1.2 or older. */
  readonly versions?: readonly number[];
  /** Default: 1.2, as 1.3 asks. */
  readonly legacyVersion?: number;
  readonly ciphers: readonly number[];
  readonly groups: readonly number[];
  readonly serverName?: string;
}

/** What came of a hello. */
export type Answer =
  | { readonly kind: "alert"; readonly description: number }
  | {
      readonly kind: "hello";
      readonly version: number;
      readonly cipher: number;
      /** The group of a HelloRetryRequest or ServerKeyExchange. */
      readonly group: number | undefined;
    }
  | { readonly kind: "other"; readonly text: string };

/** How a connection ended, and what came before. */
export interface Ended {
  readonly bytes: Buffer;
  readonly end: "fin" | "reset";
  readonly afterMs: number;
}

/** A record with a ClientHello. Its key_share is empty, so that TLS 1.3 answers with a HelloRetryRequest. */
export function clientHello(hello: Hello): Buffer {
  const { versions, groups, serverName, legacyVersion = TLS_1_2 } = hello;
  const extensions = [
    ...(serverName === undefined ? [] : [extension(0, sized(2, sniEntry(serverName)))]),
    extension(10, sized(2, words(groups))),
    extension(11, sized(1, Buffer.from([0]))),
    extension(13, sized(2, words([0x0403, 0x0503, 0x0804, 0x0805, 0x0401, 0x0501]))),
    ...(versions === undefined
      ? []
      : [extension(43, sized(1, words(versions))), extension(51, sized(2, Buffer.alloc(0)))]),
  ];
  const body = Buffer.concat([
    words([legacyVersion]),
    randomBytes(32),
    sized(1, randomBytes(32)),
    sized(2, words(hello.ciphers)),
    sized(1, Buffer.from([0])),
    sized(2, Buffer.concat(extensions)),
  ]);
  const message = Buffer.concat([Buffer.from([1]), sized(3, body)]);
  return Buffer.concat([Buffer.from([22, 3, 1]), sized(2, message)]);
}

/** Sends a hello and reads what the server chose. */
export async function offer(port: number, hello: Hello): Promise<Answer> {
  const { promise, resolve } = Promise.withResolvers<Answer>();
  let bytes = Buffer.alloc(0);
  const socket = connect(port, "127.0.0.1", () => socket.write(clientHello(hello)));
  socket.on("data", (more: Buffer) => {
    bytes = Buffer.concat([bytes, more]);
    const answer = readAnswer(bytes);
    if (answer !== undefined) resolve(answer);
  });
  socket.on("error", (error) => resolve({ kind: "other", text: error.message }));
  socket.on("close", () => resolve({ kind: "other", text: "closed" }));
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}

/** Sends bytes, which may be none, and waits until the server ends the connection. Never ends it itself. */
export async function sendAndWait(port: number, bytes: Uint8Array | string): Promise<Ended> {
  const { promise, resolve } = Promise.withResolvers<"fin" | "reset">();
  const started = performance.now();
  const got: Buffer[] = [];
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.on("connect", () => bytes.length > 0 && socket.write(bytes));
  socket.on("data", (more: Buffer) => got.push(more));
  socket.on("end", () => resolve("fin"));
  socket.on("error", () => resolve("reset"));
  const end = await promise;
  socket.destroy();
  return { bytes: Buffer.concat(got), end, afterMs: performance.now() - started };
}

function readAnswer(bytes: Buffer): Answer | undefined {
  let handshake = Buffer.alloc(0);
  for (let at = 0; at + 5 <= bytes.length;) {
    const end = at + 5 + bytes.readUInt16BE(at + 3);
    if (end > bytes.length) break;
    if (bytes[at] === 21) return { kind: "alert", description: bytes[at + 6] ?? -1 };
    // A change of the cipher may follow, and says nothing.
    if (bytes[at] === 22) handshake = Buffer.concat([handshake, bytes.subarray(at + 5, end)]);
    else if (bytes[at] !== 20) return { kind: "other", text: `record of type ${bytes[at]}` };
    at = end;
  }
  return readHandshake(handshake);
}

function readHandshake(bytes: Buffer): Answer | undefined {
  let found: Extract<Answer, { kind: "hello" }> | undefined;
  for (let at = 0; at + 4 <= bytes.length;) {
    const end = at + 4 + bytes.readUIntBE(at + 1, 3);
    if (end > bytes.length) return undefined;
    const type = bytes[at];
    if (type === 2) found = serverHello(bytes.subarray(at + 4, end));
    if (found?.version === TLS_1_3) return found;
    // ServerKeyExchange with a named curve, then ServerHelloDone for a server that sends none.
    if (type === 12 && found !== undefined) return { ...found, group: bytes.readUInt16BE(at + 5) };
    if (type === 14) return found;
    at = end;
  }
  return undefined;
}

function serverHello(body: Buffer): Extract<Answer, { kind: "hello" }> {
  let at = 34;
  at += 1 + (body[at] ?? 0);
  const cipher = body.readUInt16BE(at);
  let version = body.readUInt16BE(0);
  let group: number | undefined;
  for (at += 5; at + 4 <= body.length;) {
    const type = body.readUInt16BE(at);
    if (type === 43) version = body.readUInt16BE(at + 4);
    if (type === 51) group = body.readUInt16BE(at + 4);
    at += 4 + body.readUInt16BE(at + 2);
  }
  return { kind: "hello", version, cipher, group };
}

function sniEntry(name: string): Buffer {
  return Buffer.concat([Buffer.from([0]), sized(2, Buffer.from(name))]);
}

function extension(type: number, body: Buffer): Buffer {
  return Buffer.concat([words([type]), sized(2, body)]);
}

function words(values: readonly number[]): Buffer {
  return Buffer.from(values.flatMap((value) => [value >> 8, value & 0xff]));
}

/** `body` after its length in `bytes` bytes. */
function sized(bytes: number, body: Buffer): Buffer {
  const length = Buffer.alloc(bytes);
  length.writeUIntBE(body.length, 0, bytes);
  return Buffer.concat([length, body]);
}
