// CRC32c, the checksum of SCTP, iSCSI and the PROXY protocol (RFC 4960 appendix B, RFC 3720 §12.1).

/** The Castagnoli polynomial, its bits in reverse. */
const POLYNOMIAL = 0x82f63b78;

let table: Uint32Array | undefined;

/** The CRC32c of all bytes, from 0 to 2^32 - 1. */
export function crc32c(bytes: Uint8Array): number {
  // 1 KiB that only those hold who ask for a checksum.
  table ??= makeTable();
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (table[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  return ~crc >>> 0;
}

function makeTable(): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, index) => {
    let crc = index;
    for (let bit = 0; bit < 8; bit += 1)
      crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ POLYNOMIAL;
    return crc;
  });
}
