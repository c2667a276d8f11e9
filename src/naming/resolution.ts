// What a name stands for right now: Finagle's Addr, as a closed union.

/** Facts that a source adds to an address or to a set of them, as namerd passes them on: plain JSON. */
export type Metadata = Readonly<Record<string, unknown>>;

/** An endpoint as discovery knows it. */
export interface WeightedAddress {
  /** Canonical IP literal (see lib/address.ts). */
  readonly ip: string;
  /** 1 to 65535. */
  readonly port: number;
  /** Share asked for, relative to the others; finite, 0 or more. 0 keeps the endpoint without giving it connections. */
  readonly weight: number;
  /** More about it, such as `nodeName`. A weight other than 1 need not be repeated here. */
  readonly meta?: Metadata;
}

/**
 * The current answer for one path.
 * `pending`: nothing is known yet. `bound`: these endpoints, perhaps none. `neg`: the name does not exist.
 * `failed`: the source could not answer; `cause` is one sentence for people.
 */
export type Resolution =
  | { readonly state: "pending" }
  | {
      readonly state: "bound";
      readonly endpoints: readonly WeightedAddress[];
      /** About the set, such as `authority`. */
      readonly meta?: Metadata;
    }
  | { readonly state: "neg" }
  | { readonly state: "failed"; readonly cause: string };
