// Versions that are counters: 8 bytes, big-endian, as namerd's store in memory has them.

/** `count` as bytes; 0 to 2^53. */
export function versionOf(count: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(count));
  return bytes;
}

/** The counter of a version that `versionOf` made. */
export function countOf(version: Uint8Array): number {
  return Number(new DataView(version.buffer, version.byteOffset).getBigUint64(0));
}
