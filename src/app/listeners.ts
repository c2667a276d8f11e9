// Binds every address that the configuration names, or none: all that fail are reported at once.
import type { Config } from "../config/types.ts";
import { formatAddress } from "../lib/address.ts";
import { BindError, bind, type BoundSocket } from "../transport/bind.ts";
import type { Inherited } from "./inherited.ts";

/** Some addresses could not be bound. */
export class ListenError extends Error {
  readonly code = "CANNOT_LISTEN";
  readonly failures: readonly Error[];

  constructor(failures: readonly Error[]) {
    super(failures.map(({ message }) => message).join("\n"), { cause: failures[0] });
    this.name = "ListenError";
    this.failures = failures;
  }
}

/** Everything that listens: servers, and what `admin` starts. */
export interface Listening<Admin> {
  /** Of the servers of all routers, in the order of the file. */
  readonly sockets: readonly BoundSocket[];
  readonly admin: Admin;
}

/** Binds all servers that inherit no socket, and starts the admin server. Throws ListenError with all that failed, having closed the others. */
export function listen<Admin>(
  config: Config,
  inherited: Inherited,
  startAdmin: () => Admin,
): Listening<Admin> {
  const failures: Error[] = [];
  const sockets = bindServers(config, inherited, failures);
  let admin: Admin | undefined;
  try {
    admin = startAdmin();
  } catch (error) {
    failures.push(...adminFailures(config, inherited, error));
  }
  if (failures.length === 0 && admin !== undefined) return { sockets, admin };
  for (const socket of sockets) socket.close();
  throw new ListenError(failures);
}

/** Why the admin server could not listen, and what may be behind that. */
export function adminFailures({ admin }: Config, inherited: Inherited, error: unknown): Error[] {
  const hint = inherited.hint(admin);
  const failure = new BindError(formatAddress(admin), codeOf(error), error);
  return hint === undefined ? [failure] : [failure, new Error(hint)];
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown";
}

function bindServers({ routers }: Config, inherited: Inherited, failures: Error[]): BoundSocket[] {
  const wanted = routers.flatMap(({ servers }) => servers);
  const passed = inherited.assign(wanted);
  const bound: BoundSocket[] = [];
  for (const [index, config] of wanted.entries()) {
    try {
      bound.push(passed[index] ?? bind(config.ip, config.port));
    } catch (error) {
      if (!(error instanceof BindError)) throw error;
      failures.push(error);
      const hint = inherited.hint(config);
      if (hint !== undefined) failures.push(new Error(hint));
    }
  }
  return bound;
}
