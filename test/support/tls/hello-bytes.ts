// ClientHellos written by hand (RFC 8446 §4.1.2): with names, protocols and extensions as a test wants them, cut as it wants.

export const u8 = (...bytes: number[]): Buffer => Buffer.from(bytes);
export const u16 = (value: number): Buffer => u8(value >> 8, value & 255);
export const u24 = (value: number): Buffer => u8(value >> 16, (value >> 8) & 255, value & 255);
export const vector8 = (bytes: Buffer): Buffer => Buffer.concat([u8(bytes.length), bytes]);
export const vector16 = (bytes: Buffer): Buffer => Buffer.concat([u16(bytes.length), bytes]);

/** Types of extensions. */
export const EXTENSION = { keyShare: 51, padding: 21, ech: 0xfe0d, grease: 0x0a0a } as const;

export interface HelloParts {
  readonly serverName?: string;
  readonly alpn?: readonly string[];
  /** Further extensions, before those two. */
  readonly extensions?: readonly (readonly [type: number, content: Uint8Array])[];
}

export function extension(type: number, content: Buffer): Buffer {
  return Buffer.concat([u16(type), vector16(content)]);
}

/** A host name in a list of names (RFC 6066 §3). */
export function host(name: string): Buffer {
  return Buffer.concat([u8(0), vector16(Buffer.from(name, "latin1"))]);
}

/** The extension that asks for a name. */
export function named(name: string): Buffer {
  return extension(0, vector16(host(name)));
}

/** The extension that offers protocols (RFC 7301 §3.1). */
export function offering(protocols: readonly string[]): Buffer {
  const names = protocols.map((name) => vector8(Buffer.from(name, "latin1")));
  return extension(16, vector16(Buffer.concat(names)));
}

/** A hello as a handshake message, without any record. Without extensions it has no list of them either. */
export function helloMessage(...extensions: readonly Buffer[]): Buffer {
  const body = Buffer.concat([
    u16(0x0303),
    Buffer.alloc(32, 7),
    vector8(Buffer.alloc(32, 1)),
    vector16(Buffer.from([0x0a, 0x0a, 0x13, 0x01])),
    vector8(u8(0)),
    ...(extensions.length === 0 ? [] : [vector16(Buffer.concat(extensions))]),
  ]);
  return Buffer.concat([u8(1), u24(body.length), body]);
}

/** A message in records: of these sizes, and the rest in as few as can be. */
export function recordsOf(message: Buffer, sizes: readonly number[] = []): Buffer {
  const records: Buffer[] = [];
  for (let at = 0, turn = 0; at < message.length; turn += 1) {
    const part = message.subarray(at, at + (sizes[turn] ?? 16_384));
    records.push(Buffer.concat([u8(22, 3, 1), vector16(part)]));
    at += part.length;
  }
  return Buffer.concat(records);
}

/** A hello in records. */
export function helloRecords(
  { serverName, alpn, extensions = [] }: HelloParts,
  sizes: readonly number[] = [],
): Buffer {
  const message = helloMessage(
    ...extensions.map(([type, content]) => extension(type, Buffer.from(content))),
    ...(serverName === undefined ? [] : [named(serverName)]),
    ...(alpn === undefined ? [] : [offering(alpn)]),
  );
  return recordsOf(message, sizes);
}
