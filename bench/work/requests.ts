// Requests on kept connections: small ones and those for 64 KiB, plain and TLS.
import { closedLoop } from "../load/closed-loop.ts";
import { SMALL_BYTES } from "../load/protocol.ts";
import type { Row, Subject, Workload } from "./workload.ts";

/** Kept connections of a sample. */
export const CONNECTIONS = 32;

const LARGE_BYTES = 65_536;

export const REQUESTS: readonly Workload[] = [
  requests("small", SMALL_BYTES, "plain", {
    label: "small request, kept connection",
    target: { kind: "ratio", atMost: 1.15 },
  }),
  requests("64k", LARGE_BYTES, "plain", {
    label: "64 KiB response",
    target: { kind: "ratio", atMost: 1 },
  }),
  requests("tls-small", SMALL_BYTES, "tls", { label: "TLS: small request" }),
  requests("tls-64k", LARGE_BYTES, "tls", { label: "TLS: 64 KiB response" }),
];

/** Two workers beside one: what a second thread costs each request. */
export const WORKERS: Workload = {
  ...requests("workers", SMALL_BYTES, "plain", {
    label: "small request, kept connection",
    target: { kind: "ratio", atMost: 1.1 },
  }),
  field: "workers",
};

function requests(
  id: string,
  bodyBytes: number,
  kind: "plain" | "tls",
  row: Omit<Row, "id" | "unit">,
): Workload {
  return {
    id,
    rows: [{ ...row, id, unit: "µs CPU" }],
    field: "peers",
    async sample(subject: Subject) {
      const loop = { ...subject.effort, connections: CONNECTIONS, bodyBytes };
      const { cpuNs, units } = await closedLoop(subject[kind], subject.cpu, loop);
      return [cpuNs / 1_000 / units];
    },
  };
}
