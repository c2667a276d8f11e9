// The keys below `client`: how endpoints are reached. Defaults are applied after rules are merged, by client-for.ts,
// so here they are only stated. See schema.ts.
import { z } from "zod";
import { DEFAULTS } from "./defaults.ts";
import * as field from "./fields.ts";
import { failFast, failureAccrual, panicThresholdPercent, slowStart } from "./schema-accrual.ts";
import { loadBalancer } from "./schema-balancer.ts";
import { healthCheckSchema } from "./schema-health.ts";
import { hostConnectionPool, retries } from "./schema-retries.ts";
import { drain, socketOptions } from "./schema-sessions.ts";
import { clientProxyProtocol } from "./schema-proxy-protocol.ts";
import { clientTls } from "./schema-tls.ts";

const OBJECT = { error: "an object" };
const LIST = { error: "a list" };

const connector = {
  tls: clientTls.optional(),
  connectTimeoutMs: field
    .limitOf("milliseconds")
    .optional()
    .describe("Longest time of one attempt to connect, TLS handshake included. 0: no limit.")
    .meta({ default: DEFAULTS.client.connectTimeoutMs }),
  maxWaiters: field
    .count(1)
    .optional()
    .describe("Connections that may wait for an endpoint at a time.")
    .meta({ default: DEFAULTS.client.maxWaiters }),
  minConnections: field
    .count(0)
    .optional()
    .describe("Connections to endpoints kept open in advance, for each destination.")
    .meta({ default: DEFAULTS.client.minConnections }),
  failFast: failFast.optional(),
  failureAccrual: failureAccrual.optional(),
  slowStart: slowStart.optional(),
  panicThresholdPercent,
  retries: retries.optional(),
  hostConnectionPool: hostConnectionPool.optional(),
  loadBalancer: loadBalancer.optional(),
  proxyProtocol: clientProxyProtocol.optional(),
  socketOptions: socketOptions("endpoints").optional(),
  drain: drain.optional(),
  healthCheck: healthCheckSchema(clientTls).optional(),
};

/** Settings of connections to endpoints. */
export const client = z
  .discriminatedUnion(
    "kind",
    [
      z
        .strictObject({ kind: z.literal("io.l5d.global"), ...connector }, OBJECT)
        .describe("The same settings for all destinations."),
      z
        .strictObject(
          {
            kind: z.literal("io.l5d.static"),
            configs: z
              .array(
                z.strictObject(
                  {
                    prefix: field
                      .rulePrefix()
                      .describe(
                        "Destinations these settings are for: this path and those below. `*` is any label, `{name}` one that `tls.dnsName` may use.",
                      ),
                    ...connector,
                  },
                  OBJECT,
                ),
                LIST,
              )
              .describe("Settings by prefix. Of several that fit, later ones win, key by key."),
          },
          OBJECT,
        )
        .describe("Settings by destination."),
    ],
    OBJECT,
  )
  .optional()
  .describe("How endpoints are reached.");
