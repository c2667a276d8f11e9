// The port that every workload stands behind, and what its rows promise.
import type { Address } from "../load/dial.ts";
import type { CpuClock } from "../measure.ts";
import type { Running } from "../proxies/contender.ts";

/** What a row must come to. */
export type Target =
  /** Median ratio to the better peer (in the row of two workers: to one worker). */
  | { readonly kind: "ratio"; readonly atMost: number }
  /** Median of the figure itself. */
  | { readonly kind: "absolute"; readonly atMost: number };

/** One line of the report. Smaller is better in all of them. */
export interface Row {
  readonly id: string;
  readonly label: string;
  readonly unit: string;
  readonly target?: Target;
}

/** How much work a sample does. */
export interface Effort {
  readonly warmMs: number;
  readonly measureMs: number;
  /** Length of the long download. */
  readonly bulkBytes: number;
  /** Connections held for the memory row. */
  readonly held: number;
  /** Before memory is read: time for the proxy to become idle and give back what it will. */
  readonly settleMs: number;
}

/** A proxy under load. */
export interface Subject {
  readonly plain: Address;
  readonly tls: Address;
  readonly cpu: CpuClock;
  readonly effort: Effort;
  /** Starts another, fresh instance of the same proxy. */
  fresh(): Promise<Running>;
}

/**
 * Who competes: ours and the peers, with a certificate of ECDSA or of RSA; ours with one and with two workers; or ours
 * passing TLS on by its name beside ours relaying, with the peers that pass it on.
 */
export type Field = "peers" | "rsa" | "workers" | "passthrough";

/** A kind of work, measured by one sample per proxy and round. */
export interface Workload {
  readonly id: string;
  readonly rows: readonly Row[];
  readonly field: Field;
  /** Whether each sample starts an instance of its own. */
  readonly fresh?: boolean;
  /** One sample: a figure for each row. Rejects when anything was not as it must be. */
  sample(subject: Subject): Promise<readonly number[]>;
}
