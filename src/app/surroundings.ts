// What a proxy is given by those who started it, made usable: inherited sockets, and the service manager.
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../telemetry/log.ts";
import { socketCalls } from "../transport/libc-sockets.ts";
import { Inherited } from "./inherited.ts";
import { Notifier } from "./notify.ts";
import type { PassedSocket } from "./passed-sockets.ts";

export interface Surroundings {
  readonly inherited: Inherited;
  readonly notifier: Notifier;
}

/** Throws InheritedSocketError when a descriptor in `passed` is of the wrong kind. */
export function surroundingsOf(
  passed: readonly PassedSocket[],
  clock: Clock,
  log: Logger,
): Surroundings {
  const { env, pid } = process;
  const isSupervised = (env["NOTIFY_SOCKET"] ?? "") !== "";
  // Loading the calls costs memory that most processes can do without.
  const calls = isSupervised || passed.length > 0 ? socketCalls() : undefined;
  const usable = calls === undefined ? [] : passed;
  if (usable.length < passed.length)
    log.warn("inherited sockets are not used: this system has no C library to look at them");
  return {
    inherited: new Inherited(usable, calls),
    notifier: new Notifier({ env, pid, calls, clock, log }),
  };
}
