// The keys below `interpreter`: where endpoints come from. See schema.ts.
import { z } from "zod";
import { DEFAULTS } from "./defaults.ts";
import * as field from "./fields.ts";

const OBJECT = { error: "an object" };

const namerd = z
  .strictObject(
    {
      kind: z.literal("io.l5d.namerd.http"),
      baseUrl: field.baseUrl().describe("namerd's HTTP interface. A slash at its end is dropped."),
      namespace: field
        .text("a namespace of namerd")
        .default(DEFAULTS.namerd.namespace)
        .describe("Namespace of the dtab that names are resolved with."),
      periodSecs: field
        .duration("seconds", 1)
        .default(DEFAULTS.namerd.periodSecs)
        .describe("Time between polls where namerd does not stream."),
      requestTimeoutMs: field
        .duration("milliseconds", 1)
        .default(DEFAULTS.namerd.requestTimeoutMs)
        .describe("Longest wait for the head of an answer and, when polling, for all of it."),
    },
    OBJECT,
  )
  .describe("Names are resolved by namerd.");

const fs = z
  .strictObject(
    {
      kind: z.literal("io.l5d.fs"),
      rootDir: field
        .text("the path of a directory")
        .describe("Directory with a file for each name, relative to the configuration file."),
      prefix: field
        .path()
        .default(DEFAULTS.fs.prefix)
        .describe("Path that file names are appended to: below `/svc`, `/svc/web` is file `web`."),
    },
    OBJECT,
  )
  .describe("Names are files with an endpoint on each line, `host port` or `host port * weight`.");

const endpointObject = z.strictObject(
  {
    host: field.host().describe("IP address or host name."),
    port: field.whole("a port from 1 to 65535", 1, 65_535).describe("Port of the endpoint."),
    weight: field
      .weight()
      .default(DEFAULTS.endpoint.weight)
      .describe("Share asked for, relative to the other endpoints. 0 takes no connections."),
  },
  OBJECT,
);

const endpoint = z
  .union([field.endpointLine(), endpointObject], {
    error: "an endpoint such as 10.0.0.1:80, or an object with host and port",
  })
  .describe("`host:port`, `host port`, either with ` * weight` after it, or an object.");

/** Endpoints by path. */
export const names = z
  .record(z.string(), z.array(endpoint, { error: "a list of endpoints" }), {
    error: "an object from paths to lists of endpoints",
  })
  .describe(
    "The endpoints of each path: `host:port` or `host port`, perhaps with ` * weight` after it, or objects.",
  );

const staticNames = z
  .strictObject({ kind: z.literal("io.l5d.static"), names }, OBJECT)
  .describe("Names and their endpoints stand in the configuration itself.");

const byDefault = z
  .strictObject({ kind: z.literal("default") }, OBJECT)
  .describe("Names are looked up in the router's `dtab` and by the `namers` of this file.");

/** What resolves names. */
export const interpreter = z
  .discriminatedUnion("kind", [byDefault, namerd, fs, staticNames], OBJECT)
  .optional()
  .describe(
    "Where endpoints come from; `default` when there is a `dtab`. Paths `/$/inet/<host>/<port>` need no source in any of them.",
  );
