// DNS messages in a stream (RFC 1035 §4.2.2): each is preceded by its length in two bytes.

/** A message with its length before it; at most 65,535 bytes. */
export function framed(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(2 + message.length);
  new DataView(bytes.buffer).setUint16(0, message.length);
  bytes.set(message, 2);
  return bytes;
}

/** Cuts a stream into messages; holds at most one that is not whole yet. */
export class FrameReader {
  #rest: Uint8Array = new Uint8Array();

  /** Takes the next bytes of the stream and gives the messages that are whole now. */
  push(bytes: Uint8Array): readonly Uint8Array[] {
    let rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const messages: Uint8Array[] = [];
    for (;;) {
      const end = 2 + (((rest[0] ?? 0) << 8) | (rest[1] ?? 0));
      if (rest.length < 2 || rest.length < end) break;
      messages.push(rest.subarray(2, end));
      rest = rest.subarray(end);
    }
    this.#rest = rest;
    return messages;
  }
}
