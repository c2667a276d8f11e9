// What the control thread and the workers say to each other: plain data that can be cloned.
import type { ServerLimits } from "../admission/limits-memory.ts";
import type { DestinationConfig, OverloadConfig, ServerConfig } from "../config/types.ts";
import type { LogFilter } from "../telemetry/log-filter.ts";
import type { LogStyle } from "../telemetry/log-line.ts";
import type { LogTarget } from "../telemetry/log-sink.ts";
import type { RegistryEvent } from "../telemetry/registry.ts";
import type { DestinationUse, RefuseDestination, WantDestination } from "./name-messages.ts";
import type {
  CloseServer,
  EndingProgress,
  EndSessions,
  ListSessions,
  SessionList,
  StopEnding,
} from "./session-messages.ts";

/** What is logged, and how. */
export interface LogSettings {
  readonly filter: LogFilter;
  readonly style: LogStyle;
  readonly target: LogTarget;
}

/** What a worker is started with. */
export interface WorkerStart {
  readonly type: "start";
  /** From 0 to `workers` - 1. A replacement takes over the index of the worker that died. */
  readonly worker: number;
  readonly workers: number;
  readonly bufferSizeBytes: number;
  /** Descriptors that sessions of this worker may hold. */
  readonly maxDescriptors: number;
  readonly log: LogSettings;
  /** Undefined: nothing is ever shed. */
  readonly overload?: OverloadStart | undefined;
}

/** When a worker takes no more, and the flags (admission/overload-board.ts) that all threads see. */
export interface OverloadStart {
  readonly config: OverloadConfig;
  readonly board: SharedArrayBuffer;
}

/** A destination: a path of a router and how its endpoints are reached. Takes back one that is being removed. */
export interface AddDestination {
  readonly type: "add-destination";
  /** Unique for the life of the process. */
  readonly destination: number;
  readonly router: string;
  readonly path: string;
  /** Limits are this worker's share. */
  readonly config: DestinationConfig;
}

/** New settings of a destination, for connections that are made from now on. */
export interface ConfigureDestination {
  readonly type: "configure-destination";
  readonly destination: number;
  /** Limits are this worker's share. */
  readonly config: DestinationConfig;
}

/** No server leads to this destination any more. It goes, with its endpoints, when its last session has ended. */
export interface RemoveDestination {
  readonly type: "remove-destination";
  readonly destination: number;
  /** All endpoints that the worker knows; as in `update-endpoints`. */
  readonly removed: UpdateEndpoints["removed"];
}

/** A branch of a destination: connections are split among branches in proportion to weight. */
export interface BranchSpec {
  /** Unique in the destination for the life of the process. */
  readonly branch: number;
  readonly weight: number;
}

/** What may change about an endpoint while it is resolved. */
export interface EndpointState {
  /** Names the endpoint in later messages; equal for the same address as long as a worker may know it. */
  readonly id: number;
  readonly weight: number;
  /** False: active checks say that it must get no connections; it may be used when nothing else is left. */
  readonly healthy: boolean;
  /** False: an operator said that it gets no new connections, whatever happens. */
  readonly enabled: boolean;
}

/** An endpoint with its row in the shared table. */
export interface EndpointSpec extends EndpointState {
  /** The same address in two branches is two endpoints. */
  readonly branch: number;
  readonly ip: string;
  readonly port: number;
  readonly page: number;
  readonly row: number;
}

/** A page of the shared endpoint table. */
export interface EndpointPage {
  readonly type: "endpoint-page";
  readonly page: number;
  readonly buffer: SharedArrayBuffer;
  /** The same rows' places, see telemetry/endpoint-slots.ts. */
  readonly slots: SharedArrayBuffer;
}

/** What has changed about the endpoints of a destination, or a part of it; applied at once. */
export interface UpdateEndpoints {
  readonly type: "update-endpoints";
  readonly destination: number;
  /** False while nothing is resolved: sessions wait. When true these are all; with none, sessions are refused. */
  readonly known: boolean;
  /** All branches there are. */
  readonly branches: readonly BranchSpec[];
  readonly added: readonly EndpointSpec[];
  readonly changed: readonly EndpointState[];
  /** `epoch` comes back in `released`, so that a late answer to an older removal is told apart. */
  readonly removed: readonly { readonly id: number; readonly epoch: number }[];
}

/** In place of the id of a destination: none, or none yet. */
export const NO_DESTINATION = -1;

/** What a worker must know of a server: its settings, all of them, and where it listens. */
export interface ServerSpec extends Omit<ServerConfig, "dstName" | "limits"> {
  readonly server: number;
  readonly router: string;
  /** Where connections go, or those that no route is for; `NO_DESTINATION` where a name says that, or nothing does. */
  readonly destination: number;
  /** Ids of the paths in `routing`. */
  readonly destinations?: readonly (readonly [path: string, destination: number])[];
  /** Whether paths in `routing` are brought up by connections. */
  readonly bringsUpNames?: boolean;
  /** A listening socket that the control thread keeps open; undefined: listen on the address with SO_REUSEPORT. */
  readonly fd: number | undefined;
  /** The real one. */
  readonly port: number;
  /** This worker's share. */
  readonly maxConcurrency: number;
  /** Undefined: whoever reaches the server may use it. */
  readonly limits?: ServerLimits | undefined;
}

/** End connections to endpoints that no session has: warm ones, and those being made. */
export interface CutConnections {
  readonly type: "cut-connections";
  readonly destination: number;
  /** Ids. */
  readonly endpoints: readonly number[];
}

/** A server to accept connections for. */
export interface AddServer extends ServerSpec {
  readonly type: "add-server";
}

/** New settings of a server, for sessions that begin from now on. */
export interface ConfigureServer extends ServerSpec {
  readonly type: "configure-server";
  /** Whether `tls` says what it said before: then TLS sessions can still be resumed. */
  readonly keepsTls: boolean;
}

/** Accept no more for this server. It goes when its last session has ended. */
export interface RemoveServer {
  readonly type: "remove-server";
  readonly server: number;
}

/** How many descriptors sessions of this worker may hold from now on. */
export interface LimitDescriptors {
  readonly type: "limit-descriptors";
  readonly maxDescriptors: number;
}

/** Say `confirmed`: everything that was sent before is done. */
export interface Confirm {
  readonly type: "confirm";
  /** Comes back in `confirmed`. */
  readonly order: number;
}

/** Accept no more; let sessions end; say `drained` when none is left. */
export interface Drain {
  readonly type: "drain";
}

/** End every session now, then say `drained`. */
export interface Destroy {
  readonly type: "destroy";
}

export type ToWorker =
  | WorkerStart
  | AddDestination
  | ConfigureDestination
  | RemoveDestination
  | EndpointPage
  | UpdateEndpoints
  | RefuseDestination
  | AddServer
  | ConfigureServer
  | RemoveServer
  | LimitDescriptors
  | CutConnections
  | Confirm
  | EndSessions
  | StopEnding
  | ListSessions
  | CloseServer
  | Drain
  | Destroy;

export type ToControl =
  | { readonly type: "ready" }
  | { readonly type: "confirmed"; readonly order: number }
  | { readonly type: "metrics"; readonly event: RegistryEvent }
  /** The last connection to a removed endpoint has ended. */
  | { readonly type: "released"; readonly id: number; readonly epoch: number }
  | EndingProgress
  | SessionList
  | WantDestination
  | DestinationUse
  | { readonly type: "drained" }
  /** Something that should not happen did; the worker goes on. */
  | { readonly type: "fault"; readonly message: string };
