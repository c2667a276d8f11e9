// The keys about the PROXY protocol, of servers and of connections to endpoints. See schema.ts.
import { z } from "zod";
import { DEFAULTS } from "./defaults.ts";
import * as field from "./fields.ts";

const OBJECT = { error: "an object" };
const TLVS = ["authority", "alpn", "uniqueId", "tls", "crc32c"] as const;

/** What a server expects before the bytes of its clients. */
export const serverProxyProtocol = z
  .strictObject(
    {
      trusted: z
        .array(field.cidr(), { error: "a list of blocks of addresses" })
        .min(1, { error: "a list of at least one block of addresses" })
        .describe(
          "Addresses whose connections begin with a PROXY header, version 1 or 2, which is believed. From nobody else is " +
            "a header read.",
        ),
      required: z
        .boolean({ error: "true or false" })
        .default(DEFAULTS.proxyProtocol.required)
        .describe(
          "Whether connections from other addresses are refused; else they are served as they are, without a header.",
        ),
      timeoutMs: field
        .duration("milliseconds", 1)
        .default(DEFAULTS.proxyProtocol.timeoutMs)
        .describe("Longest time from accepting a connection to the end of its header."),
    },
    OBJECT,
  )
  .describe("Takes the client's address from a PROXY header that another proxy sends.");

/** What an endpoint is told before the bytes of a client. */
export const clientProxyProtocol = z
  .strictObject(
    {
      version: z
        .literal([1, 2], { error: "1 or 2" })
        .describe("Version of the header: 1 is a line of text, 2 is binary."),
      tlvs: z
        .array(z.enum(TLVS, { error: `one of ${TLVS.join(", ")}` }), {
          error: "a list of names of TLVs",
        })
        .optional()
        .describe(
          "What version 2 tells besides the addresses: the name that the client asked for (`authority`), its application " +
            "protocol (`alpn`), an id of the connection (`uniqueId`), its TLS version and cipher (`tls`), and a checksum " +
            "(`crc32c`).",
        )
        .meta({ default: [] }),
    },
    OBJECT,
  )
  .describe("Begins connections to endpoints with a PROXY header that names the client.");

export type FileServerProxyProtocol = z.output<typeof serverProxyProtocol>;
export type FileClientProxyProtocol = z.output<typeof clientProxyProtocol>;
