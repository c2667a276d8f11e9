// What the admin server may ask of the application.
import type { ControlPort, OverrideStatus } from "./control-port.ts";
import type { EjectionKind, EjectionReason } from "../telemetry/ejection-note.ts";

/** State of a server as the status page shows it. */
export interface ServerStatus {
  readonly router: string;
  /** Bound `ip:port`. */
  readonly address: string;
  readonly dstName: string;
  readonly tls: boolean;
  /** Whether it accepts: false where an operator has closed it. */
  readonly accepts: boolean;
  /** Connections that have not ended. */
  readonly connections: number;
  /** Those of them that have no endpoint yet. */
  readonly waiting: number;
  /** Connections in the kernel's queue, which nobody has accepted yet; missing where the system does not tell. */
  readonly acceptQueue?: number | undefined;
  /** Whether it reads the hello of a TLS that it does not end. Missing, as `routes`, where all goes to `dstName`. */
  readonly passthrough?: boolean;
  /** Its rules, and what becomes of connections that none is for, a line each. */
  readonly routes?: readonly string[];
}

/** State of a destination as the status page shows it. */
export interface DestinationStatus {
  readonly router: string;
  readonly path: string;
  /** `pending`, `bound`, `neg` or `failed`, and whether older endpoints are kept in its place. */
  readonly resolution: string;
  readonly ageSeconds: number | undefined;
  /** Connections that wait for an endpoint. */
  readonly waiting: number;
  /** Retries that may begin at once; missing where no worker has the destination. */
  readonly retryBudget?: number | undefined;
  /** What the path is bound to; one with the path itself as its id where the source knows no dtabs. */
  readonly branches: readonly BranchStatus[];
  readonly endpoints: readonly EndpointStatus[];
}

/** A bound name and its share of the connections. */
export interface BranchStatus {
  readonly id: string;
  readonly weight: number;
  readonly endpoints: number;
}

export interface EndpointStatus {
  /** `ip:port`. */
  readonly address: string;
  readonly weight: number;
  readonly connections: number;
  readonly connects: number;
  readonly failures: number;
  readonly state: "ready" | "ejected" | "unhealthy" | "disabled" | "retired";
  /** Where a worker has ejected it, or would have; missing where nothing is held against it. */
  readonly ejection?: EjectionStatus | undefined;
  /** Why it is unhealthy, or failed its last health check; missing when it did not. */
  readonly reason?: string | undefined;
}

/** What is done about an endpoint that fails, as the status page shows it. */
export interface EjectionStatus {
  /** See EJECTION_KINDS. */
  readonly kind: EjectionKind;
  /** The last failure before it, a value of the label `reason` of l5d_endpoint_ejections_total. */
  readonly reason: EjectionReason;
  /** Until the last of the workers probes it; 0 for one that is withheld. */
  readonly probeInSeconds: number;
  /** How many say so. */
  readonly workers: number;
}

/** State of a namer as the status page shows it. */
export interface NamerStatus {
  /** Whole, such as `/#/io.l5d.fs`. */
  readonly prefix: string;
  readonly kind: string;
  /** How many of its names are followed. */
  readonly names: number;
  /** Why its last answers are kept, or cannot be had; undefined when all is well. */
  readonly failing: string | undefined;
  /** Names that had endpoints, and lost all of them. */
  readonly emptied: number;
  /** Names that the source says nothing of any more, for longer than it promises. */
  readonly silent: number;
  /** Since the one of its names that was confirmed longest ago was; undefined when none was yet. */
  readonly oldestConfirmedSeconds: number | undefined;
}

/** Connections that are being ended. */
export interface DrainStatus {
  /** Which, in words. */
  readonly what: string;
  /** One of the close reasons. */
  readonly reason: string;
  /** Since it began. */
  readonly ageSeconds: number;
  readonly total: number;
  readonly left: number;
  /** Until those left are reset; undefined for never. */
  readonly deadlineSeconds: number | undefined;
}

/** How an upgrade stands. */
export type UpgradeStatus =
  | { readonly state: "starting" | "done"; readonly pid: number }
  | { readonly state: "failed"; readonly message: string };

/** What came of the wish to be replaced by a new process; without `done` all is as it was. */
export type UpgradeOutcome =
  | { readonly result: "done"; readonly pid: number }
  | { readonly result: "failed" | "refused"; readonly message: string };

/** What a server with limits refuses, as the status page shows it. */
export interface RefusalStatus {
  readonly router: string;
  /** Bound `ip:port`. */
  readonly address: string;
  /** Whether nobody was refused in truth. */
  readonly dryRun: boolean;
  /** Since the process began, by rule. */
  readonly refusals: Readonly<Record<string, number>>;
  /** The sources that were refused most in the last 10 to 20 minutes. */
  readonly refused: readonly RefusedSourceStatus[];
  /** The sources with the most connections. */
  readonly connected: readonly { readonly source: string; readonly connections: number }[];
}

export interface RefusedSourceStatus {
  /** An address, or a block where sources are that. */
  readonly source: string;
  readonly refusals: number;
  /** So many of them may have been of others. */
  readonly uncertain: number;
  /** Of the last refusal. */
  readonly rule: string;
  readonly secondsAgo: number;
}

/** The configuration in effect as the status page shows it. */
export interface ConfigurationStatus {
  /** 1 at the start, 1 more with each reload that changed something. */
  readonly generation: number;
  /** Equal for configurations that say the same; missing for one that is from no file. */
  readonly fingerprint: string | undefined;
  /** ISO 8601; the same for `lastReload.at`. */
  readonly loadedAt: string;
  readonly lastReload: { readonly result: string; readonly at: string } | undefined;
}

/** A certificate in use as the status page shows it. */
export interface CertificateStatus {
  /** As the configuration has it. */
  readonly file: string;
  readonly role: "server" | "client" | "trust" | "crl";
  /** Mostly the common name. */
  readonly name: string;
  /** ISO 8601; of a chain, of the certificate that ends first. */
  readonly notAfter: string;
  /** Negative for one that is over. */
  readonly secondsLeft: number;
}

/** A certificate with its key, or a set of authorities, whose files cannot be used as they are now. */
export interface RefusedCertificateStatus {
  /** Where it stands in the configuration. */
  readonly unit: string;
  /** A clause each. */
  readonly problems: readonly string[];
  /** Whether an earlier version goes on to be used. */
  readonly isKept: boolean;
}

/** What came of a reload, or of a plan. */
export interface ReloadAnswer {
  /**
   * `applied`; `unchanged`: the file says what is in effect; `planned`: only asked; `invalid`: the file has errors;
   * `failed`: it could not be put into effect; `refused`: not now, or not at all. The last three change nothing.
   */
  readonly result: "applied" | "unchanged" | "planned" | "invalid" | "failed" | "refused";
  /** For people. */
  readonly message: string;
  /** Errors and warnings of the file, a line each. */
  readonly problems?: readonly string[];
  /** What changes: plain data. */
  readonly plan?: object;
  /** The same for people, a line each. */
  readonly summary?: readonly string[];
  /** In effect after it. */
  readonly configuration: Pick<ConfigurationStatus, "generation" | "fingerprint">;
}

/** The whole state as the status page shows it. */
export interface Status {
  readonly version: string;
  readonly pid: number;
  readonly state: "starting" | "serving" | "draining" | "stopped";
  /** The upgrade that runs, or what came of the last; undefined when none was asked for. */
  readonly upgrade?: UpgradeStatus | undefined;
  readonly uptimeSeconds: number;
  readonly workers: number;
  readonly configuration: ConfigurationStatus;
  readonly servers: readonly ServerStatus[];
  readonly destinations: readonly DestinationStatus[];
  readonly namers: readonly NamerStatus[];
  /** What operators want instead of what names say. */
  readonly overrides: readonly OverrideStatus[];
  /** Those under way. */
  readonly drains: readonly DrainStatus[];
  /** Of servers with limits. */
  readonly refusals?: readonly RefusalStatus[];
  /** Those that end first first. */
  readonly certificates?: readonly CertificateStatus[];
  readonly refusedCertificates?: readonly RefusedCertificateStatus[];
}

/** The application, as the admin server sees it. */
export interface AdminPort {
  /** The metrics page, in Prometheus text format. */
  metrics(): string;
  status(): Status;
  /** The configuration as it was given, without secrets. */
  config(): unknown;
  /** Connections and endpoints, for operators. */
  readonly control: ControlPort;
  /** Puts the configuration file into effect. Never rejects. */
  reload(): Promise<ReloadAnswer>;
  /** Says what that would change. Never rejects. */
  plan(): Promise<ReloadAnswer>;
  /** Begins a graceful shutdown; a second call ends at once. */
  shutdown(): void;
  /** Starts a process that takes over. When it resolves with `done`, `handOver` is to follow. */
  upgrade(): Promise<UpgradeOutcome>;
  /** Leaves everything to the process `pid`: accepts no more, and ends as `shutdown` does. */
  handOver(pid: number): void;
  /** Ends at once, with a non-zero exit code. */
  abort(): void;
}
