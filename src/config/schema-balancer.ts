// The keys below `client.loadBalancer`: how an endpoint is chosen. Names and defaults are linkerd's, where it has them.
// See schema.ts.
import { z } from "zod";
import { DEFAULTS } from "./defaults.ts";
import * as field from "./fields.ts";

const OBJECT = { error: "an object" };
const D = DEFAULTS.loadBalancer;

const common = {
  enableProbation: z
    .literal(false, { error: "false: an endpoint that is resolved no more gets no connections" })
    .optional()
    .describe("Accepted from linkerd as false: what is resolved no more gets no connections.")
    .meta({ default: false }),
};

const effort = {
  maxEffort: field
    .count(1)
    .optional()
    .describe("Accepted from linkerd, without effect: endpoints that are out are not drawn.")
    .meta({ default: D.maxEffort }),
};

const orNone = "a number, 0 or more";
const above0 = "a number above 0";
const factor = "a number, 1.01 or more, or 0 for no limit";

const p2c = z
  .strictObject({ kind: z.literal("p2c"), ...common, ...effort }, OBJECT)
  .describe("The less loaded of two, drawn by weight.");

const ewma = z
  .strictObject(
    {
      kind: z.literal("ewma"),
      decayTimeMs: field
        .duration("milliseconds", 1)
        .default(D.decayTimeMs)
        .describe("How fast latencies are forgotten: after this time 37 % are left."),
      ...common,
      ...effort,
    },
    OBJECT,
  )
  .describe("The better of two, drawn by weight, by load and latency.");

const aperture = z
  .strictObject(
    {
      kind: z.literal("aperture"),
      minAperture: field
        .count(1)
        .default(D.minAperture)
        .describe("Least number of endpoints, of mean weight, that this process uses."),
      lowLoad: z
        .number({ error: orNone })
        .min(0, { error: orNone })
        .default(D.lowLoad)
        .describe("Connections for each endpoint in use at which there are to be fewer of them."),
      highLoad: z
        .number({ error: above0 })
        .gt(0, { error: above0 })
        .default(D.highLoad)
        .describe("Connections for each endpoint in use at which there are to be more of them."),
      smoothWindowMs: field
        .duration("milliseconds", 1)
        .default(D.smoothWindowMs)
        .describe("Time over which the load is averaged."),
      ...common,
      ...effort,
    },
    OBJECT,
  )
  .describe("Only a part of the endpoints is used, as large as the load of this process needs.");

const leastOfAll = "The least loaded of all, for its weight.";

const heap = z
  .strictObject({ kind: z.literal("heap"), ...common }, OBJECT)
  .describe(`${leastOfAll} linkerd's name for \`leastConnections\`.`);

const leastConnections = z
  .strictObject({ kind: z.literal("leastConnections"), ...common }, OBJECT)
  .describe(leastOfAll);

const roundRobin = z
  .strictObject({ kind: z.literal("roundRobin"), ...common, ...effort }, OBJECT)
  .describe("One after the other, by weight, whatever the load.");

const maglev = z
  .strictObject(
    {
      kind: z.literal("maglev"),
      maxLoadFactor: z
        .union([z.literal(0), z.number({ error: factor }).min(1.01, { error: factor })], {
          error: factor,
        })
        .default(D.maxLoadFactor)
        .describe("How far above its share an endpoint's load may get. 0: no limit."),
      ...common,
    },
    OBJECT,
  )
  .describe("Clients keep their endpoints, by a consistent hash of their addresses.");

/** How an endpoint is chosen. */
export const loadBalancer = z
  .discriminatedUnion(
    "kind",
    [p2c, ewma, aperture, leastConnections, heap, roundRobin, maglev],
    OBJECT,
  )
  .describe("How an endpoint is chosen for a connection. Without it, as by `p2c`.")
  .meta({ default: { kind: DEFAULTS.client.loadBalancer } });

export type FileLoadBalancer = z.output<typeof loadBalancer>;
