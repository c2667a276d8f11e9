// What the control thread and the workers say to each other about sessions: which to end, how, and which there are.

/** Which sessions are meant: those that fit everything that is given. Without anything, all. */
export interface SessionSelector {
  /** Ids of servers, as in `AddServer.server`. */
  readonly servers?: readonly number[];
  /** Ids of destinations, as in `AddDestination.destination`. */
  readonly destinations?: readonly number[];
  /** Ids of endpoints, as in `EndpointState.id`. */
  readonly endpoints?: readonly number[];
  /** Ids as `list-sessions` has given them: `<worker>.<number>`. */
  readonly sessions?: readonly string[];
  /** A block of client addresses, checked; as PROXY headers tell them where there are such. */
  readonly source?: string;
  /** Since the connection was accepted. */
  readonly minAgeMs?: number;
  /** Since a byte last moved; known to within some seconds. */
  readonly minIdleMs?: number;
  /** Bytes of both directions, the ends included. */
  readonly minBytes?: number;
  readonly maxBytes?: number;
}

/** How sessions are ended. */
export type EndHow =
  /** Reset at once. */
  | { readonly kind: "cut" }
  /** In order, one by one, those that are idle first. */
  | {
      readonly kind: "drain";
      /** The ends are spread over this time. */
      readonly windowMs: number;
      /** Before this time nothing is ended: sessions may end by themselves. The window comes after it; default 0. */
      readonly delayMs?: number;
      /** Of one worker; Infinity for no cap. */
      readonly maxPerSecond: number;
      /** From the order; what is left then is reset. Infinity for never. */
      readonly deadlineMs: number;
    };

/** Why sessions are ended; reasons of proxy/close-reason.ts. */
export type EndReason = "drained" | "killed" | "endpoint_removed" | "endpoint_unhealthy";

/** End the sessions that fit now; those that come to fit later are left alone. Answered by `ending`. */
export interface EndSessions {
  readonly type: "end-sessions";
  /** Unique for the life of the process. */
  readonly order: number;
  readonly selector: SessionSelector;
  readonly how: EndHow;
  readonly reason: EndReason;
}

/** Leave sessions of an order alone that it has not begun to end. They count as ended. */
export interface StopEnding {
  readonly type: "stop-ending";
  readonly order: number;
  /** Only those of these endpoints; undefined: all. */
  readonly endpoints?: readonly number[];
}

/** Tell of sessions. Answered by `sessions`. */
export interface ListSessions {
  readonly type: "list-sessions";
  /** Unique for the life of the process. */
  readonly query: number;
  readonly selector: SessionSelector;
  /** Rows, of each worker. */
  readonly limit: number;
  /** Which are told first: the oldest, those idle for longest, those with the most bytes. */
  readonly sort: SessionSort;
}

export type SessionSort = "age" | "idle" | "bytes";

/** Accept no more connections for a server; its sessions go on. */
export interface CloseServer {
  readonly type: "close-server";
  readonly server: number;
}

/** How far an order is: about once a second, and a last time. */
export interface EndingProgress {
  readonly type: "ending";
  readonly order: number;
  /** Sessions that fitted when the order came. */
  readonly total: number;
  /** Those of them that have not ended. */
  readonly left: number;
  readonly isOver: boolean;
}

/** The answer to `list-sessions`. */
export interface SessionList {
  readonly type: "sessions";
  readonly query: number;
  /** Sessions that fit, whether or not there is a row for them. */
  readonly total: number;
  readonly rows: readonly SessionRow[];
}

/** One session, at the moment of the question. */
export interface SessionRow {
  /** `<worker>.<number>`, the same for as long as the session lasts. */
  readonly id: string;
  readonly server: number;
  readonly destination: number;
  /** `ip:port`, as the PROXY header told it where there was one. */
  readonly client: string | undefined;
  /** `ip:port` of the proxy that told it. */
  readonly via: string | undefined;
  /** `ip:port`; undefined before there is one. */
  readonly endpoint: string | undefined;
  readonly state: SessionState;
  readonly ageMs: number;
  readonly idleMs: number;
  /** Bytes read from the client. */
  readonly rxBytes: number;
  /** Bytes written to the client. */
  readonly txBytes: number;
  /** What TLS has agreed upon with the client, or what its hello says that is passed on. */
  readonly tls: SessionTls | undefined;
  /** The same with the endpoint. */
  readonly endpointTls: SessionTls | undefined;
}

/** What TLS has agreed upon with a peer. */
export interface SessionTls {
  readonly version: string | undefined;
  readonly cipher: string | undefined;
  readonly group?: string | undefined;
  /** The name that was asked for. */
  readonly serverName: string | undefined;
  readonly alpn: string | undefined;
  readonly resumed?: boolean | undefined;
  /** By its verified certificate: the first URI, else the first DNS name, else the subject. */
  readonly peer?: string | undefined;
}

/** `ending`: both directions are being ended, or what is left is being delivered. */
export type SessionState = "connecting" | "streaming" | "half_closed" | "ending";
