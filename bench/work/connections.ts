// New connections: connect, for TLS a full handshake or a resumed one, one small exchange, an orderly close.
import { churn } from "../load/churn.ts";
import type { Address } from "../load/dial.ts";
import type { Field, Row, Subject, Workload } from "./workload.ts";

/** Connections at a time. */
const AT_A_TIME = 32;

export const CONNECTIONS: readonly Workload[] = [
  connections("conn", ({ plain }) => plain, {
    label: "new connection + small request",
    target: { kind: "ratio", atMost: 1.15 },
  }),
  connections("tls-conn", ({ tls }) => tls, {
    label: "TLS: full handshake, ECDSA P-256 + small request",
    target: { kind: "ratio", atMost: 0.65 },
  }),
  connections("tls-rsa", ({ tls }) => tls, { label: "TLS: the same, RSA-2048" }, "rsa"),
  connections("tls-resumed", ({ tls }) => ({ ...tls, resume: true }), {
    label: "TLS: resumed handshake + small request",
  }),
  connections(
    "passthrough",
    ({ plain }) => plain,
    {
      label: "hello of TLS, answer, small request",
      target: { kind: "ratio", atMost: 1.05 },
    },
    "passthrough",
  ),
];

function connections(
  id: string,
  address: (subject: Subject) => Address,
  row: Omit<Row, "id" | "unit">,
  field: Field = "peers",
): Workload {
  return {
    id,
    rows: [{ ...row, id, unit: "µs CPU" }],
    field,
    async sample(subject) {
      const hello = field === "passthrough";
      const spec = { ...subject.effort, connections: AT_A_TIME, hello };
      const { cpuNs, units } = await churn(address(subject), subject.cpu, spec);
      return [cpuNs / 1_000 / units];
    },
  };
}
