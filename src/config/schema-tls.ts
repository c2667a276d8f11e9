// The keys `tls` of servers and of `client`. See schema.ts.
import { z } from "zod";
import { DEFAULTS } from "./defaults.ts";
import * as field from "./fields.ts";
import {
  clientPolicyKeys,
  hostTemplate,
  identityAuthKeys,
  serverAuthKeys,
} from "./schema-client-auth.ts";

const OBJECT = { error: "an object" };

const pairKeys = {
  certs: z
    .array(field.pemFile(), { error: "a list of PEM files" })
    .min(1, { error: "a list of at least one PEM file" })
    .describe("PEM files of the certificate chain, put together in order, leaf first."),
  privateKey: field.pemFile().describe("PEM file of the key: PKCS#8, PKCS#1 or EC (SEC1)."),
  passphraseFile: field
    .pathOfFile("the path of a file with a passphrase")
    .optional()
    .describe("File with the passphrase of an encrypted key, in one line."),
};

const pair = z.strictObject(pairKeys, OBJECT);

const pairOrPairs =
  "an object with certs and privateKey, or a list of such, one for each type of key";

const pairs = z
  .array(pair, { error: pairOrPairs })
  .min(1, { error: "a list of at least one pair" });

/** One pair, or one for each type of key. */
const identity = z.union([pair, pairs], { error: pairOrPairs });

/** The same, and who may see it. */
const namedIdentity = z.union(
  [z.strictObject({ ...pairKeys, ...identityAuthKeys }, OBJECT), pairs],
  { error: pairOrPairs },
);

const closeNotify = (who: string) =>
  z
    .enum(["optional", "required"], { error: "optional or required" })
    .default("optional")
    .describe(
      `Whether ${who} must end TLS by close_notify. With required, one that ends by a bare FIN is taken to have been cut off: the other side is reset.`,
    );

/** TLS of a server. */
export const serverTls = z
  .strictObject(
    {
      alpnProtocols: z
        .array(field.protocol(), { error: "a list of protocol names" })
        .default([])
        .describe("Protocols offered to clients by ALPN, in the order of preference."),
      defaultIdentity: identity
        .optional()
        .describe("Shown to clients that ask for no name, or for one that is not in `identities`."),
      identities: z
        .record(z.string(), namedIdentity, { error: "an object from names to identities" })
        .default({})
        .describe("Identities by the name a client asks for: exact, or `*.example.com`."),
      directories: z
        .array(field.pathOfFile("the path of a directory"), { error: "a list of directories" })
        .default([])
        .describe(
          "Directories of certificates with their keys, for the DNS names in the certificates that are not in `identities`.",
        ),
      handshakeTimeoutMs: field
        .duration("milliseconds", 1)
        .default(DEFAULTS.serverTls.handshakeTimeoutMs)
        .describe("Longest time for a TLS handshake with a client."),
      closeNotify: closeNotify("clients"),
      ...serverAuthKeys,
    },
    OBJECT,
  )
  .describe("Makes the server speak TLS. At least one identity is needed.");

/** TLS with endpoints. */
export const clientTls = z
  .strictObject(
    {
      dnsName: hostTemplate().describe(
        "Name sent to endpoints as SNI, for which their certificate must be valid. May hold captures of the prefix: `{name}.example.com`.",
      ),
      trustCerts: z
        .array(field.pemFile(), { error: "a list of PEM files" })
        .min(1, { error: "a list of at least one PEM file, or no such key for the system's roots" })
        .optional()
        .describe("PEM files of the authorities that are trusted; the system's when absent."),
      clientAuth: identity.optional().describe("Shown to endpoints that ask for a certificate."),
      closeNotify: closeNotify("endpoints"),
      ...clientPolicyKeys,
    },
    OBJECT,
  )
  .describe("Makes connections to endpoints speak TLS.");

export type FileServerTls = z.output<typeof serverTls>;
export type FileIdentity = z.output<typeof identity>;
export type FilePair = z.output<typeof pair>;
export type FileClientTls = z.output<typeof clientTls>;
