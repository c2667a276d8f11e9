// One side of a session: a socket, and the bytes that wait to be written to it. Bytes that come from a side go to its
// peer; a side whose socket does not keep up stops its peer from reading.
import { Counter } from "../telemetry/metrics.ts";
import { NOBODY, writeMetReset } from "../transport/bun.ts";
import { kept, readPortion } from "../transport/portions.ts";
import type { HandshakeOwner, Socket } from "../transport/socket.ts";
import { concat } from "./proxy-protocol/encode.ts";

const UNSENT = new Error("closed with bytes unsent");

const RESET = new Error("reset");
/** 528 KiB, after each of the large reads that Bun does before it turns to other sockets: as much again. */
const MOST_PORTIONS = 11;
/** Streams come so, and few answers: to look for more behind one of 64 KiB, with its head, cost it a tenth. */
const LARGE_READ_BYTES = 73_728;
/** A side is being read by portions: it happens within one call, so one flag does for all. */
let readingPortions = false;

/** What a side tells its session. */
export interface SideOwner {
  /** Bytes kept for a side that has no socket yet before its peer stops reading. */
  readonly earlyLimitBytes: number;
  onHandshake(failure: Error | undefined): void;
  /** The side's peer has ended its direction. Only told while the other side has no socket. */
  onEarlyEnd(): void;
  /** The side's socket is gone; `error` when it was reset. */
  onSideClosed(side: Side, error: Error | undefined): void;
}

/** Times an endpoint's first answer. */
export interface AnswerTimer {
  /** Told first when the connection is handed over, and again when the first byte has been sent. */
  onAsked(): void;
  onAnswer(): void;
}

/** More than this is not copied to be written with the bytes that go before it. */
const JOINED_LIMIT_BYTES = 65_536;

/** A peer may send this much after it was sent an end, as it may not have noticed. */
const DROP_LIMIT_BYTES = 262_144;

// Counting what nobody asks for costs less than asking whether somebody does.
const UNCOUNTED = new Counter(new Float64Array(1), 0);

/** The socket speaks TLS. */
const TLS = 1;
/** The socket was there and is gone: what comes for it is dropped. */
const GONE = 2;
/** See `ended`. */
const ENDED = 32;
/** The socket is not read from. */
const PAUSED = 4;
/** Once everything is written, the writing direction ends. */
const SHUTDOWN_WHEN_FLUSHED = 8;
/** Once everything is written, the socket is reset; goes before SHUTDOWN_WHEN_FLUSHED. */
const RESET_WHEN_FLUSHED = 16;

/** Downstream or upstream. The downstream side makes its peer. */
export class Side implements HandshakeOwner {
  readonly peer: Side;
  readonly #owner: SideOwner;
  readonly #received: Counter;
  readonly #sent: Counter;
  #socket: Socket | undefined;
  #held: Uint8Array[] | undefined;
  #heldBytes = 0;
  /** Bytes read from this side's socket. */
  receivedBytes = 0;
  /** Bytes written to this side's socket. */
  sentBytes = 0;
  /** TLS, GONE, … in one number: there are two sides for each of many connections. */
  #flags = 0;
  /** What has come since nobody takes it any more; -1 while somebody does. */
  #droppedBytes = -1;
  #timer: AnswerTimer | undefined;

  /** `received` and `sent` count for this side; `peer` is only given by the side that makes its peer. */
  constructor(owner: SideOwner, received: Counter, sent: Counter, peer?: Side) {
    this.#owner = owner;
    this.#received = received;
    this.#sent = sent;
    this.peer = peer ?? new Side(owner, UNCOUNTED, UNCOUNTED, this);
  }

  get socket(): Socket | undefined {
    return this.#socket;
  }

  /** Whether its socket was there and has closed. */
  get gone(): boolean {
    return (this.#flags & GONE) !== 0;
  }

  /** Whether the peer of its socket has ended its direction, or is taken to have. */
  get ended(): boolean {
    return (this.#flags & ENDED) !== 0;
  }

  /** Whether bytes wait to be written. */
  get holding(): boolean {
    return this.#held !== undefined;
  }

  /** Grows with everything that happens in either direction, ends too. For the side that counts both. */
  get movement(): number {
    return this.receivedBytes + this.sentBytes + (this.ended ? 1 : 0) + (this.peer.ended ? 1 : 0);
  }

  /** Takes over a socket and writes what was kept for it, after `first`: bytes of our own, which are not counted. */
  attach(socket: Socket, tls: boolean, first?: Uint8Array): void {
    this.#socket = socket;
    if (tls) this.#flags |= TLS;
    else this.#flags &= ~TLS;
    socket.data = this;
    if (first !== undefined) this.#writeFirst(socket, first);
    this.#flush();
  }

  /** From now to the first byte that comes, or, when something is sent before that, from the first byte sent. */
  timeAnswer(timer: AnswerTimer): void {
    timer.onAsked();
    this.#timer = timer;
  }

  onHandshake(failure: Error | undefined): void {
    this.#owner.onHandshake(failure);
  }

  onData(bytes: Uint8Array): void {
    if (this.#droppedBytes >= 0) return this.#drop(bytes.length);
    if (this.#timer !== undefined) this.#stopTimer(this.#timer);
    this.receivedBytes += bytes.length;
    this.#received.add(bytes.length);
    this.peer.#send(bytes);
  }

  /** Bytes that came before there was a session, on a socket that is paused since. */
  takeEarly(early: readonly Uint8Array[]): void {
    if (early.length === 0) return;
    for (const bytes of early) this.onData(bytes);
    if (!this.peer.holding) this.#socket?.resume();
  }

  onDrain(): void {
    if (this.#held !== undefined) this.#flush();
  }

  onEnd(): void {
    if (this.ended) return;
    this.#flags |= ENDED;
    if (this.peer.#socket === undefined) this.#owner.onEarlyEnd();
    else this.peer.finish();
  }

  onClose(error: Error | undefined): void {
    // A write that met the peer's reset takes the error away from the close that follows: bytes that could not be
    // written tell as much.
    const failure = error ?? (this.#held === undefined ? undefined : UNSENT);
    this.#socket = undefined;
    this.#held = undefined;
    this.#flags |= GONE;
    // After our own FIN, the peer's is told as a close only.
    if (failure === undefined && !this.ended) this.onEnd();
    this.#owner.onSideClosed(this, failure);
  }

  /** Resets the socket now, whatever is held. Its end is no end of the stream: the peer is sent none. */
  abandon(): void {
    this.#flags |= ENDED;
    this.#socket?.terminate();
  }

  /**
   * Ends the writing direction once everything is written, and drops what comes from now on: it is read so that the
   * kernel does not answer it with a reset, which could overtake what was written.
   */
  leave(): void {
    this.#droppedBytes = 0;
    this.#resume();
    this.finish();
  }

  /** Ends both directions now; what the kernel holds is still sent. TLS gets its close_notify. */
  close(): void {
    this.#flags |= ENDED;
    this.#socket?.shutdown();
    this.#socket?.close();
  }

  /** Ends the writing direction once everything is written. */
  finish(): void {
    if (this.#held === undefined) this.#endWriting();
    else this.#flags |= SHUTDOWN_WHEN_FLUSHED;
  }

  /** Resets the socket once everything is written. */
  reset(): void {
    if (this.#held === undefined) this.#socket?.terminate();
    else this.#flags |= RESET_WHEN_FLUSHED;
  }

  #drop(bytes: number): void {
    this.#droppedBytes += bytes;
    const { peer } = this;
    // The peer's end must not look like that of a whole stream, if it is not sent yet.
    if ((peer.#flags & SHUTDOWN_WHEN_FLUSHED) !== 0) peer.#flags |= RESET_WHEN_FLUSHED;
    // Who goes on sending learns that nobody takes it, once it has had time to take what was sent to it.
    if (this.#droppedBytes > DROP_LIMIT_BYTES && this.#held === undefined) this.abandon();
  }

  #send(bytes: Uint8Array): void {
    if (this.#held !== undefined || this.#socket === undefined) return this.#hold(bytes);
    const written = this.#socket.write(bytes);
    if (written > 0) this.#countSent(written);
    else if (written < 0) this.#onRefused();
    // Less than nothing means that the socket is about to close: what is kept goes with it.
    if (written < bytes.length) this.#hold(written > 0 ? bytes.subarray(written) : bytes);
    else if (written >= LARGE_READ_BYTES && !readingPortions) this.peer.#readPortions();
  }

  /**
   * Reads what is there by portions, as long as the peer takes them: what a reader leaves over that does not keep up is
   * then no more than one. Then the engine goes on to read, unless something was left over. TLS only the engine can read.
   */
  #readPortions(): void {
    const socket = this.#socket;
    readingPortions = true;
    for (
      let left = (this.#flags & TLS) === 0 ? MOST_PORTIONS : 0;
      left > 0 && socket !== undefined;
      left--
    ) {
      const bytes = readPortion(socket);
      if (bytes === "lost") this.#onLost(socket);
      if (typeof bytes === "string") break;
      this.onData(bytes);
      if (this.peer.#held !== undefined) break;
    }
    readingPortions = false;
    if (this.peer.#held === undefined) this.#resume();
  }

  /** The socket was reset, and the engine does not know. */
  #onLost(socket: Socket): void {
    socket.data = NOBODY;
    socket.terminate();
    this.onClose(RESET);
  }

  #hold(bytes: Uint8Array): void {
    if (this.gone) return;
    this.#heldBytes += bytes.length;
    if (this.#held === undefined) this.#held = [kept(bytes)];
    else this.#held.push(kept(bytes));
    const enough = this.#socket !== undefined || this.#heldBytes >= this.#owner.earlyLimitBytes;
    if (enough) this.peer.#pause();
  }

  #flush(): void {
    const held = this.#held;
    const socket = this.#socket;
    if (socket === undefined) return;
    for (let bytes = held?.[0]; held !== undefined && bytes !== undefined; bytes = held[0]) {
      const written = socket.write(bytes);
      if (written > 0) {
        this.#countSent(written);
        this.#heldBytes -= written;
      } else if (written < 0) this.#onRefused();
      if (written < bytes.length) {
        if (written > 0) held[0] = bytes.subarray(written);
        return;
      }
      held.shift();
    }
    this.#held = undefined;
    if ((this.peer.#flags & PAUSED) !== 0) this.peer.#readPortions();
    if (this.#held !== undefined) return;
    if ((this.#flags & RESET_WHEN_FLUSHED) !== 0) socket.terminate();
    else if ((this.#flags & SHUTDOWN_WHEN_FLUSHED) !== 0) this.#endWriting();
  }

  /** Writes `first`, together with the first of what is held where that is small: one system call for both. */
  #writeFirst(socket: Socket, first: Uint8Array): void {
    const next = this.#held?.[0];
    const joins = next !== undefined && next.length <= JOINED_LIMIT_BYTES;
    const bytes = joins ? concat([first, next]) : first;
    const taken = socket.write(bytes);
    if (taken < 0) this.#onRefused();
    const written = Math.max(0, taken);
    if (written > first.length) this.#countSent(written - first.length);
    this.#heldBytes += first.length - written;
    const others = this.#held?.slice(joins ? 1 : 0) ?? [];
    const rest = written < bytes.length ? [bytes.subarray(written)] : [];
    this.#held = [...rest, ...others];
  }

  /** Nothing can be written any more. After a reset, the end that is told next is none: the close behind it counts. */
  #onRefused(): void {
    if (writeMetReset()) this.#flags |= ENDED;
  }

  #endWriting(): void {
    const socket = this.#socket;
    // When the other direction has ended too, closing says the same with one system call less. TLS has its
    // close_notify to send first.
    if (this.ended && (this.#flags & TLS) === 0) socket?.close();
    else socket?.shutdown();
  }

  #stopTimer(timer: AnswerTimer): void {
    this.#timer = undefined;
    timer.onAnswer();
  }

  #countSent(bytes: number): void {
    if (this.#timer !== undefined && this.sentBytes === 0) this.#timer.onAsked();
    this.sentBytes += bytes;
    this.#sent.add(bytes);
  }

  #pause(): void {
    this.#flags |= PAUSED;
    this.#socket?.pause();
  }

  #resume(): void {
    if ((this.#flags & PAUSED) === 0) return;
    this.#flags &= ~PAUSED;
    this.#socket?.resume();
  }
}
