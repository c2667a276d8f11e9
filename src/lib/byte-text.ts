// Bytes as people write and read them: text with escapes.

/** Bytes, or what is wrong with their text. */
export type ByteText =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly problem: string };

const SHORT_ESCAPES: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, "\\": 92 };

/** Reads text in which `\r`, `\n`, `\t`, `\\` and `\xNN` stand for bytes; everything else is UTF-8. */
export function parseByteText(text: string): ByteText {
  const parts: Uint8Array[] = [];
  const encoder = new TextEncoder();
  for (const [part] of text.matchAll(/\\x[0-9a-fA-F]{2}|\\.?|[^\\]+/gsu)) {
    if (!part.startsWith("\\")) {
      parts.push(encoder.encode(part));
      continue;
    }
    const isHex = part.length === 4;
    const byte = isHex ? Number.parseInt(part.slice(2), 16) : SHORT_ESCAPES[part.slice(1)];
    if (byte === undefined) {
      const problem = `${part} stands for nothing; there are \\r, \\n, \\t, \\\\ and \\xNN`;
      return { ok: false, problem };
    }
    parts.push(Uint8Array.of(byte));
  }
  return { ok: true, bytes: new Uint8Array(Buffer.concat(parts)) };
}

/** The first `most` bytes on one line, what cannot be printed as escapes, with `...` where more follow. */
export function showBytes(bytes: Uint8Array, most = 40): string {
  const shown = Array.from(bytes.subarray(0, most), showByte).join("");
  return bytes.length > most ? `${shown}...` : shown;
}

function showByte(byte: number): string {
  if (byte === 10) return "\\n";
  if (byte === 13) return "\\r";
  if (byte === 92) return "\\\\";
  if (byte >= 32 && byte < 127) return String.fromCharCode(byte);
  return `\\x${byte.toString(16).padStart(2, "0")}`;
}
