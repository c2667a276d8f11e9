// Carries out a plan: first everything that can fail, then the rest at once, in the order in which things need each other.
import type { Supervisor } from "../../control/supervisor.ts";
import type { Destinations, PreparedDestinations } from "../destinations.ts";
import type { LazyLimits } from "../lazy-limits.ts";
import type { Removals } from "../removals.ts";
import type { BoundServer, Servers, TellEach } from "../servers.ts";
import type { Plan } from "./plan.ts";

export interface ApplyParts {
  readonly servers: Servers;
  readonly destinations: Destinations;
  readonly limits: Pick<LazyLimits, "prepare">;
  readonly supervisor: Supervisor;
  readonly removals: Removals;
  readonly isServing: () => boolean;
  /** A server has been added, and accepts. */
  readonly onServing: (server: BoundServer) => void;
  /** How many descriptors sessions may hold, as things are. */
  readonly descriptors: () => number;
}

/**
 * Puts a plan into effect. Throws, having changed nothing, when an address cannot be had or a shutdown has begun. Answers
 * what is doubtful afterwards, for people.
 */
export async function applyPlan(plan: Plan, parts: ApplyParts): Promise<string | undefined> {
  const { servers, destinations, limits, supervisor, removals, descriptors } = parts;
  await limits.prepare(plan.effective);
  const prepared = servers.prepare(plan.servers);
  const made = await preparedDestinations(plan, parts).catch((error: unknown) => {
    prepared.discard();
    throw error;
  });
  // From here on nothing waits and nothing fails: nobody sees a part of it.
  const tellEach: TellEach = (make) => supervisor.tellEach(make);
  const leaving = removals.leaving(plan, {
    server: (key) => servers.find(key),
    destination: (router, path) => destinations.idOf(router, path),
    destinations: () => destinations.all.map(({ id }) => id),
  });
  destinations.commit(plan.destinations, made, tellEach);
  const added = servers.commit(plan.servers, prepared, tellEach);
  destinations.removeGone(plan.destinations, plan.effective);
  removals.begin(leaving, added, idsOfAdded(plan, destinations));
  supervisor.limitDescriptors(descriptors());
  const isConfirmed = await supervisor.confirm();
  for (const server of added) parts.onServing(server);
  return isConfirmed ? undefined : "in effect, but a worker has not confirmed it within 5 s";
}

/** Ids of destinations; those of one that has come back are the old ones. */
function idsOfAdded({ destinations: changes }: Plan, destinations: Destinations): number[] {
  return changes.flatMap((difference) => {
    if (difference.change !== "added") return [];
    return destinations.idOf(difference.after.router, difference.after.path) ?? [];
  });
}

async function preparedDestinations(
  plan: Plan,
  { destinations, isServing }: ApplyParts,
): Promise<PreparedDestinations> {
  const prepared = await destinations.prepare(plan.effective);
  if (isServing()) return prepared;
  prepared.discard();
  throw new Error("a shutdown has begun meanwhile");
}
