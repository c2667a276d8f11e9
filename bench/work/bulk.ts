// A long download over one connection, plain and TLS.
import { download } from "../load/download.ts";
import type { Row, Workload } from "./workload.ts";

export const BULK: readonly Workload[] = [
  bulk("bulk", "plain", { label: "1 GiB download", target: { kind: "ratio", atMost: 0.8 } }),
  bulk("tls-bulk", "tls", {
    label: "TLS: 1 GiB download",
    target: { kind: "ratio", atMost: 0.7 },
  }),
];

function bulk(id: string, kind: "plain" | "tls", row: Omit<Row, "id" | "unit">): Workload {
  return {
    id,
    rows: [{ ...row, id, unit: "CPU s/GB" }],
    field: "peers",
    async sample(subject) {
      const { bulkBytes } = subject.effort;
      const { cpuNs, units } = await download(subject[kind], subject.cpu, bulkBytes);
      // Nanoseconds per byte are seconds per gigabyte.
      return [cpuNs / units];
    },
  };
}
