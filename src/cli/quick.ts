// The configuration that the quick form of the command line stands for.
import { sessionDefaults } from "../config/compile-sessions.ts";
import { DEFAULTS, limit, seconds } from "../config/defaults.ts";
import type { Config } from "../config/types.ts";
import { formatAddress } from "../lib/address.ts";
import type { QuickCommand } from "./args.ts";

/** One router with one server, everything else by default; `source` is the same as a configuration file would say it. */
export function quickConfig(command: QuickCommand): { config: Config; source: unknown } {
  const { listen, admin, namespace, target } = command;
  const baseUrl = `http://${formatAddress({ ip: command.namerd.host, port: command.namerd.port })}`;
  const bufferSizeBytes = command.windowKb * 1024;
  const interpreter = { kind: "io.l5d.namerd.http", baseUrl, namespace } as const;
  const periodMs = seconds(command.intervalSecs);
  const { requestTimeoutMs } = DEFAULTS.namerd;
  const graceMs = seconds(DEFAULTS.admin.graceSecs);
  const config: Config = {
    admin: { ...admin, graceMs, drainWindowMs: graceMs / 2 },
    namers: [],
    routers: [
      {
        label: "default",
        interpreter: { ...interpreter, periodMs, requestTimeoutMs },
        servers: [
          {
            ...listen,
            dstName: target,
            tls: undefined,
            proxyProtocol: undefined,
            connectTimeoutMs: limit(DEFAULTS.server.connectTimeoutMs),
            connectionLifetimeMs: limit(seconds(DEFAULTS.server.connectionLifetimeSecs)),
            ...sessionDefaults(),
            idleTimeoutMs: limit(seconds(DEFAULTS.server.idleTimeoutSecs)),
            maxConcurrency: DEFAULTS.server.maxConcurrency,
          },
        ],
        client: [],
      },
    ],
    bufferSizeBytes,
    workers: DEFAULTS.workers,
    reloadOnChange: false,
    followCertificates: true,
  };
  const source = {
    admin,
    routers: [
      {
        label: "default",
        interpreter: { ...interpreter, periodSecs: command.intervalSecs },
        servers: [{ ...listen, dstName: target }],
      },
    ],
    bufferSizeBytes,
  };
  return { config, source };
}
