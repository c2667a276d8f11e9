// The connections of servers and destinations that reloads have removed: ends them, and leaves them alone when what they
// are on is back.
import type { Ending, Sessions } from "../control/sessions.ts";
import { type Address, formatAddress } from "../lib/address.ts";
import type { EndHow, EndReason, SessionSelector } from "../wire/session-messages.ts";
import { type Fate, fateOfDestination, fateOfServer } from "./reload/fate.ts";
import type { Plan } from "./reload/plan.ts";
import type { BoundServer } from "./servers.ts";

/** What is looked up before a plan is carried out, for what goes with it. */
export interface Leaving {
  readonly servers: readonly { readonly server: BoundServer; readonly fate: Fate }[];
  /** Those whose `onRemoval` is said. */
  readonly destinations: readonly {
    readonly id: number;
    readonly path: string;
    readonly fate: Fate;
  }[];
  /** The destinations whose connections are not ended for their own sake; undefined for all. */
  readonly spared: readonly number[] | undefined;
}

/** What is there, as the plan knows it. */
export interface Present {
  readonly server: (key: string) => BoundServer | undefined;
  /** The id of a router's destination. */
  readonly destination: (router: string, path: string) => number | undefined;
  /** The ids of all, those included that have been removed before. */
  readonly destinations: () => readonly number[];
}

/** The servers that an address has had, as their connections may still be there. */
interface Former {
  readonly ids: Set<number>;
  ending: Ending | undefined;
}

export class Removals {
  readonly #sessions: Pick<Sessions, "end">;
  /** By address. */
  readonly #servers = new Map<string, Former>();
  readonly #destinations = new Map<number, Ending>();

  constructor(sessions: Pick<Sessions, "end">) {
    this.#sessions = sessions;
  }

  /** To be asked for before the plan is carried out. */
  leaving(plan: Plan, present: Present): Leaving {
    const servers = plan.servers.flatMap((difference) => {
      if (difference.change !== "removed") return [];
      const server = present.server(difference.before.key);
      return server === undefined ? [] : [{ server, fate: fateOfServer(plan, difference.before) }];
    });
    const destinations = plan.destinations.flatMap((difference) => {
      if (difference.change !== "removed") return [];
      const { router, path } = difference.before;
      const id = present.destination(router, path);
      const fate = fateOfDestination(plan, difference.before);
      return id === undefined || fate === undefined ? [] : [{ id, path, fate }];
    });
    const ended = destinations.filter(({ fate }) => isEnd(fate)).map(({ id }) => id);
    // Nobody is to be ended twice: it would be sooner than was asked for, and more in a second.
    const others = (): readonly number[] =>
      present.destinations().filter((id) => !ended.includes(id));
    return { servers, destinations, spared: ended.length === 0 ? undefined : others() };
  }

  /** The plan is carried out, and workers were told. `added` are servers, `back` ids of destinations. */
  begin(leaving: Leaving, added: readonly BoundServer[], back: readonly number[]): void {
    for (const { server, fate } of leaving.servers) this.#serverGone(server, fate, leaving.spared);
    for (const { socket } of added) this.#serverBack(socket);
    for (const { id, path, fate } of leaving.destinations) {
      const ending = this.#end({ destinations: [id] }, fate, `removed destination ${path}`);
      if (ending !== undefined) void this.#keep(id, ending);
    }
    for (const id of back) {
      this.#destinations.get(id)?.stop();
      this.#destinations.delete(id);
    }
  }

  #serverGone({ id, socket }: BoundServer, fate: Fate, spared: Leaving["spared"]): void {
    const address = formatAddress(socket);
    const former = this.#servers.get(address) ?? { ids: new Set(), ending: undefined };
    former.ids.add(id);
    this.#servers.set(address, former);
    // Those that were there before it had the address, and that nobody has ended, go with it.
    const selector = {
      servers: [...former.ids],
      ...(spared !== undefined && { destinations: spared }),
    };
    const ending = this.#end(selector, fate, `removed server ${address}`);
    if (ending === undefined) return;
    former.ending = ending;
    void this.#forget(address, former, ending);
  }

  /** The address is served again: a removal that was a mistake costs as few connections as can be. */
  #serverBack(socket: Address): void {
    const former = this.#servers.get(formatAddress(socket));
    former?.ending?.stop();
    if (former !== undefined) former.ending = undefined;
  }

  #end(selector: SessionSelector, fate: Fate, what: string): Ending | undefined {
    if (!isEnd(fate)) return undefined;
    const reason: EndReason = fate.kind === "cut" ? "endpoint_removed" : "drained";
    return this.#sessions.end(selector, fate, reason, what);
  }

  async #forget(address: string, former: Former, ending: Ending): Promise<void> {
    await ending.done;
    if (former.ending === ending) this.#servers.delete(address);
  }

  async #keep(destination: number, ending: Ending): Promise<void> {
    this.#destinations.set(destination, ending);
    await ending.done;
    if (this.#destinations.get(destination) === ending) this.#destinations.delete(destination);
  }
}

function isEnd(fate: Fate): fate is EndHow {
  return fate.kind === "cut" || fate.kind === "drain";
}
