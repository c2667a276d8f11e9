// New connections: connect, for TLS a full handshake, one small exchange, an orderly close.
import { churn } from "../load/churn.ts";
import type { Row, Workload } from "./workload.ts";

/** Connections at a time. */
const AT_A_TIME = 32;

export const CONNECTIONS: readonly Workload[] = [
  connections("conn", "plain", {
    label: "new connection + small request",
    target: { kind: "ratio", atMost: 1.15 },
  }),
  connections("tls-conn", "tls", {
    label: "TLS: new connection + small request",
    target: { kind: "ratio", atMost: 0.7 },
  }),
];

function connections(id: string, kind: "plain" | "tls", row: Omit<Row, "id" | "unit">): Workload {
  return {
    id,
    rows: [{ ...row, id, unit: "µs CPU" }],
    field: "peers",
    async sample(subject) {
      const spec = { ...subject.effort, connections: AT_A_TIME };
      const { cpuNs, units } = await churn(subject[kind], subject.cpu, spec);
      return [cpuNs / 1_000 / units];
    },
  };
}
