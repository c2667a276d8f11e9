// Requests at a fixed rate, whatever the answers do: a proxy that stalls delays all that are due meanwhile.
import type { Socket } from "bun";
import { type Address, Dialer } from "./dial.ts";
import { requestFor, Response, SMALL_BYTES } from "./protocol.ts";
import { loadWithin } from "./window.ts";

interface Line {
  received: number;
  /** When the request on its way was due, then those that wait for this connection. */
  readonly dueMs: number[];
}

/** What an open loop does. */
export interface OpenLoop {
  readonly connections: number;
  readonly perSecond: number;
  readonly warmMs: number;
  readonly measureMs: number;
}

/**
 * The latency of each request in the window, in milliseconds. Requests are due by the turn of a 1 ms timer, and
 * counted from that turn: that the generator's timer is late is not the proxy's doing.
 */
export async function openLoop(address: Address, loop: OpenLoop): Promise<number[]> {
  const request = requestFor(SMALL_BYTES);
  const response = new Response(SMALL_BYTES);
  const outcome = loadWithin<number[]>(loop.warmMs + loop.measureMs + 20_000);
  const open: Socket<Line>[] = [];
  const latencies: number[] = [];
  let over = false;
  let startMs = 0;
  let sent = 0;
  let timer: Timer | undefined;
  const turn = (): void => {
    const nowMs = performance.now();
    const due = Math.floor(((nowMs - startMs) / 1000) * loop.perSecond);
    for (; sent < due; sent++) {
      const socket = open[sent % open.length];
      socket?.data.dueMs.push(nowMs);
      if (socket?.data.dueMs.length === 1) socket.write(request);
    }
    if (nowMs - startMs >= loop.warmMs + loop.measureMs) outcome.resolve(latencies);
  };
  const dialer = new Dialer<Line>(address, {
    ready(socket) {
      if (open.push(socket) < loop.connections) return;
      startMs = performance.now();
      timer = setInterval(turn, 1);
    },
    data(socket, chunk) {
      if (over) return;
      const line = socket.data;
      if (!response.matches(chunk, line.received)) outcome.fail("wrong bytes in a response");
      line.received += chunk.length;
      if (line.received < response.totalBytes) return;
      line.received = 0;
      const nowMs = performance.now();
      const dueMs = line.dueMs.shift() ?? nowMs;
      if (dueMs - startMs >= loop.warmMs) latencies.push(nowMs - dueMs);
      if (line.dueMs.length > 0) socket.write(request);
    },
    closed: () => outcome.fail("a connection was lost"),
    failed: outcome.fail,
  });
  for (let count = 0; count < loop.connections; count++) dialer.dial({ received: 0, dueMs: [] });
  try {
    return await outcome.promise;
  } finally {
    over = true;
    clearInterval(timer);
    for (const socket of open) socket.terminate();
  }
}
