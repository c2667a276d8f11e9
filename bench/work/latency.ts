// Latency of small requests on kept connections, at a fixed rate that no proxy is near the end of.
import { openLoop } from "../load/open-loop.ts";
import { quantile } from "../statistics.ts";
import { CONNECTIONS } from "./requests.ts";
import type { Workload } from "./workload.ts";

/** Requests a second: about a tenth of what one core proxies. */
const PER_SECOND = 5_000;

export const LATENCY: Workload = {
  id: "latency",
  rows: [
    { id: "latency-p50", label: `latency p50 at ${PER_SECOND} requests/s`, unit: "µs" },
    { id: "latency-p99", label: `latency p99 at ${PER_SECOND} requests/s`, unit: "µs" },
  ],
  field: "peers",
  async sample(subject) {
    const loop = { ...subject.effort, connections: CONNECTIONS, perSecond: PER_SECOND };
    const latenciesMs = await openLoop(subject.plain, loop);
    return [quantile(latenciesMs, 0.5) * 1_000, quantile(latenciesMs, 0.99) * 1_000];
  },
};
