// The port between the pool, which knows the endpoints, and whatever chooses among them.

/** What a picker must know of an endpoint. */
export interface Pickable {
  /** Share asked for by discovery, relative to the others', >= 0. 0 gets no connections. */
  readonly weight: number;
  /** Connections open + pending in the whole process, >= 0. Live: it changes unannounced. */
  readonly load: number;
  /** Place in the picker, owned by the picker: others leave it alone. -1 when in none. */
  pickerIndex: number;
}

/** For pickers that choose alike on all workers, or in all processes. */
export interface Located extends Pickable {
  /** The endpoint's address as text: what is left of it where ids and rows differ. */
  readonly address: string;
}

/** Chooses the endpoint that serves the next connection. */
export interface Picker<E extends Pickable> {
  /** Endpoints held, those of weight 0 included. */
  readonly size: number;

  /** Sum of the weights; while it is 0, `pick` finds nothing. */
  readonly weight: number;

  /** Takes an endpoint in. Nothing happens when it is in a picker already. */
  add(endpoint: E): void;

  /** Lets an endpoint go. Nothing happens when it is not in this picker. */
  remove(endpoint: E): void;

  /** To be called after `endpoint.weight` changed: until then the picker goes by the old weight. */
  reweigh(endpoint: E): void;

  /**
   * The endpoint for one more connection, undefined when none has weight. `load` is not touched.
   *
   * @param client hash of the client's address, any 32-bit integer. Only pickers that keep clients to their endpoints
   * look at it; others may be given any number.
   */
  pick(client: number): E | undefined;
}
