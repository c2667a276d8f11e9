// Connections that are established, have made one small exchange, and then stay as they are.
import type { Socket } from "bun";
import { type Address, Dialer } from "./dial.ts";
import { requestFor, Response, SMALL_BYTES } from "./protocol.ts";
import { loadWithin } from "./window.ts";

interface Progress {
  received: number;
}

/** Connects started and not yet answered at a time: fewer than any listen backlog. */
const AT_A_TIME = 64;

/** Connections being held. */
export class Held {
  readonly #open: Set<Socket<Progress>>;
  readonly #wanted: number;

  private constructor(open: Set<Socket<Progress>>, wanted: number) {
    this.#open = open;
    this.#wanted = wanted;
  }

  /** Opens `count` connections and gets a small response on each. */
  static async open(address: Address, count: number): Promise<Held> {
    const request = requestFor(SMALL_BYTES);
    const response = new Response(SMALL_BYTES);
    const outcome = loadWithin<Held>(60_000);
    const open = new Set<Socket<Progress>>();
    let started = 0;
    let answered = 0;
    const start = (): void => {
      if (started === count) return;
      started++;
      dialer.dial({ received: 0 });
    };
    const dialer = new Dialer<Progress>(address, {
      ready(socket) {
        open.add(socket);
        socket.write(request);
      },
      data(socket, chunk) {
        const progress = socket.data;
        if (!response.matches(chunk, progress.received)) outcome.fail("wrong bytes in a response");
        progress.received += chunk.length;
        if (progress.received !== response.totalBytes) return;
        answered++;
        if (answered === count) outcome.resolve(new Held(open, count));
        start();
      },
      closed(socket) {
        open.delete(socket);
        outcome.fail("a connection was lost");
      },
      failed: outcome.fail,
    });
    for (let first = 0; first < AT_A_TIME; first++) start();
    return await outcome.promise;
  }

  /** Throws unless every connection is still there. */
  check(): void {
    const lost = this.#wanted - this.#open.size;
    if (lost > 0) throw new Error(`${lost} of ${this.#wanted} held connections were lost`);
  }

  /** Closes them all. */
  close(): void {
    for (const socket of [...this.#open]) socket.terminate();
  }
}
