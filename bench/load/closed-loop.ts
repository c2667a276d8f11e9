// Kept connections in a closed loop: each asks again as soon as it has the whole response.
import type { Socket } from "bun";
import type { CpuClock } from "../measure.ts";
import { type Address, Dialer } from "./dial.ts";
import { requestFor, Response } from "./protocol.ts";
import { type Load, loadWithin, type Span, Window } from "./window.ts";

interface Progress {
  received: number;
}

/** What a closed loop does. */
export interface ClosedLoop extends Span {
  readonly connections: number;
  /** Length of each response's body. */
  readonly bodyBytes: number;
}

/** Runs `loop` against `address`; rejects at the first wrong byte, refusal or lost connection. */
export async function closedLoop(address: Address, cpu: CpuClock, loop: ClosedLoop): Promise<Load> {
  const request = requestFor(loop.bodyBytes);
  const response = new Response(loop.bodyBytes);
  const outcome = loadWithin(loop.warmMs + loop.measureMs + 20_000);
  const open = new Set<Socket<Progress>>();
  let window: Window | undefined;
  let over = false;
  const dialer = new Dialer<Progress>(address, {
    ready(socket) {
      open.add(socket);
      // All begin together, so that the warm-up has the load of the window.
      if (open.size < loop.connections) return;
      window = new Window(cpu, loop);
      for (const each of open) each.write(request);
    },
    data(socket, chunk) {
      if (over) return;
      const progress = socket.data;
      if (!response.matches(chunk, progress.received)) outcome.fail("wrong bytes in a response");
      progress.received += chunk.length;
      if (progress.received < response.totalBytes) return;
      progress.received = 0;
      const load = window?.count();
      if (load === undefined) socket.write(request);
      else outcome.resolve(load);
    },
    closed: () => outcome.fail("a connection was lost"),
    failed: outcome.fail,
  });
  for (let count = 0; count < loop.connections; count++) dialer.dial({ received: 0 });
  try {
    return await outcome.promise;
  } finally {
    over = true;
    for (const socket of open) socket.terminate();
  }
}
