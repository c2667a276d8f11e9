// Connects as the product does, in a process of its own: where limits, network namespaces or the lack of FFI matter.
// Arguments: ip, port, time limit in ms; then, for TLS, a file with the authority and the name. Prints JSON.
import { readFileSync } from "node:fs";
import { systemClock } from "../../../src/lib/clock.ts";
import { ClientTls } from "../../../src/transport/client-tls.ts";
import { connectTarget, SocketConnector } from "../../../src/transport/connector.ts";
import { libc } from "../../../src/transport/libc.ts";
import type { Socket } from "../../../src/transport/socket.ts";

/** What the probe prints. */
export interface Probed {
  /** `connected`, or why not. */
  readonly outcome: string;
  readonly detail: string;
  readonly ffi: boolean;
  /** Attempts that connected before: more than one is made until one fails with `--until-failure`. */
  readonly connected: number;
}

if (import.meta.main) {
  const [ip = "", port = "", timeoutMs = "", caFile, name = ""] = process.argv
    .slice(2)
    .filter((arg) => !arg.startsWith("--"));
  const untilFailure = process.argv.includes("--until-failure");
  const tls =
    caFile === undefined
      ? undefined
      : new ClientTls().options({ dnsName: name, trustPem: [readFileSync(caFile, "utf8")] });
  const connector = new SocketConnector(tls, Number(timeoutMs), systemClock, (error) => {
    console.error(error);
    process.exit(1);
  });
  let connected = 0;
  const finish = (outcome: string, detail: string): void => {
    const probed: Probed = { outcome, detail, ffi: libc !== undefined, connected };
    console.log(JSON.stringify(probed));
    process.exit(0);
  };
  const attempt = (): void => {
    connector.connect(connectTarget(ip, Number(port)), {
      onConnected(socket: Socket) {
        connected += 1;
        socket.data = { onData() {}, onDrain() {}, onEnd() {}, onClose() {} };
        if (untilFailure) attempt();
        else finish("connected", "");
      },
      onConnectFailed: finish,
    });
  };
  attempt();
}
