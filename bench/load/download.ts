// One long response over one connection, every byte compared.
import type { CpuClock } from "../measure.ts";
import { type Address, Dialer } from "./dial.ts";
import { requestFor, Response, SMALL_BYTES } from "./protocol.ts";
import { type Load, loadWithin } from "./window.ts";

interface Progress {
  /** A small exchange comes first: it leaves connecting and the handshake out of the measure. */
  response: Response;
  received: number;
}

/** Downloads `bodyBytes`; the units are bytes of the body. */
export async function download(address: Address, cpu: CpuClock, bodyBytes: number): Promise<Load> {
  const outcome = loadWithin(120_000);
  const opening = new Response(SMALL_BYTES);
  let startCpuNs = 0;
  let startMs = 0;
  const dialer = new Dialer<Progress>(address, {
    ready: (socket) => void socket.write(requestFor(SMALL_BYTES)),
    data(socket, chunk) {
      const progress = socket.data;
      if (!progress.response.matches(chunk, progress.received)) {
        outcome.fail(`wrong bytes after ${progress.received}`);
        socket.terminate();
        return;
      }
      progress.received += chunk.length;
      if (progress.received < progress.response.totalBytes) return;
      if (progress.response !== opening) {
        const cpuNs = cpu.nanoseconds() - startCpuNs;
        outcome.resolve({ units: bodyBytes, cpuNs, wallNs: (performance.now() - startMs) * 1e6 });
        socket.shutdown();
        return;
      }
      progress.response = new Response(bodyBytes);
      progress.received = 0;
      startCpuNs = cpu.nanoseconds();
      startMs = performance.now();
      socket.write(requestFor(bodyBytes));
    },
    closed: () => outcome.fail("the connection was lost"),
    failed: outcome.fail,
  });
  dialer.dial({ response: opening, received: 0 });
  return await outcome.promise;
}
