// New connections in a closed loop: connect, one small exchange (or two), close in order, and only then the next one.
import type { CpuClock } from "../measure.ts";
import { type Address, Dialer } from "./dial.ts";
import { HELLO, requestFor, Response, SMALL_BYTES } from "./protocol.ts";
import { type Load, loadWithin, type Span, Window } from "./window.ts";

interface Progress {
  received: number;
}

/** What a churn does. */
export interface Churn extends Span {
  /** Connections at a time. */
  readonly connections: number;
  /** Whether a hello of TLS comes first, which the backend answers as it does a small request. */
  readonly hello?: boolean;
}

/** Runs `churn` against `address`; a connection counts once the proxy has closed its side too. */
export async function churn(address: Address, cpu: CpuClock, spec: Churn): Promise<Load> {
  const request = requestFor(SMALL_BYTES);
  const first = spec.hello === true ? HELLO : request;
  const response = new Response(SMALL_BYTES);
  const one = response.totalBytes;
  const whole = spec.hello === true ? 2 * one : one;
  const outcome = loadWithin(spec.warmMs + spec.measureMs + 20_000);
  const window = new Window(cpu, spec);
  let open = 0;
  let over = false;
  let fail = outcome.fail;
  let allClosed = (): void => {};
  const start = (): void => {
    open++;
    dialer.dial({ received: 0 });
  };
  const dialer = new Dialer<Progress>(address, {
    ready: (socket) => void socket.write(first),
    data(socket, chunk) {
      const progress = socket.data;
      if (!response.matches(chunk, progress.received % one)) fail("wrong bytes in a response");
      progress.received += chunk.length;
      if (progress.received === whole) socket.shutdown();
      else if (progress.received === one) socket.write(request);
    },
    closed({ data }) {
      open--;
      if (data.received !== whole) fail("a response was cut off");
      const load = over ? undefined : window.count();
      if (load !== undefined) outcome.resolve(load);
      over ||= load !== undefined;
      if (!over) start();
      else if (open === 0) allClosed();
    },
    failed: (reason) => fail(reason),
  });
  for (let count = 0; count < spec.connections; count++) start();
  try {
    const load = await outcome.promise;
    // What is still open was under way when the window ended: it must end well too.
    if (open > 0) {
      const rest = loadWithin<void>(10_000);
      fail = rest.fail;
      allClosed = rest.resolve;
      await rest.promise;
    }
    return load;
  } finally {
    over = true;
  }
}
