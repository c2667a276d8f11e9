// The keys of `tls` that say who is let in, and with what: certificates of clients, and the policy of handshakes.
// See schema-tls.ts.
import { z } from "zod";
import { canonicalIp } from "../lib/address.ts";
import { readHost } from "../naming/endpoint-line.ts";
import * as field from "./fields.ts";
import { namesIn } from "./rule-prefix.ts";

const OBJECT = { error: "an object" };
const VERSION = { error: '"1.2" or "1.3"' };
const PROFILE = { error: "intermediate or modern" };
const FILES = { error: "a list of at least one PEM file" };

/** Without quotes YAML takes a version for a number. */
const minVersion = z
  .union([z.literal("1.2"), z.literal("1.3"), z.literal(1.2), z.literal(1.3)], VERSION)
  .optional()
  .meta({ default: "1.2" })
  .describe("The oldest version of TLS that is spoken. With the profile modern it is 1.3.");

const profile = z
  .enum(["intermediate", "modern"], PROFILE)
  .default("intermediate")
  .describe("What is offered: `intermediate` for TLS 1.2 and 1.3, `modern` for TLS 1.3 alone.");

const crls = z
  .array(field.pemFile(), FILES)
  .min(1, FILES)
  .optional()
  .describe(
    "PEM files of revoked certificates (CRL). With it each authority of a chain, the root too, must have a list that is in date.",
  );

const allow = z
  .array(field.nameRule(), { error: "a list of names" })
  .min(1, { error: "a list of at least one name" })
  .optional()
  .describe(
    "Names (SAN) one of which a client's certificate must have: `DNS:`, `URI:`, `IP:` or `email:`; `*` for one label or segment, `**` for any further segments. Every verified certificate when absent.",
  );

const clientAuthObject = z.strictObject(
  {
    trustCerts: z
      .array(field.pemFile(), FILES)
      .min(1, FILES)
      .describe(
        "PEM files of the authorities that vouch for clients. The system's are never used.",
      ),
    crls,
    allow,
  },
  OBJECT,
);

const flag = z.boolean({ error: "true or false" });

/** Of `tls` of a server. */
export const serverAuthKeys = {
  requireClientAuth: flag
    .default(false)
    .describe(
      "Whether clients need a certificate. Else, with clientAuth, one is asked for, and must be good where there is one.",
    ),
  clientAuth: clientAuthObject
    .optional()
    .describe("Asks clients for certificates, and says which are good."),
  alpnMismatch: z
    .enum(["ignore", "refuse"], { error: "ignore or refuse" })
    .default("ignore")
    .describe(
      "What becomes of a client that offers protocols by ALPN, none of which is in alpnProtocols.",
    ),
  minVersion,
  profile,
};

/** Of an identity with a name, where they win over those of the server. */
export const identityAuthKeys = {
  requireClientAuth: flag.optional().describe("For this name, in place of the server's."),
  clientAuth: z
    .union([clientAuthObject, z.literal("none")], { error: "an object, or none" })
    .optional()
    .describe("For this name, in place of the server's. `none`: clients are asked for nothing."),
};

/** Of `tls` of `client`, beside its identity. */
export const clientPolicyKeys = {
  crls,
  alpnProtocols: z
    .array(field.protocol(), { error: "a list of protocol names" })
    .default([])
    .describe("Protocols offered to endpoints by ALPN, in the order of preference."),
  minVersion,
  profile,
};

/** A name that TLS can ask for, with places for captures of the rule's prefix. */
export function hostTemplate() {
  return field.checkedText("a host name such as web.example.com", (value) => {
    if (canonicalIp(value) !== undefined) return "TLS sends names, not IP addresses, as SNI";
    const example = namesIn(value).reduce((text, name) => text.replaceAll(`{${name}}`, "x"), value);
    return readHost(example) === undefined ? "" : undefined;
  });
}

export type FileServerAuth = z.output<z.ZodObject<typeof serverAuthKeys>>;
export type FileIdentityAuth = z.output<z.ZodObject<typeof identityAuthKeys>>;
export type FileClientAuth = z.output<typeof clientAuthObject>;
