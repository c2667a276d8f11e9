// Binds every address that the configuration names, or none: all that fail are reported at once.
import type { Config } from "../config/types.ts";
import { formatAddress } from "../lib/address.ts";
import { BindError, bind, type BoundSocket } from "../transport/bind.ts";

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

/** Binds all servers and starts the admin server. Throws ListenError with all that failed, having closed the others. */
export function listen<Admin>(config: Config, startAdmin: () => Admin): Listening<Admin> {
  const failures: Error[] = [];
  const sockets = bindServers(config, failures);
  let admin: Admin | undefined;
  try {
    admin = startAdmin();
  } catch (error) {
    failures.push(new BindError(formatAddress(config.admin), codeOf(error), error));
  }
  if (failures.length === 0 && admin !== undefined) return { sockets, admin };
  for (const socket of sockets) socket.close();
  throw new ListenError(failures);
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown";
}

function bindServers({ routers }: Config, failures: Error[]): BoundSocket[] {
  const bound: BoundSocket[] = [];
  for (const { ip, port } of routers.flatMap(({ servers }) => servers)) {
    try {
      bound.push(bind(ip, port));
    } catch (error) {
      if (!(error instanceof BindError)) throw error;
      failures.push(error);
    }
  }
  return bound;
}
