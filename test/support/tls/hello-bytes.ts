// ClientHellos written by hand (RFC 8446 §4.1.2): with names, protocols and extensions as a test wants them, cut as it wants.

const u8 = (...bytes: number[]): Buffer => Buffer.from(bytes);
const u16 = (value: number): Buffer => u8(value >> 8, value & 255);
const vector8 = (bytes: Buffer): Buffer => Buffer.concat([u8(bytes.length), bytes]);
const vector16 = (bytes: Buffer): Buffer => Buffer.concat([u16(bytes.length), bytes]);

/** Types of extensions. */
export const EXTENSION = { keyShare: 51, padding: 21, ech: 0xfe0d, grease: 0x0a0a } as const;

export interface HelloParts {
  readonly serverName?: string;
  readonly alpn?: readonly string[];
  /** Further extensions, before those two. */
  readonly extensions?: readonly (readonly [type: number, content: Uint8Array])[];
}

/** A hello as a handshake message, without any record. */
export function helloMessage({ serverName, alpn, extensions = [] }: HelloParts): Buffer {
  const all = extensions.map(([type, content]) => extension(type, Buffer.from(content)));
  if (serverName !== undefined) {
    const entry = Buffer.concat([u8(0), vector16(Buffer.from(serverName, "latin1"))]);
    all.push(extension(0, vector16(entry)));
  }
  if (alpn !== undefined) {
    const names = alpn.map((name) => vector8(Buffer.from(name, "latin1")));
    all.push(extension(16, vector16(Buffer.concat(names))));
  }
  const body = Buffer.concat([
    u16(0x0303),
    Buffer.alloc(32, 7),
    vector8(Buffer.alloc(32, 1)),
    vector16(Buffer.from([0x0a, 0x0a, 0x13, 0x01])),
    vector8(u8(0)),
    vector16(Buffer.concat(all)),
  ]);
  return Buffer.concat([u8(1), u8(0), u16(body.length), body]);
}

/** The hello in records: of these sizes, and the rest in a last one. */
export function helloRecords(parts: HelloParts, sizes: readonly number[] = []): Buffer {
  const message = helloMessage(parts);
  const records: Buffer[] = [];
  let at = 0;
  for (const size of [...sizes, 16_384]) {
    const part = message.subarray(at, at + size);
    if (part.length === 0) break;
    records.push(Buffer.concat([u8(22, 3, 1), vector16(part)]));
    at += part.length;
  }
  return Buffer.concat(records);
}

function extension(type: number, content: Buffer): Buffer {
  return Buffer.concat([u16(type), vector16(content)]);
}
