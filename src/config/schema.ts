// The configuration file: every key with its type, its default and its meaning. Validation, the JSON Schema for
// editors and docs/reference/config.md all come from here. What crosses keys, and files, is checked in compile.ts.
import { z } from "zod";
import { DEFAULTS } from "./defaults.ts";
import * as field from "./fields.ts";
import { client } from "./schema-client.ts";
import { interpreter } from "./schema-interpreter.ts";
import { limits, overload } from "./schema-limits.ts";
import { namers } from "./schema-namers.ts";
import { socketOptions } from "./schema-sessions.ts";
import { serverProxyProtocol } from "./schema-proxy-protocol.ts";
import { bindingCache, otherwise, passthrough, routedPath, routes } from "./schema-routes.ts";
import { serverTls } from "./schema-tls.ts";

const OBJECT = { error: "an object" };
const LIST = { error: "a list" };

const admin = z
  .strictObject(
    {
      port: field
        .whole("a port from 0 to 65535", 0, 65_535)
        .default(DEFAULTS.admin.port)
        .describe("Port of the admin server. 0 asks the system for a free one."),
      ip: field.ip().default(DEFAULTS.admin.ip).describe("Address of the admin server."),
      metricsIntervalSecs: field
        .duration("seconds", 0)
        .default(DEFAULTS.admin.metricsIntervalSecs)
        .describe("Accepted for older files, without effect: metrics are always current."),
      graceSecs: field
        .duration("seconds", 0)
        .default(DEFAULTS.admin.graceSecs)
        .describe("How long a graceful shutdown lets connections end before it resets them."),
      drainWindowSecs: field
        .duration("seconds", 0)
        .optional()
        .describe(
          "The last part of graceSecs, over which connections that are left are ended one by one. Half of graceSecs when absent.",
        ),
    },
    OBJECT,
  )
  .prefault({})
  .describe("The admin server: metrics, status and shutdown over HTTP.");

const serverKeys = z.strictObject(
  {
    port: field
      .whole("a port from 0 to 65535", 0, 65_535)
      .describe("Port to listen on. 0 asks the system for a free one."),
    ip: field.ip().default(DEFAULTS.server.ip).describe("Address to listen on."),
    dstName: routedPath()
      .optional()
      .describe(
        "Path that connections go to, or those that no rule of `routes` is for. `{sni}` and `{alpn}` in it stand for the name that the client asks for, and for its protocol.",
      ),
    routes: routes.optional(),
    otherwise: otherwise.optional(),
    passthrough: passthrough.optional(),
    tls: serverTls.optional(),
    proxyProtocol: serverProxyProtocol.optional(),
    connectTimeoutMs: field
      .limitOf("milliseconds")
      .default(DEFAULTS.server.connectTimeoutMs)
      .describe(
        "Longest time from accepting a connection to having an endpoint for it. 0: no limit.",
      ),
    connectionLifetimeSecs: field
      .limitOf("seconds")
      .default(DEFAULTS.server.connectionLifetimeSecs)
      .describe("Longest life of a connection once it has an endpoint. 0: no limit."),
    connectionLifetimeJitterPercent: field
      .whole("a whole number from 0 to 100", 0, 100)
      .default(DEFAULTS.server.connectionLifetimeJitterPercent)
      .describe(
        "Lives are shorter than connectionLifetimeSecs by up to this part of it, so that connections made at once do not end at once.",
      ),
    idleTimeoutSecs: field
      .limitOf("seconds")
      .default(DEFAULTS.server.idleTimeoutSecs)
      .describe("Longest time without a byte in either direction. 0: no limit."),
    halfClosedTimeoutSecs: field
      .limitOf("seconds")
      .default(DEFAULTS.server.halfClosedTimeoutSecs)
      .describe("Longest time without a byte once one direction has ended (FIN). 0: no limit."),
    socketOptions: socketOptions("clients").prefault({}),
    maxConcurrency: field
      .count(1)
      .default(DEFAULTS.server.maxConcurrency)
      .describe("Connections served at a time; more wait in the queue of the system."),
    limits: limits.optional(),
  },
  OBJECT,
);

const server = serverKeys.check((context) => {
  const { dstName, routes: rules } = context.value;
  if (dstName !== undefined || rules !== undefined) return;
  const message = "a path such as /svc/web, or routes";
  context.issues.push({ code: "custom", message, path: ["dstName"], input: undefined });
});

const router = z.strictObject(
  {
    label: field.text("a text").describe("Name of the router in metrics. Unique."),
    dtab: field
      .dtab()
      .optional()
      .describe("Rules that lead names to the namers: `/svc => /#/io.l5d.fs;`. Later rules win."),
    interpreter,
    servers: z.array(server, LIST).describe("Where the router accepts connections."),
    client,
    bindingCache: bindingCache.optional(),
  },
  OBJECT,
);

/** A whole configuration file. */
export const fileSchema = z
  .strictObject(
    {
      $schema: z
        .string({ error: "a text" })
        .optional()
        .describe("For editors: where the JSON Schema of this file is. Ignored."),
      admin,
      namers,
      routers: z.array(router, LIST).describe("Routers join servers to the names they serve."),
      bufferSizeBytes: field
        .count(1)
        .default(DEFAULTS.bufferSizeBytes)
        .describe("Bytes of a client kept, for each connection, while its endpoint is connected."),
      workers: z
        .union(
          [
            field.whole("a whole number from 1 to 1024, or auto", 1, 1024),
            z.literal("auto", { error: "a whole number from 1 to 1024, or auto" }),
          ],
          { error: "a whole number from 1 to 1024, or auto" },
        )
        .default(DEFAULTS.workers)
        .describe("Threads that serve connections; `auto` for one a core."),
      overload: overload.optional(),
      followCertificates: z
        .boolean({ error: "true or false" })
        .default(DEFAULTS.followCertificates)
        .describe(
          "New connections see what changes in the PEM files that the file names, without a reload.",
        ),
      reloadOnChange: z
        .boolean({ error: "true or false" })
        .default(DEFAULTS.reloadOnChange)
        .describe(
          "Reloads the file when it changes, or a PEM file that it names. Else SIGHUP and `POST /reload` do.",
        ),
    },
    { error: "an object with the key routers" },
  )
  .describe("Configuration of linkerd-tcp.");

/** A file that fits the schema, defaults applied. */
export type File = z.output<typeof fileSchema>;
export type FileRouter = File["routers"][number];
export type FileServer = FileRouter["servers"][number];
export type FileClient = NonNullable<FileRouter["client"]>;
export type FileConnector = Omit<Extract<FileClient, { kind: "io.l5d.global" }>, "kind">;
