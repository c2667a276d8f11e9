// The keys `retries` and `hostConnectionPool` below `client`. Names, ranges and defaults are linkerd's. See schema.ts.
import { z } from "zod";
import { DEFAULTS } from "./defaults.ts";
import * as field from "./fields.ts";

const OBJECT = { error: "an object" };
const D = DEFAULTS.client.retryBudget;
const MOST_RETRIES_PER_CONNECTION = 1_000;
const LONGEST_TTL_SECS = 60;

const percent = `a number from 0 to ${MOST_RETRIES_PER_CONNECTION}; 0.2 is one retry for five connections`;

const budget = z
  .strictObject(
    {
      minRetriesPerSec: field
        .count(0)
        .optional()
        .describe("Retries allowed each second, however few connections there are.")
        .meta({ default: D.minRetriesPerSec }),
      percentCanRetry: z
        .number({ error: percent })
        .min(0, { error: percent })
        .max(MOST_RETRIES_PER_CONNECTION, { error: percent })
        .optional()
        .describe("Retries allowed for each new connection, on top: 0.2 is one for five.")
        .meta({ default: D.percentCanRetry }),
      ttlSecs: field
        .whole(`a whole number of seconds, 1 to ${LONGEST_TTL_SECS}`, 1, LONGEST_TTL_SECS)
        .optional()
        .describe("How long a new connection counts for `percentCanRetry`.")
        .meta({ default: D.ttlSecs }),
    },
    OBJECT,
  )
  .describe("How many attempts to connect may be retries; more wait until they may.");

/** When another endpoint is tried after one has failed. */
export const retries = z
  .strictObject({ budget: budget.optional() }, OBJECT)
  .describe("Attempts to connect to another endpoint after one has failed.");

/** Limits of connections to single endpoints. */
export const hostConnectionPool = z
  .strictObject(
    {
      maxSize: field
        .whole("a whole number, 1 or more, or 0 for no limit", 0)
        .optional()
        .describe(
          "Connections to one endpoint at a time, those being made and warm ones included; further clients wait. " +
            "0: no limit.",
        )
        .meta({ default: DEFAULTS.client.maxConnectionsPerEndpoint }),
    },
    OBJECT,
  )
  .describe("Limits of connections to one endpoint.");
