// What the parts of a worker are given.
import type { Clock } from "../lib/clock.ts";
import type { Rng } from "../lib/rng.ts";
import type { LoggerFactory } from "../telemetry/log.ts";
import type { Registry } from "../telemetry/registry.ts";
import type { OnFault } from "../transport/listener.ts";
import type { ToControl, WorkerStart } from "../wire/messages.ts";
import type { Features } from "./features.ts";

export interface WorkerParts {
  readonly start: WorkerStart;
  /** What the message that is applied needs is loaded. */
  readonly features: Pick<Features, "get">;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: LoggerFactory;
  readonly send: (message: ToControl) => void;
  readonly hostName: () => string;
  /** Something that should not happen did; it cost one connection. */
  readonly onFault: OnFault;
}
