// The keys about who may use a server, how much, and when the process takes no more. See schema.ts.
import { z } from "zod";
import { DEFAULTS } from "./defaults.ts";
import * as field from "./fields.ts";

const OBJECT = { error: "an object" };
const BLOCKS = { error: "a list of blocks of addresses" };

const maxConnections = field
  .whole("a whole number of connections, or 0 for no limit", 0)
  .default(0)
  .describe("Connections at a time. 0: no limit.");

const rate = z.number({ error: "a number of connections, or 0 for no limit" });

const connectionsPerSec = rate
  .min(0, { error: "a number of connections, or 0 for no limit" })
  .default(0)
  .describe("Connections a second, over time. 0: no limit.");

const burst = field
  .whole("a whole number of connections, or 0 for those of a second", 0)
  .default(0)
  .describe("Connections at once after a rest. 0: those of a second, at least 1.");

const dryRun = (what: string) =>
  z.boolean({ error: "true or false" }).default(false).describe(what);

const perSource = z
  .strictObject(
    {
      maxConnections,
      connectionsPerSec,
      burst,
      ipv4PrefixLength: field
        .whole("a number of bits from 1 to 32", 1, 32)
        .default(DEFAULTS.limits.ipv4PrefixLength)
        .describe("Addresses that share so many bits are one source."),
      ipv6PrefixLength: field
        .whole("a number of bits from 1 to 128", 1, 128)
        .default(DEFAULTS.limits.ipv6PrefixLength)
        .describe("The same for IPv6, where a customer commonly has 64 bits to choose from."),
    },
    OBJECT,
  )
  .describe("Limits of each source alone. Without a limit in it, sources are counted and shown.");

const network = z.strictObject(
  {
    cidr: field.cidr().describe("The block of addresses."),
    maxConnections,
    connectionsPerSec,
    burst,
  },
  OBJECT,
);

/** Who may use a server. */
export const limits = z
  .strictObject(
    {
      allow: z
        .array(field.cidr(), BLOCKS)
        .min(1, { error: "a list of at least one block of addresses" })
        .optional()
        .describe("Only clients from these blocks are served."),
      allowFile: field
        .text("the path of a file with blocks of addresses")
        .optional()
        .describe("A file with more blocks to allow: one a line, `#` begins a comment."),
      deny: z
        .array(field.cidr(), BLOCKS)
        .default([])
        .describe("Clients from these blocks are refused, allowed or not."),
      denyFile: field
        .text("the path of a file with blocks of addresses")
        .optional()
        .describe("A file with more blocks to deny: one a line, `#` begins a comment."),
      connectionsPerSec: connectionsPerSec.describe(
        "Connections a second that the server takes, over time. 0: no limit.",
      ),
      burst,
      perSource: perSource.optional(),
      networks: z
        .array(network, { error: "a list" })
        .default([])
        .describe("Limits of blocks, each as a whole. All blocks that hold a client apply."),
      dryRun: dryRun("Only counts and shows who would be refused, and refuses nobody."),
    },
    OBJECT,
  )
  .describe("Who may use the server, and how much; others are reset before TLS.");

/** When the process takes no more. */
export const overload = z
  .strictObject(
    {
      maxLoopLagMs: field
        .limitOf("milliseconds")
        .default(0)
        .describe("How late a worker's event loop may be before it accepts no more. 0: no limit."),
      maxMemoryMb: field
        .whole("a whole number of megabytes, or 0 for no limit", 0)
        .default(0)
        .describe("Private memory of the process before nobody accepts any more. 0: no limit."),
      dryRun: dryRun("Only says when connections would be refused."),
    },
    OBJECT,
  )
  .describe("Keeps new connections out while open ones would suffer from them.");

export type FileLimits = z.output<typeof limits>;
export type FileOverload = z.output<typeof overload>;
