// One endpoint as a worker knows it: address, weight, load, and whether it may be picked.
import type { EndpointRow } from "../telemetry/endpoint-table.ts";
import type { ConnectTarget } from "../transport/connector.ts";
import type { Pickable } from "./picker.ts";

/**
 * `ready`: may be picked. `ejected`: failed too often, waits for its probe. `retired`: no longer resolved, its
 * connections run on.
 */
export type EndpointState = "ready" | "ejected" | "retired";

/** An endpoint. Its load is that of the whole process. */
export class Endpoint implements Pickable {
  readonly id: number;
  readonly target: ConnectTarget;
  readonly row: EndpointRow;
  weight: number;
  pickerIndex = -1;
  state: EndpointState = "ready";
  /** Connect failures since the last success. */
  failures = 0;
  /** What the last of them was, for people. */
  lastFailure: string | undefined;

  constructor(id: number, target: ConnectTarget, weight: number, row: EndpointRow) {
    this.id = id;
    this.target = target;
    this.weight = weight;
    this.row = row;
  }

  get load(): number {
    return this.row.load;
  }
}
