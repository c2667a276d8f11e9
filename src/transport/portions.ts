// Reads a socket by portions of 48 KiB, beside the engine, which reads up to 512 KiB at once. Who reads only as long as
// its bytes are taken has then no more than a portion left over: docs/internals/backpressure.md.
import { descriptorOf } from "./bun.ts";
import { libc } from "./libc.ts";
import type { Socket } from "./socket.ts";

/** The most that a portion has. An engine that read as much at once may have left more. */
export { PORTION_BYTES } from "./libc.ts";

/**
 * The next bytes of a plain socket: only to be used until the next call, on this thread, for whichever socket. `none`:
 * there are none now, or the stream has ended, which the engine will tell, or portions cannot be read here. `lost`: the
 * connection was reset, and the engine will not tell: to it, the stream now seems to have ended in good order.
 */
export function readPortion(socket: Socket): Uint8Array | "none" | "lost" {
  const fd = descriptorOf(socket);
  if (libc === undefined || fd < 0) return "none";
  const got = libc.receivePortion(fd);
  if (got > 0) return libc.portion.subarray(0, got);
  return got === -2 ? "lost" : "none";
}

/** What to keep of `bytes`: a copy where they are a portion, or where they would keep alive much more than they are. */
export function kept(bytes: Uint8Array): Uint8Array {
  const isPortion = bytes.buffer === libc?.portion.buffer;
  return isPortion || bytes.length < bytes.buffer.byteLength / 2 ? bytes.slice() : bytes;
}
