// One endpoint as a worker knows it: address, weight, load, and whether it may be picked.
import { formatAddress } from "../lib/address.ts";
import type { EndpointSlots } from "../telemetry/endpoint-slots.ts";
import type { EndpointRow } from "../telemetry/endpoint-table.ts";
import type { ConnectTarget } from "../transport/connector.ts";
import type { Latency, Timed } from "./latency.ts";
import type { Located } from "./picker.ts";

/**
 * `ready`: may be picked. `ejected`: failed too often, waits for its probe. `retired`: no longer resolved, its
 * connections run on.
 */
export type EndpointState = "ready" | "ejected" | "retired";

/** What an endpoint is made of. */
export interface EndpointParts {
  readonly id: number;
  /** Number of its branch, see Pool. */
  readonly branch: number;
  readonly target: ConnectTarget;
  readonly weight: number;
  readonly row: EndpointRow;
  /** Undefined where there is no limit. */
  readonly slots?: EndpointSlots | undefined;
}

/** An endpoint. Its load is that of the whole process. */
export class Endpoint implements Located, Timed {
  readonly id: number;
  readonly branch: number;
  readonly target: ConnectTarget;
  readonly row: EndpointRow;
  /** Its places, where their number is limited: see EndpointLimit. */
  readonly slots: EndpointSlots | undefined;
  weight: number;
  pickerIndex = -1;
  state: EndpointState = "ready";
  /** Connect failures since the last success. */
  failures = 0;
  /** Whether the last attempt of this worker to connect to it has failed. */
  isUnreached = false;
  /** What the last of them was, for people. */
  lastFailure: string | undefined;
  latency: Latency | undefined;

  constructor({ id, branch, target, weight, row, slots }: EndpointParts) {
    this.id = id;
    this.branch = branch;
    this.target = target;
    this.weight = weight;
    this.row = row;
    this.slots = slots;
  }

  get address(): string {
    return formatAddress(this.target);
  }

  get load(): number {
    return this.row.load;
  }
}
