// The keys about how connections end: probes of the kernel, and drains. Defaults of a block stand in it, as a block is one
// key. See schema.ts.
import { z } from "zod";
import { DEFAULTS } from "./defaults.ts";
import * as field from "./fields.ts";

const OBJECT = { error: "an object" };
const { socketOptions: SOCKET, drain: DRAIN } = DEFAULTS;

/** Whose silence it is about stands in `peers`. */
export function socketOptions(peers: "clients" | "endpoints") {
  return z
    .strictObject(
      {
        keepAlive: z
          .boolean({ error: "true or false" })
          .default(SOCKET.keepAlive)
          .describe("Whether silent connections are probed (TCP keepalive)."),
        // Linux takes no more (MAX_TCP_KEEPIDLE and the like in net/tcp.h).
        keepAliveIdleSecs: field
          .whole("a whole number of seconds from 1 to 32767", 1, 32_767)
          .default(SOCKET.keepAliveIdleSecs)
          .describe("Silence before the first probe."),
        keepAliveIntervalSecs: field
          .whole("a whole number of seconds from 1 to 32767", 1, 32_767)
          .default(SOCKET.keepAliveIntervalSecs)
          .describe("Time between probes."),
        keepAliveProbes: field
          .whole("a whole number from 1 to 127", 1, 127)
          .default(SOCKET.keepAliveProbes)
          .describe("Probes without an answer after which the connection is given up."),
        userTimeoutMs: field
          .whole("a whole number of milliseconds, or 0 for what the system has", 0, 2_147_483_647)
          .default(SOCKET.userTimeoutMs)
          .describe(
            "Longest time that bytes sent may stay unacknowledged (TCP_USER_TIMEOUT); bounds the probes too. 0: as the system has it.",
          ),
      },
      OBJECT,
    )
    .describe(`How it is found out that ${peers} have vanished. Linux with glibc only.`);
}

/** Settings of drains of one destination's endpoints. */
export const drain = z
  .strictObject(
    {
      onRemoval: z
        .enum(["keep", "drain", "cut"], { error: "keep, drain or cut" })
        .optional()
        .describe(
          "What becomes of the connections of an endpoint that leaves the name, or of a server that leaves the file: they stay, " +
            "are ended one by one, or are reset. When absent those of an endpoint stay, and those of a server end as in a shutdown.",
        ),
      windowSecs: field
        .duration("seconds", 0)
        .default(DRAIN.windowSecs)
        .describe("Connections are ended one by one over this time."),
      maxPerSec: field
        .whole("a whole number, or 0 for no limit", 0)
        .default(DRAIN.maxPerSec)
        .describe("Most connections ended in a second, in each drain. 0: no limit."),
      deadlineSecs: field
        .limitOf("seconds")
        .default(DRAIN.deadlineSecs)
        .describe("From the start of a drain; what is left then is reset. 0: no limit."),
    },
    OBJECT,
  )
  .describe("How connections end when their endpoint, or their server, is taken away.");

export type FileSocketOptions = z.output<ReturnType<typeof socketOptions>>;
export type FileDrain = z.output<typeof drain>;
