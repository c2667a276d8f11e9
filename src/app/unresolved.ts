// Which names a process that takes over has no answer for yet, and whether the other one has endpoints for them.
import type { BoundState } from "../control/bindings.ts";
import type { Destination } from "../control/destination.ts";
import type { Unresolved } from "./upgrade-messages.ts";

/** Names whose source has not answered for each branch that has a share of the connections; `neg` is an answer. */
export function unresolvedOf(
  destinations: readonly Pick<Destination, "router" | "path" | "bound">[],
): readonly Unresolved[] {
  return destinations
    .filter(({ bound }) => !isResolved(bound))
    .map(({ router, path }) => ({ router, path }));
}

function isResolved(bound: BoundState | undefined): boolean {
  if (bound === undefined || !bound.known) return false;
  return bound.branches.every(
    ({ weight, name: { resolution } }) =>
      weight === 0 || resolution.state === "bound" || resolution.state === "neg",
  );
}

/** Whether connections to a name have somewhere to go here. */
export function hasEndpoints(
  destinations: readonly Pick<Destination, "router" | "path" | "endpoints">[],
  name: Unresolved,
): boolean {
  return destinations.some(
    ({ router, path, endpoints }) =>
      router === name.router && path === name.path && endpoints.some(({ retired }) => !retired),
  );
}
