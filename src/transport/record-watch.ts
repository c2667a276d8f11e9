// Whether a TLS peer has said that it ends (close_notify), or only its TCP connection ended: a bare FIN, which an attacker, or
// a program that died, can bring about as well. Bun tells of both by the same `end`. What tells them apart is the records as
// they stood on the wire, which the plain socket is told of on which TLS was begun by `upgrade`.
import { NOBODY, tlsFacts } from "./bun.ts";
import type { HandshakeOwner, Socket } from "./socket.ts";

const HEADER_BYTES = 5;
const ALERT = 21;
const APPLICATION_DATA = 23;
/** An encrypted record of TLS 1.3 has the type and the tag behind what it carries; its tag has 16 bytes in all suites. */
const TLS_1_3_EXTRA_BYTES = 17;
/** With TLS 1.3 an alert looks like two bytes of data (RFC 8446 §5.2, §6). */
const ALERT_BYTES = 2 + TLS_1_3_EXTRA_BYTES;

/** The peer's direction of one connection, record by record. Takes any bytes. */
export class RecordWatch {
  #type = 0;
  #length = 0;
  /** Bytes of the header of the record that is under way. */
  #headerBytes = 0;
  /** Bytes of the record that have not come yet. */
  #left = 0;
  /** What the records that ended in the last bytes can carry of data, by TLS 1.3, and what of it was data. */
  #carried = 0;
  #delivered = 0;

  /** The next bytes from the wire. Bun tells of these first, then of the data that was in them. */
  onRecords(bytes: Uint8Array): void {
    this.#carried = 0;
    this.#delivered = 0;
    for (let at = 0; at < bytes.length;) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, bytes.length - at);
        this.#left -= taken;
        at += taken;
        if (this.#left === 0) this.#onRecord();
        continue;
      }
      const byte = bytes[at] ?? 0;
      at += 1;
      // Type, two bytes of version, two of length.
      if (this.#headerBytes === 0) this.#type = byte;
      if (this.#headerBytes === 3) this.#length = byte * 256;
      if (this.#headerBytes === 4) this.#length += byte;
      this.#headerBytes += 1;
      if (this.#headerBytes < HEADER_BYTES) continue;
      this.#left = this.#length;
      if (this.#left === 0) this.#onRecord();
    }
  }

  /** So much of it was data. */
  onData(bytes: number): void {
    this.#delivered += bytes;
  }

  /**
   * Whether the last record was an alert. One that is no close_notify ends the socket by itself, as an error. `hidesTypes`:
   * alerts look like data, as in TLS 1.3.
   */
  endedInOrder(hidesTypes: boolean): boolean {
    if (this.#headerBytes > 0) return false;
    if (this.#type === ALERT) return true;
    if (!hidesTypes || this.#type !== APPLICATION_DATA || this.#length !== ALERT_BYTES)
      return false;
    return this.#delivered !== this.#carried;
  }

  #onRecord(): void {
    this.#headerBytes = 0;
    if (this.#type === APPLICATION_DATA)
      this.#carried += Math.max(0, this.#length - TLS_1_3_EXTRA_BYTES);
  }
}

/** The peer's TCP connection ended, and TLS did not. */
export class Truncated extends Error {
  override readonly name = "Truncated";
  readonly code = "TRUNCATED";

  constructor() {
    super("the peer ended without close_notify");
  }
}

/** What a socket is told where TLS was begun on a plain one. */
interface EndHandlers {
  data(socket: Socket, bytes: Uint8Array): void;
  end(socket: Socket): void;
}

/** Tells the owners of sockets of a bare FIN as of a reset, with `Truncated`. */
export class WatchedEnds {
  readonly #watches = new WeakMap<Socket, RecordWatch>();
  /** In place of those that pass on what is told. */
  readonly handlers: EndHandlers = {
    data: (socket, bytes) => {
      this.#watches.get(socket)?.onData(bytes.length);
      socket.data.onData(bytes);
    },
    end: (socket) => {
      const hidesTypes = tlsFacts(socket).version !== "TLSv1.2";
      if (this.#watches.get(socket)?.endedInOrder(hidesTypes) !== false) return socket.data.onEnd();
      const owner = socket.data;
      socket.data = NOBODY;
      socket.terminate();
      owner.onClose(new Truncated());
    },
  };

  /** Watches what begins with `begin`, which goes over to TLS and tells `onWire` of the records; `read` were read before. */
  watch(begin: (onWire: HandshakeOwner) => Socket, read?: Uint8Array): Socket {
    const watch = new RecordWatch();
    if (read !== undefined) watch.onRecords(read);
    const secure = begin({ ...NOBODY, onData: (bytes) => watch.onRecords(bytes) });
    this.#watches.set(secure, watch);
    return secure;
  }
}
