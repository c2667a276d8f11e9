// How listening sockets are passed to a process: systemd's protocol (sd_listen_fds(3)), and our own for a process that
// takes over from another. Only the words; what the descriptors really are is looked at in inherited.ts.
import type { Address } from "../lib/address.ts";
import { isRecord, parseJson } from "../lib/json.ts";
import { FIRST_PASSED_FD } from "../transport/successor.ts";

/** The variables of systemd's protocol: for this process alone, not for those that it starts. */
export const SYSTEMD_VARIABLES = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] as const;
/** These speak of one process, or bind it to its parent, which a process that takes over outlives. */
const NOT_FOR_SUCCESSORS = new Set<string>([
  ...SYSTEMD_VARIABLES,
  "WATCHDOG_PID",
  "BUN_FEATURE_FLAG_NO_ORPHANS",
]);
/** Says what a process takes over, as JSON. */
export const HANDOVER_VARIABLE = "LINKERD_TCP_HANDOVER";

/** A descriptor that was passed. */
export interface PassedSocket {
  readonly fd: number;
  /** For messages. */
  readonly name: string;
  /** Whether the process before got its port from the system, because 0 was configured. */
  readonly anyPort: boolean;
}

/** What a process takes over from the one that started it. */
export interface Handover {
  readonly sockets: readonly PassedSocket[];
  /** One end of the channel between the two. */
  readonly channelFd: number;
  /** Where the admin server of the other listens. */
  readonly admin: Address;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** What systemd has passed to the process `pid`: nothing, when the variables are meant for another one. */
export function passedBySystemd(env: Environment, pid: number): readonly PassedSocket[] {
  if (env["LISTEN_PID"] !== String(pid)) return [];
  const count = Number(env["LISTEN_FDS"]);
  if (!Number.isInteger(count) || count < 0 || count > 65_536) return [];
  const names = (env["LISTEN_FDNAMES"] ?? "").split(":");
  return Array.from({ length: count }, (_, index) => ({
    fd: FIRST_PASSED_FD + index,
    name: names[index] || "unknown",
    anyPort: false,
  }));
}

/** What the process `parent` has handed over; undefined when the variable is missing or meant for another process. */
export function handedOver(env: Environment, parent: number): Handover | undefined {
  const value = parseJson(env[HANDOVER_VARIABLE] ?? "");
  if (!isRecord(value) || value["parent"] !== parent || !Array.isArray(value["sockets"])) return;
  const { admin } = value;
  if (!isRecord(admin) || typeof admin["ip"] !== "string" || typeof admin["port"] !== "number")
    return;
  const sockets = value["sockets"].map((kind: unknown, index) => ({
    fd: FIRST_PASSED_FD + index,
    name: `of process ${parent}`,
    anyPort: kind === "any port",
  }));
  const channelFd = FIRST_PASSED_FD + sockets.length;
  return { sockets, channelFd, admin: { ip: admin["ip"], port: admin["port"] } };
}

/** The environment of a process that takes over from this one, `pid`. */
export function successorEnvironment(
  env: Environment,
  pid: number,
  passed: { readonly anyPort: readonly boolean[]; readonly admin: Address },
): Environment {
  const kept = Object.entries(env).filter(([name]) => !NOT_FOR_SUCCESSORS.has(name));
  const sockets = passed.anyPort.map((anyPort) => (anyPort ? "any port" : "fixed port"));
  const handover = { parent: pid, sockets, admin: passed.admin };
  return { ...Object.fromEntries(kept), [HANDOVER_VARIABLE]: JSON.stringify(handover) };
}
