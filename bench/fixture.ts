// A finished run for the tests of report and chart.
import type { Run } from "./report.ts";
import type { Column } from "./results.ts";

const column = (name: string, kind: Column["kind"], ...samples: number[]): Column => ({
  name,
  kind,
  samples,
});

/** Two rows beside peers, one of workers; nginx failed in the second. */
export const RUN: Run = {
  facts: {
    date: "2026-01-02",
    commit: "abc1234",
    cpu: "A <fast> CPU",
    cores: 2,
    memory: "8 GiB",
    kernel: "Linux 6.1",
    loadBefore: "0.01",
    placement: "proxy on core 0",
    versions: ["Bun 1.4.5", "nginx 1.22"],
  },
  rounds: 3,
  quick: false,
  command: "npm run bench",
  results: [
    {
      row: {
        id: "small",
        label: "small request",
        unit: "µs CPU",
        target: { kind: "ratio", atMost: 1.15 },
      },
      field: "peers",
      columns: [
        column("ours", "ours", 12, 13, 14),
        column("haproxy", "peer", 10, 10, 10),
        column("nginx", "peer", 20, 20, 20),
      ],
    },
    {
      row: {
        id: "memory-idle",
        label: "memory",
        unit: "MB",
        target: { kind: "absolute", atMost: 10 },
      },
      field: "peers",
      columns: [
        column("ours", "ours", 4, 4, 4),
        column("haproxy", "peer", 8, 8, 8),
        { ...column("nginx", "peer"), failure: "a connection was lost (round 1)" },
      ],
    },
    {
      row: {
        id: "workers",
        label: "small request",
        unit: "µs CPU",
        target: { kind: "ratio", atMost: 1.1 },
      },
      field: "workers",
      columns: [column("2 workers", "ours", 10.5), column("1 worker", "ours", 10)],
    },
  ],
};
