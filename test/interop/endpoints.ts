// Four TLS stacks as endpoints: each listens once for each version and type of key.
import { join } from "node:path";
import { freePort } from "../support/peers/free-port.ts";
import { listening } from "../support/tls/listening.ts";
import type { Certificates, KeyFiles } from "./certificates.ts";
import type { Cell } from "./cells.ts";

/** Listens for one cell. */
export interface Endpoint {
  readonly cell: Cell;
  readonly port: number;
  /** What comes back of a line. */
  readonly answer: (line: string) => string;
}

/** Starts an endpoint for each of `cells`; they end with `stack`. */
export async function startEndpoints(
  cells: readonly Cell[],
  { files }: Certificates,
  stack: DisposableStack,
): Promise<readonly Endpoint[]> {
  const endpoints = cells.map((cell) => {
    const port = freePort();
    const child = Bun.spawn(commandOf(cell, port, files[cell.key]), {
      // They end with it, or look at it for commands.
      stdin: "pipe",
      stdout: "ignore",
      stderr: "ignore",
    });
    stack.defer(() => child.kill("SIGKILL"));
    // s_server says each line backwards.
    const turned = (line: string): string => [...line].toReversed().join("");
    return { cell, port, answer: cell.stack === "OpenSSL" ? turned : (line: string) => line };
  });
  await Promise.all(endpoints.map(({ port }) => listening(port)));
  return endpoints;
}

function commandOf({ stack, version }: Cell, port: number, { cert, key }: KeyFiles): string[] {
  switch (stack) {
    case "OpenSSL":
      return [
        ...["openssl", "s_server", "-accept", `127.0.0.1:${port}`, "-rev"],
        ...["-cert", cert, "-key", key, `-tls1_${version.slice(2)}`],
      ];
    case "GnuTLS":
      return [
        ...["gnutls-serv", "--port", `${port}`, "--echo", "--disable-client-cert"],
        ...["--x509certfile", cert, "--x509keyfile", key],
        ...["--priority", `NORMAL:-VERS-ALL:+VERS-TLS${version}`],
      ];
    case "Node.js":
      return ["node", join(import.meta.dir, "endpoint.mjs"), `${port}`, cert, key, version];
    case "Python":
      return ["python3", join(import.meta.dir, "endpoint.py"), `${port}`, cert, key, version];
    default:
      return stack satisfies never;
  }
}
