// What the admin server may ask of a running proxy: its connections, and what operators want of endpoints.
import type { Address } from "../lib/address.ts";

/** Which connections are meant: those that fit everything that is given. */
export interface ConnectionFilter {
  readonly ids?: readonly string[];
  /** Address that a server listens on. */
  readonly server?: Address;
  /** Label of a router. */
  readonly router?: string;
  /** Path of a destination. */
  readonly dst?: string;
  readonly endpoint?: Address;
  /** Block of client addresses, in the form of lib/cidr.ts. */
  readonly source?: string;
  readonly minAgeMs?: number;
  readonly minIdleMs?: number;
  readonly minBytes?: number;
  readonly maxBytes?: number;
}

export type ConnectionOrder = "age" | "idle" | "bytes";

/** A connection as it is shown. */
export interface ConnectionStatus {
  /** Names it in later requests. */
  readonly id: string;
  /** `ip:port`. */
  readonly client: string | undefined;
  readonly server: string;
  readonly router: string;
  readonly dst: string;
  readonly endpoint: string | undefined;
  readonly state: string;
  readonly ageSeconds: number;
  readonly idleSeconds: number;
  readonly rxBytes: number;
  readonly txBytes: number;
}

export interface ConnectionList {
  /** How many fit the filter, of which some are shown. */
  readonly total: number;
  readonly connections: readonly ConnectionStatus[];
  /** Workers that have not answered in time: theirs are not among them; missing when all have. */
  readonly missingWorkers?: number;
}

/** How connections are ended: at once, or one after the other. */
export type EndRequest =
  | { readonly kind: "cut" }
  | {
      readonly kind: "drain";
      /** Whether there are to be no new ones either: the endpoint is disabled, the server accepts no more. */
      readonly stopNew: boolean;
      /** Undefined: as the destination's `drain` says. */
      readonly windowMs: number | undefined;
      /** Infinity: no cap. */
      readonly maxPerSecond: number;
      readonly deadlineMs: number | undefined;
    };

/** What was begun. */
export interface EndingStatus {
  readonly what: string;
  readonly total: number;
  readonly left: number;
}

/** Which endpoint is meant, and where. */
export interface EndpointTarget {
  readonly endpoint: Address;
  readonly router: string | undefined;
  readonly dst: string | undefined;
}

/** What is undefined stays as it is; null is what the name says. */
export interface EndpointWish {
  readonly weight?: number | null;
  readonly enabled?: boolean | null;
}

/** A word of an operator that is in force. */
export interface OverrideStatus {
  readonly endpoint: string;
  /** Undefined: of all. */
  readonly router: string | undefined;
  readonly dst: string | undefined;
  readonly weight: number | undefined;
  readonly enabled: boolean | undefined;
  /** Undefined: it does not expire. */
  readonly expiresInSeconds: number | undefined;
  /** The destinations that have the endpoint, and the weight that the name gives it there. */
  readonly applies: readonly {
    readonly router: string;
    readonly dst: string;
    readonly resolvedWeight: number;
  }[];
}

/** Answers reject or are refused with this: `message` is for the one who asked. */
export class ControlError extends Error {
  readonly code: "UNKNOWN_TARGET" | "CONFLICT" | "UNAVAILABLE";

  constructor(code: ControlError["code"], message: string) {
    super(message);
    this.name = "ControlError";
    this.code = code;
  }
}

export interface ControlPort {
  connections(
    filter: ConnectionFilter,
    order: ConnectionOrder,
    limit: number,
  ): Promise<ConnectionList>;
  /** Ends connections. Throws ControlError when the filter names something that is not there. */
  end(filter: ConnectionFilter, how: EndRequest): Promise<EndingStatus>;
  /** Changes what is wanted of an endpoint, for `forMs` or for good. Throws ControlError. */
  override(
    target: EndpointTarget,
    wish: EndpointWish,
    forMs: number | undefined,
  ): readonly OverrideStatus[];
  overrides(): readonly OverrideStatus[];
}
