// What the control thread and the workers say to each other about names that only connections bring up.

/** Nothing stands behind this path, or there is no room for it: sessions that wait for it get no endpoint. */
export interface RefuseDestination {
  readonly type: "refuse-destination";
  readonly router: string;
  readonly path: string;
}

/**
 * A session has brought up a path that the worker does not know. Answered by `add-destination`, to all workers, or by
 * `refuse-destination`. `wanted` is false when the last session that waited for the answer has left.
 */
export interface WantDestination {
  readonly type: "want-destination";
  readonly router: string;
  readonly path: string;
  readonly wanted: boolean;
}

/**
 * Destinations that sessions of this worker have begun or ceased to use: about once a second, those that have changed,
 * and each once after it was added. Only of routers where connections bring up names.
 */
export interface DestinationUse {
  readonly type: "destination-use";
  readonly changes: readonly UseChange[];
}

export type UseChange = readonly [destination: number, inUse: boolean];
