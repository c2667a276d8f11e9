// Starts the program anew with what this process listens on.
import type { Address } from "../lib/address.ts";
import type { ChannelObserver } from "../transport/channel.ts";
import { startSuccessor, type Successor } from "../transport/successor.ts";
import type { BoundServer } from "./servers.ts";
import { successorEnvironment } from "./passed-sockets.ts";

/** How the program is started anew, or why that cannot be. */
export type Restart = { readonly command: readonly string[] } | { readonly impossible: string };

/** Hands over the sockets of `servers`; `admin` is where the admin server listens. Answers why that did not work. */
export function startWith(
  restart: Restart,
  servers: readonly BoundServer[],
  admin: Address,
  observer: ChannelObserver,
): Successor | string {
  if ("impossible" in restart) return restart.impossible;
  const passed = servers.flatMap(({ socket: { fd }, config: { port } }) =>
    fd === undefined ? [] : [{ fd, anyPort: port === 0 }],
  );
  const anyPort = passed.map((socket) => socket.anyPort);
  const env = successorEnvironment(process.env, process.pid, { anyPort, admin });
  const sockets = passed.map(({ fd }) => fd);
  return startSuccessor({ command: restart.command, env, sockets, observer });
}
