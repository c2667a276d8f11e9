// The keys below `client` about endpoints that fail: `failFast`, `failureAccrual`, `slowStart`. Names and defaults of
// `failureAccrual` are linkerd's, where it has them. See schema.ts.
import { z } from "zod";
import { DEFAULTS } from "./defaults.ts";
import * as field from "./fields.ts";

const OBJECT = { error: "an object" };
const D = DEFAULTS.failureAccrual;
const rate = "a number from 0 to 1";

export const failFast = z
  .strictObject(
    {
      maxConsecutiveFailures: field
        .count(1)
        .optional()
        .describe("Failures in a row that take an endpoint out.")
        .meta({ default: DEFAULTS.client.maxConsecutiveFailures }),
      failurePenaltySecs: field
        .duration("seconds", 0)
        .optional()
        .describe("How long an endpoint stays out before it is tried again; 0 leaves none out.")
        .meta({ default: DEFAULTS.client.failurePenaltySecs }),
    },
    OBJECT,
  )
  .describe("When an endpoint that fails is left alone: the short form of `failureAccrual`.");

const constant = z
  .strictObject(
    {
      kind: z.literal("constant"),
      ms: field
        .duration("milliseconds", 0)
        .default(D.constantMs)
        .describe("How long an endpoint stays out each time; 0 leaves none out."),
    },
    OBJECT,
  )
  .describe("Always the same time.");

const jittered = z
  .strictObject(
    {
      kind: z.literal("jittered"),
      minMs: field.duration("milliseconds", 1).describe("The first time, and the shortest."),
      maxMs: field.duration("milliseconds", 1).describe("The longest time."),
    },
    OBJECT,
  )
  .describe("A time by chance, from the last one up to three times that.");

const common = {
  backoff: z
    .discriminatedUnion("kind", [constant, jittered], OBJECT)
    .optional()
    .describe("How long an endpoint stays out. Without it 5 s, then longer and longer, to 300 s."),
  maxEjectedPercent: field
    .whole("a whole number from 0 to 100", 0, 100)
    .default(D.maxEjectedPercent)
    .describe("At most this part of a destination's endpoints is out at a time, in percent."),
  dryRun: z
    .boolean({ error: "true or false" })
    .default(D.dryRun)
    .describe("Only says what would be ejected, in the log and in metrics."),
};

const successRate = () =>
  z
    .number({ error: rate })
    .min(0, { error: rate })
    .max(1, { error: rate })
    .describe("An endpoint with a smaller part of successes is ejected.");

const consecutiveFailures = z
  .strictObject(
    {
      kind: z.literal("io.l5d.consecutiveFailures"),
      failures: field
        .count(1)
        .default(D.failures)
        .describe("Failures in a row that take an endpoint out."),
      ...common,
    },
    OBJECT,
  )
  .describe("Ejects after failures in a row.");

const byRequests = z
  .strictObject(
    {
      kind: z.literal("io.l5d.successRate"),
      successRate: successRate(),
      requests: field
        .count(1)
        .describe("Connections over which the rate is averaged; none is ejected after fewer."),
      ...common,
    },
    OBJECT,
  )
  .describe("Ejects when too few of the last connections went well.");

const windowed = z
  .strictObject(
    {
      kind: z.literal("io.l5d.successRateWindowed"),
      successRate: successRate(),
      window: field
        .duration("seconds", 1)
        .describe("Seconds over which the rate is averaged; none is ejected sooner."),
      ...common,
    },
    OBJECT,
  )
  .describe("Ejects when too few connections of the last seconds went well.");

const none = z.strictObject({ kind: z.literal("none") }, OBJECT).describe("Ejects nothing.");

/** When an endpoint is ejected. */
export const failureAccrual = z
  .discriminatedUnion("kind", [consecutiveFailures, byRequests, windowed, none], OBJECT)
  .describe("When an endpoint that fails is left alone. Not together with `failFast`.");

export const slowStart = z
  .strictObject(
    {
      windowSecs: field
        .duration("seconds", 0)
        .default(DEFAULTS.slowStart.windowSecs)
        .describe("How long an endpoint takes to get its whole weight. 0: no time at all."),
      minPercent: field
        .whole("a whole number from 1 to 100", 1, 100)
        .default(DEFAULTS.slowStart.minPercent)
        .describe("The part of its weight that it begins with, in percent."),
    },
    OBJECT,
  )
  .describe("How endpoints that are new, or back, take up their share.");

export const panicThresholdPercent = field
  .whole("a whole number from 0 to 100", 0, 100)
  .optional()
  .describe("When less than this part of the weight may be picked, all enabled endpoints are.")
  .meta({ default: DEFAULTS.client.panicThresholdPercent });

export type FileFailFast = z.output<typeof failFast>;
export type FileFailureAccrual = z.output<typeof failureAccrual>;
