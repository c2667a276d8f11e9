// An endpoint that answers a TLS handshake with something else and resets: both are there when they are looked at.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { has } from "../../test/support/tls/tools.ts";
import { until } from "../../test/support/until.ts";
import { systemClock } from "../lib/clock.ts";
import { ClientTls } from "./client-tls.ts";
import { connectTarget, SocketConnector } from "./connector.ts";

/** Takes a ClientHello; at a signal it answers, resets and ends. */
const ENDPOINT = `
import signal, socket, struct
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
connection, _ = listener.accept()
connection.recv(65536)
print("asked", flush=True)
signal.sigwait({signal.SIGUSR1})
connection.sendall(b"what?\\r\\n")
connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
connection.close()
`;

test.skipIf(!has("python3"))(
  "an endpoint that does not speak TLS is no endpoint that refuses, though it has reset as well",
  async () => {
    const endpoint = Bun.spawn(["python3", "-c", ENDPOINT], { stdout: "pipe" });
    let said = "";
    void (async () => {
      for await (const bytes of endpoint.stdout) said += new TextDecoder().decode(bytes);
    })();
    await until("it listens", () => said.includes("\n"));
    const tls = new ClientTls().options({ dnsName: "web.test", trustPem: undefined });
    const connector = new SocketConnector(tls, 30_000, systemClock, (fault) => {
      throw fault;
    });
    const failures: [string, string][] = [];
    connector.connect(connectTarget("127.0.0.1", Number.parseInt(said, 10)), {
      onConnected: (socket) => socket.terminate(),
      onConnectFailed: (failure, detail) => failures.push([failure, detail]),
    });
    await until("it is asked", () => said.includes("asked"));
    endpoint.kill("SIGUSR1");
    // Sockets are looked at when it is over, not before: there is no await here.
    while (!hasEnded(endpoint.pid));
    await until("the attempt has failed", () => failures.length > 0);
    expect(failures).toEqual([["tls", expect.stringContaining("WRONG_VERSION_NUMBER") as string]]);
  },
);

function hasEnded(pid: number): boolean {
  try {
    return /\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return true;
  }
}
