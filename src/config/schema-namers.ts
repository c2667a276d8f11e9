// The keys below `namers`: the sources of names below `/#`. See schema.ts.
import { z } from "zod";
import { DEFAULTS } from "./defaults.ts";
import * as field from "./fields.ts";
import { PathMatcher, PathTemplate } from "../naming/path-matcher.ts";
import { names } from "./schema-interpreter.ts";

const OBJECT = { error: "an object" };

/** Keys of every namer. */
const common = {
  prefix: field
    .path()
    .optional()
    .describe("Path below `/#` of the names; the kind when absent: `/#/io.l5d.fs`."),
  experimental: z
    .boolean({ error: "true or false" })
    .optional()
    .describe("Accepted for files of linkerd and namerd, without effect."),
};

const host = field.host().default(DEFAULTS.namers.host);

function port(byDefault: number) {
  return field.whole("a port from 1 to 65535", 1, 65_535).default(byDefault);
}

function flag(byDefault: boolean) {
  return z.boolean({ error: "true or false" }).default(byDefault);
}

const tls = z
  .strictObject(
    {
      disableValidation: flag(false).describe("Accepts any certificate. For trials only."),
      commonName: field
        .hostName()
        .optional()
        .describe("Name that the server's certificate must have, where it is not the host."),
      trustCertsBundle: field
        .pemFile()
        .optional()
        .describe("PEM file of the authorities that are trusted; the system's when absent."),
      clientAuth: z
        .strictObject(
          {
            certPath: field.pemFile().describe("PEM file of our certificate chain, leaf first."),
            keyPath: field.pemFile().describe("PEM file of its key."),
          },
          OBJECT,
        )
        .optional()
        .describe("The certificate to show to the server."),
    },
    OBJECT,
  )
  .describe("Makes requests go over TLS.");

const fs = z
  .strictObject(
    {
      kind: z.literal("io.l5d.fs"),
      ...common,
      rootDir: field
        .text("the path of a directory")
        .describe("Directory with a file for each name, relative to the configuration file."),
    },
    OBJECT,
  )
  .describe("`/#/io.l5d.fs/<file>`: files with an endpoint on each line.");

const staticNames = z
  .strictObject({ kind: z.literal("io.l5d.static"), ...common, names }, OBJECT)
  .describe("`/#/io.l5d.static/<name>`: endpoints that stand in the configuration itself.");

const rewrite = z
  .strictObject(
    {
      kind: z.literal("io.l5d.rewrite"),
      ...common,
      prefix: field.path().describe("Path below `/#` of the names that are rewritten."),
      pattern: field
        .checkedText("a pattern such as /{service}/api", (value) =>
          complaintOf(PathMatcher.parse(value)),
        )
        .describe("What the rest of the path must begin with: segments, `*`, `{captures}`."),
      name: field
        .checkedText("a path such as /svc/{service}", (value) =>
          complaintOf(PathTemplate.parse(value)),
        )
        .describe("The path that takes its place, with the `{captures}` of `pattern`."),
    },
    OBJECT,
  )
  .describe("Replaces names by others, which are then looked up in the dtab.");

const dnssrv = z
  .strictObject(
    {
      kind: z.literal("io.l5d.dnssrv"),
      ...common,
      refreshIntervalSeconds: field
        .duration("seconds", 1)
        .default(DEFAULTS.namers.refreshIntervalSeconds)
        .describe("Longest time between queries; records that live shorter are asked for sooner."),
      dnsHosts: z
        .array(
          field.checkedText("an IP address, or one with a port such as 127.0.0.1:5353", (value) =>
            field.isNameServer(value) ? undefined : "",
          ),
          { error: "a list of name servers" },
        )
        .default([])
        .describe("Name servers; those of the system when empty."),
    },
    OBJECT,
  )
  .describe("`/#/io.l5d.dnssrv/<srv name>`: SRV records.");

const health = z.enum(["passing", "warning", "critical", "maintenance"], {
  error: "passing, warning, critical or maintenance",
});

const consul = z
  .strictObject(
    {
      kind: z.literal("io.l5d.consul"),
      ...common,
      host: host.describe("Host of the Consul agent."),
      port: port(DEFAULTS.namers.consulPort).describe("Port of the Consul agent."),
      includeTag: flag(false).describe("Names are `/<dc>/<tag>/<service>`."),
      useHealthCheck: flag(false).describe("Only instances whose health is fit are used."),
      healthStatuses: z
        .array(health, { error: "a list of passing, warning, critical, maintenance" })
        .min(1, { error: "a list of at least one state of health" })
        .default(["passing"])
        .describe("States of health that are fit."),
      token: field.text("a token").optional().describe("ACL token."),
      setHost: flag(false).describe("Adds the service's DNS name to what namerd tells of it."),
      consistencyMode: z
        .enum(["default", "stale", "consistent"], { error: "default, stale or consistent" })
        .default("default")
        .describe("Consul's consistency mode of the queries."),
      failFast: flag(false).describe("Accepted for files of linkerd, without effect."),
      preferServiceAddress: flag(true).describe(
        "Uses the address of the service, where it has one, rather than the node's.",
      ),
      weights: z
        .array(
          z.strictObject(
            {
              tag: field.text("a tag").describe("Tag of an instance."),
              weight: field.weight().describe("Its weight."),
            },
            OBJECT,
          ),
          { error: "a list of objects with tag and weight" },
        )
        .default([])
        .describe("Weights by tag; the largest that fits counts."),
      failoverDatacenters: z
        .array(field.text("a data center"), { error: "a list of data centers" })
        .default([])
        .describe("Asked in order while the data center of a name has no fit instance."),
      transferMetadata: flag(false).describe("Passes on the metadata of nodes and services."),
      fixedLengthStreamedAfterKB: field
        .count(0)
        .optional()
        .describe("Accepted for files of linkerd, without effect."),
      tls: tls.optional(),
    },
    OBJECT,
  )
  .describe("`/#/io.l5d.consul/<dc>/<service>`: services of Consul.");

const k8sKeys = {
  ...common,
  host: field
    .host()
    .optional()
    .describe("Host of the API server. In a cluster, its own when absent; else localhost."),
  port: field
    .whole("a port from 1 to 65535", 1, 65_535)
    .optional()
    .describe("Port of the API server. In a cluster, its own when absent; else 8001."),
  scheme: z
    .enum(["http", "https"], { error: "http or https" })
    .optional()
    .describe("`https` in a cluster, and where `caCertPath` is given; else `http`."),
  caCertPath: field
    .text("the path of a PEM file")
    .optional()
    .describe("PEM file of the API server's authorities, read anew when it changes."),
  tokenPath: field
    .text("the path of a file")
    .optional()
    .describe("File with the bearer token, read for each request."),
  labelSelector: field
    .text("the key of a label")
    .optional()
    .describe("Label whose value is then the last segment of each name."),
};

const k8s = z
  .strictObject({ kind: z.literal("io.l5d.k8s"), ...k8sKeys }, OBJECT)
  .describe("`/#/io.l5d.k8s/<namespace>/<port>/<service>`: endpoints of Kubernetes services.");

const k8sNs = z
  .strictObject(
    {
      kind: z.literal("io.l5d.k8s.ns"),
      ...k8sKeys,
      envVar: field
        .text("the name of an environment variable")
        .default(DEFAULTS.namers.namespaceVariable)
        .describe("Environment variable with the namespace."),
    },
    OBJECT,
  )
  .describe("`/#/io.l5d.k8s.ns/<port>/<service>`: the same in one namespace.");

const etcd = z
  .strictObject(
    {
      kind: z.literal("io.l5d.etcd"),
      ...common,
      host: host.describe("Host of etcd."),
      port: port(DEFAULTS.namers.etcdPort).describe("Port of etcd."),
      endpoints: z
        .array(field.baseUrl(), { error: "a list of URLs" })
        .default([])
        .describe("URLs of the members, instead of `host` and `port`."),
      pathPrefix: field
        .path()
        .default(DEFAULTS.namers.etcdPrefix)
        .describe("Beginning of the keys: `<pathPrefix>/<name>`."),
      tls: tls.optional(),
    },
    OBJECT,
  )
  .describe("`/#/io.l5d.etcd/<name>`: keys of etcd.");

function complaintOf(
  parsed:
    | { readonly ok: true }
    | { readonly ok: false; readonly column: number; readonly message: string },
): string | undefined {
  return parsed.ok ? undefined : `column ${parsed.column} of it: ${parsed.message}`;
}

/** The list of namers. */
export const namers = z
  .array(
    z.discriminatedUnion(
      "kind",
      [fs, staticNames, rewrite, dnssrv, consul, k8s, k8sNs, etcd],
      OBJECT,
    ),
    { error: "a list of namers" },
  )
  .default([])
  .describe("Sources of the names below `/#`, for the routers whose interpreter is `default`.");

export type FileNamer = z.output<typeof namers>[number];
/** The keys `tls` of namers, and of whatever else asks a server over HTTP. */
export const httpTls = tls;
export type FileHttpTls = z.output<typeof tls>;
