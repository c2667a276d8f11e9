// The configuration file of `linkerd-tcp namerd`: every key with its type, its default and its meaning. See schema.ts.
import { z } from "zod";
import { DEFAULTS } from "./defaults.ts";
import * as field from "./fields.ts";
import { httpTls, namers } from "./schema-namers.ts";

const OBJECT = { error: "an object" };

function port(byDefault: number) {
  return field.whole("a port from 0 to 65535", 0, 65_535).default(byDefault);
}

const admin = z
  .strictObject(
    {
      ip: field.ip().default(DEFAULTS.admin.ip).describe("Address of the admin server."),
      port: port(DEFAULTS.namerdServer.adminPort).describe(
        "Port of the admin server. 0 asks the system for a free one.",
      ),
      shutdownGraceMs: field
        .duration("milliseconds", 0)
        .optional()
        .describe("Accepted for files of namerd, without effect: it ends at once."),
    },
    OBJECT,
  )
  .prefault({})
  .describe("The admin server: metrics and shutdown over HTTP.");

const namespaces = z
  .record(z.string(), field.dtab(), { error: "an object from namespaces to dtabs" })
  .default({});

const inMemory = z
  .strictObject(
    {
      kind: z.literal("io.l5d.inMemory"),
      namespaces: namespaces.describe("Dtabs to begin with, by namespace."),
    },
    OBJECT,
  )
  .describe("Dtabs are lost when the process ends.");

const sqlite = z
  .strictObject(
    {
      kind: z.literal("io.l5d.sqlite"),
      path: field
        .text("the path of a file")
        .describe("Database file, relative to the configuration file. Made if it is not there."),
      namespaces: namespaces.describe("Dtabs that a new database begins with, by namespace."),
    },
    OBJECT,
  )
  .describe("Dtabs are in a file of this namerd alone. What was answered is never lost.");

const etcd = z
  .strictObject(
    {
      kind: z.literal("io.l5d.etcd"),
      experimental: z
        .boolean({ error: "true or false" })
        .optional()
        .describe("Accepted for files of namerd, without effect."),
      host: field.host().default(DEFAULTS.namers.host).describe("Host of etcd."),
      port: field
        .whole("a port from 1 to 65535", 1, 65_535)
        .default(DEFAULTS.namers.etcdPort)
        .describe("Port of etcd."),
      endpoints: z
        .array(field.baseUrl(), { error: "a list of URLs" })
        .default([])
        .describe("URLs of the members, instead of `host` and `port`."),
      pathPrefix: field
        .path()
        .default(DEFAULTS.namerdServer.etcdPrefix)
        .describe("Beginning of the keys: `<pathPrefix>/<namespace>`."),
      tls: httpTls.optional(),
    },
    OBJECT,
  )
  .describe("Dtabs are in etcd, for all namerds that use the same prefix.");

const httpController = z
  .strictObject(
    {
      kind: z.literal("io.l5d.httpController"),
      ip: field.ip().default("127.0.0.1").describe("Address to listen on."),
      port: port(DEFAULTS.namerdServer.port).describe(
        "Port to listen on. 0 asks the system for a free one.",
      ),
    },
    OBJECT,
  )
  .describe("The HTTP API.");

/** A whole configuration file of namerd. */
export const namerdSchema = z
  .strictObject(
    {
      $schema: z
        .string({ error: "a text" })
        .optional()
        .describe("For editors: where the JSON Schema of this file is. Ignored."),
      admin,
      storage: z
        .discriminatedUnion("kind", [inMemory, sqlite, etcd], OBJECT)
        .describe("Where dtabs are kept."),
      namers: namers.describe("Sources of the names below `/#`."),
      interfaces: z
        .array(z.discriminatedUnion("kind", [httpController], OBJECT), {
          error: "a list of interfaces",
        })
        .min(1, { error: "a list of at least one interface" })
        .describe("Where others ask for names."),
      telemetry: z
        .array(z.unknown(), { error: "a list" })
        .optional()
        .describe(
          "Accepted for files of namerd, without effect: the admin server has the metrics.",
        ),
    },
    { error: "an object with the keys storage and interfaces" },
  )
  .describe("Configuration of linkerd-tcp namerd.");

/** A file that fits the schema, defaults applied. */
export type NamerdFile = z.output<typeof namerdSchema>;
