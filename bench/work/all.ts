// Every workload, in the order of the report.
import { BULK } from "./bulk.ts";
import { CONNECTIONS } from "./connections.ts";
import { LATENCY } from "./latency.ts";
import { MEMORY } from "./memory.ts";
import { REQUESTS, WORKERS } from "./requests.ts";
import type { Workload } from "./workload.ts";

const ORDER = [
  ...["small", "64k", "conn", "bulk", "tls-small", "tls-64k"],
  ...["tls-conn", "tls-rsa", "tls-resumed", "tls-bulk", "passthrough"],
];

export const WORKLOADS: readonly Workload[] = [
  ...[...REQUESTS, ...CONNECTIONS, ...BULK].sort(
    (a, b) => ORDER.indexOf(a.id) - ORDER.indexOf(b.id),
  ),
  LATENCY,
  MEMORY,
  WORKERS,
];
