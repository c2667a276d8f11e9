// One endpoint as a worker knows it: address, weight, load, and whether it may be picked.
import { formatAddress } from "../lib/address.ts";
import { EndpointSlots, newSlotPage } from "../telemetry/endpoint-slots.ts";
import type { EndpointRow } from "../telemetry/endpoint-table.ts";
import type { ConnectTarget } from "../transport/connector.ts";
import type { Accrual } from "./ejector.ts";
import type { Latency, Timed } from "./latency.ts";
import type { Located } from "./picker.ts";

/**
 * `ready`: may be picked. `ejected`: failed too often, waits for its probe. `retired`: no longer resolved, its
 * connections run on.
 */
export type EndpointState = "ready" | "ejected" | "retired";

/** What the control thread says of an endpoint, and may change. */
export interface EndpointCondition {
  readonly weight: number;
  /** False: active checks say that it must get no connections. */
  readonly healthy: boolean;
  /** False: an operator has taken it out. */
  readonly enabled: boolean;
}

/** What an endpoint is made of. */
export interface EndpointParts {
  readonly id: number;
  /** Number of its branch, see Pool. */
  readonly branch: number;
  readonly target: ConnectTarget;
  readonly weight: number;
  /** Default true. */
  readonly healthy?: boolean;
  /** Default true. */
  readonly enabled?: boolean;
  readonly row: EndpointRow;
  /** Default: places of its own, which no other thread sees. */
  readonly slots?: EndpointSlots;
}

/** An endpoint. Its load is that of the whole process. */
export class Endpoint implements Located, Timed {
  readonly id: number;
  readonly branch: number;
  readonly target: ConnectTarget;
  readonly row: EndpointRow;
  /** Its places, counted where their number is limited: see EndpointLimit. */
  readonly slots: EndpointSlots;
  /** What discovery asks for. */
  fullWeight: number;
  /** The part of it that slow start leaves, above 0 and up to 1. */
  warmth = 1;
  healthy: boolean;
  enabled: boolean;
  pickerIndex = -1;
  state: EndpointState = "ready";
  /** Connections of the Prober, which take no place: a part of this worker's load. */
  probes = 0;
  /** Owned by the Ejector; undefined while there is nothing to remember. */
  accrual: Accrual | undefined;
  /** Number of its last failure, see FailureOrder; 0 if this worker has reached it since, or never failed to. */
  lastFailureNumber = 0;
  /** What the last failure was, for people. */
  lastFailure: string | undefined;
  latency: Latency | undefined;

  constructor(parts: EndpointParts) {
    const { id, branch, target, weight, row, slots, healthy = true, enabled = true } = parts;
    this.id = id;
    this.branch = branch;
    this.target = target;
    this.fullWeight = weight;
    this.healthy = healthy;
    this.enabled = enabled;
    this.row = row;
    this.slots = slots ?? new EndpointSlots(new Int32Array(newSlotPage(1)), 0, 0, 1);
  }

  get weight(): number {
    return this.fullWeight * this.warmth;
  }

  get address(): string {
    return formatAddress(this.target);
  }

  get load(): number {
    return this.row.load;
  }
}
