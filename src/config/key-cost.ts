// How long an encrypted key would take to open, told from its head: a file may ask for hours of work.

const SEQUENCE = 0x30;
const INTEGER = 0x02;
/** Parameters of keys are nested four deep (RFC 8018 appendix A). */
const DEEPEST = 8;

interface Element {
  readonly tag: number;
  readonly begin: number;
  readonly end: number;
}

/**
 * The largest number among the parameters of an encrypted PKCS#8 key (RFC 5958), which are its rounds; Infinity for one
 * that does not fit a double. 0 for other keys and for what is none: opening those takes no time.
 */
export function keyCost(pem: string): number {
  const base64 = pem.replace(/-----[^-]*-----/g, "").replace(/\s/g, "");
  const bytes = Buffer.from(base64, "base64");
  const whole = elementAt(bytes, 0, bytes.length);
  const head = whole?.tag === SEQUENCE ? elementAt(bytes, whole.begin, whole.end) : undefined;
  return head?.tag === SEQUENCE ? largest(bytes, head, DEEPEST) : 0;
}

function largest(bytes: Uint8Array, { tag, begin, end }: Element, depth: number): number {
  if (tag === INTEGER) {
    let value = 0;
    for (let at = begin; at < end; at += 1) value = value * 256 + (bytes[at] ?? 0);
    return value;
  }
  if (tag !== SEQUENCE || depth === 0) return 0;
  let most = 0;
  for (let at = begin; at < end;) {
    const element = elementAt(bytes, at, end);
    if (element === undefined) break;
    most = Math.max(most, largest(bytes, element, depth - 1));
    at = element.end;
  }
  return most;
}

/** The element of DER that begins at `at`; undefined where it goes beyond `limit`. */
function elementAt(bytes: Uint8Array, at: number, limit: number): Element | undefined {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined || at + 2 > limit) return undefined;
  const extra = first < 0x80 ? 0 : first & 0x7f;
  if (extra > 4) return undefined;
  let length = extra === 0 ? first : 0;
  for (let index = 0; index < extra; index += 1) {
    length = length * 256 + (bytes[at + 2 + index] ?? 0);
  }
  const begin = at + 2 + extra;
  const end = begin + length;
  return end > limit ? undefined : { tag, begin, end };
}
