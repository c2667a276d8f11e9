// The keys below `client.healthCheck`: active checks of endpoints. See schema.ts.
import { z } from "zod";
import { parsePort } from "../lib/address.ts";
import { BytePattern } from "../lib/byte-pattern.ts";
import { parseByteText } from "../lib/byte-text.ts";
import { DEFAULTS } from "./defaults.ts";
import * as field from "./fields.ts";
import { slashedPattern, statusRange } from "./health-values.ts";

const OBJECT = { error: "an object" };
const D = DEFAULTS.healthCheck;
/** Longest text to be sent: it must fit into the buffer of a new socket. */
const MOST_SENT_BYTES = 4_096;

/** Text with escapes. */
const byteText = (expected: string) =>
  field.checkedText(expected, (value) => {
    if (value === "") return "";
    const parsed = parseByteText(value);
    if (!parsed.ok) return parsed.problem;
    const { length } = parsed.bytes;
    return length > MOST_SENT_BYTES ? `it has more than ${MOST_SENT_BYTES} bytes` : undefined;
  });

const EXPECTATION = "how the reply begins, such as +PONG, or a pattern such as /^220 .*ready/";

const expectation = field.checkedText(EXPECTATION, (value) => {
  const pattern = slashedPattern(value);
  if (pattern !== undefined) {
    const compiled = BytePattern.compile(pattern.source, pattern.ignoreCase);
    return compiled.ok ? undefined : compiled.problem;
  }
  if (value === "") return "every reply begins so";
  const parsed = parseByteText(value);
  return parsed.ok ? undefined : parsed.problem;
});

const STATUS = "status codes such as 200, 2xx or 200-399";

const statusCodes = z.union(
  [
    field.whole(STATUS, 100, 599),
    field.checkedText(STATUS, (value) => (statusRange(value) === undefined ? "" : undefined)),
  ],
  { error: STATUS },
);

const requestPath = field.checkedText("a path such as /health", (value) => {
  if (!value.startsWith("/")) return "it must begin with /";
  return /^[!-~]*$/.test(value)
    ? undefined
    : "what is not ASCII, and spaces, must be encoded as %NN";
});

const hostHeader = field.checkedText("a host such as web.example.com", (value) => {
  const [whole, port] = /^(?:[\w.-]+|\[[0-9a-fA-F:.]+\])(?::(\d+))?$/.exec(value) ?? [];
  if (whole === undefined) return "";
  return port === undefined || parsePort(port) !== undefined ? undefined : "";
});

/** A name in a database: what it means there is not for us to say. */
const name = (expected: string) =>
  field.checkedText(expected, (value) =>
    value === "" || value.length > 255 || value.includes("\0") ? "" : undefined,
  );

const passwordFile = field
  .text("the path of a file with the password")
  .optional()
  .describe("File with the password; a line end at its end does not count.");

/** The keys of all kinds; `tls` is what connections to endpoints have. */
function common<Tls extends z.ZodType>(tls: Tls, isRole: boolean) {
  return {
    intervalMs: field
      .duration("milliseconds", 1)
      .default(D.intervalMs)
      .describe("Time from one check of an endpoint to the next, give or take 10 %."),
    timeoutMs: field
      .duration("milliseconds", 1)
      .default(D.timeoutMs)
      .describe("Longest time of one check, from the connect to the reply."),
    rise: field
      .count(1)
      .optional()
      .describe("Good checks in a row that make an unhealthy endpoint healthy.")
      .meta({ default: isRole ? D.roleRise : D.rise }),
    fall: field
      .count(1)
      .default(D.fall)
      .describe("Failed checks in a row that make an endpoint unhealthy."),
    port: field
      .whole("a port from 1 to 65535, or 0 for the endpoint's own", 0, 65_535)
      .default(D.port)
      .describe("Port that is checked. 0: the endpoint's own."),
    initially: z
      .enum(["healthy", "unhealthy"], { error: "healthy or unhealthy" })
      .optional()
      .describe(
        "What an endpoint is taken for before it was checked. `unhealthy`: it must pass once before it gets connections.",
      )
      .meta({ default: isRole ? "unhealthy" : "healthy" }),
    onUnhealthy: z
      .enum(["keep", "drain", "cut"], { error: "keep, drain or cut" })
      .optional()
      .describe(
        "What becomes of the connections of an endpoint that turns unhealthy: they go on, are ended bit by bit, or at once.",
      )
      .meta({ default: isRole ? "cut" : "keep" }),
    tls: z
      .union([tls, z.literal("none", { error: "an object with dnsName, or none" })], {
        error: "an object with dnsName, or none",
      })
      .optional()
      .describe(
        "How checks speak TLS; `none` for plain. Without it as connections of the destination, where the port is the same.",
      ),
  };
}

const exchangeKeys = {
  kind: z.literal("exchange"),
  send: byteText(`a text of up to ${MOST_SENT_BYTES} bytes, such as PING\\r\\n`)
    .optional()
    .describe("Text that is sent, with `\\r`, `\\n`, `\\t`, `\\\\` and `\\xNN`."),
  expect: expectation.describe(
    "How the reply must begin, with the same escapes; or `/pattern/`, which must be found in it, or `/pattern/i`.",
  ),
};

const httpKeys = {
  kind: z.literal("http"),
  path: requestPath.default(D.path).describe("Path that is asked for by GET."),
  host: hostHeader
    .optional()
    .describe("The Host header. Without it `tls.dnsName`, or the address of the endpoint."),
  expectStatus: z
    .array(statusCodes, { error: `a list of ${STATUS}` })
    .min(1, { error: `a list of ${STATUS}` })
    .default([...D.expectStatus])
    .describe("Status codes that are good: `200`, `2xx`, `200-399`."),
};

const postgresKeys = {
  kind: z.literal("postgres"),
  role: z
    .enum(["primary", "replica", "any"], { error: "primary, replica or any" })
    .default("primary")
    .describe("Which servers are healthy: `any` takes every one that answers."),
  user: name("the name of a PostgreSQL user").describe("Who logs in. Needs no rights."),
  database: name("the name of a PostgreSQL database")
    .default(D.database)
    .describe("Database that is connected to."),
  passwordFile,
};

const redisKeys = {
  kind: z.literal("redis"),
  role: z
    .enum(["master", "replica", "any"], { error: "master, replica or any" })
    .default("master")
    .describe("Which servers are healthy: `any` takes every one that answers."),
  user: name("the name of a Redis user")
    .optional()
    .describe("Who logs in, with `passwordFile`; without it Redis's `default`."),
  passwordFile,
};

/** Active checks of endpoints. `clientTls` is the schema of `client.tls`. */
export function healthCheckSchema<Tls extends z.ZodType>(clientTls: Tls) {
  const shared = common(clientTls, false);
  const ofRole = common(clientTls, true);
  return z
    .discriminatedUnion(
      "kind",
      [
        z
          .strictObject({ kind: z.literal("tcp"), ...shared }, OBJECT)
          .describe("Connects, without TLS."),
        z
          .strictObject({ kind: z.literal("tls"), ...shared }, OBJECT)
          .describe("Connects and shakes hands by TLS; the certificate must be valid."),
        z
          .strictObject({ ...exchangeKeys, ...shared }, OBJECT)
          .describe("Sends a text and looks at the reply."),
        z
          .strictObject({ ...httpKeys, ...shared }, OBJECT)
          .describe("Asks by HTTP/1.1, and looks at the status code."),
        z
          .strictObject({ ...postgresKeys, ...ofRole }, OBJECT)
          .describe("Logs in to PostgreSQL and asks whether the server is the primary."),
        z.strictObject({ ...redisKeys, ...ofRole }, OBJECT).describe("Asks Redis for its role."),
      ],
      OBJECT,
    )
    .describe("Checks endpoints: those that are down, or in another role, get no connections.");
}
