// Names that connections bring up, on one worker: a `Lookups` for each router that has servers for such.
import type { Balancer } from "../balancer/balancer.ts";
import type { Lookup } from "../router/lookup.ts";
import { Lookups } from "../router/lookups.ts";
import type { Router } from "../router/router.ts";
import type { AddDestination, ToControl } from "../wire/messages.ts";
import type { UseChange } from "../wire/name-messages.ts";
import type { Balancers } from "./balancers.ts";

interface Entry {
  readonly lookups: Lookups;
  /** Servers, and sessions with settings of before, that may still ask. */
  users: number;
}

export interface NamesParts {
  readonly balancers: Pick<Balancers, "hold" | "ofRouter">;
  readonly send: (message: ToControl) => void;
}

export class Names {
  readonly #parts: NamesParts;
  readonly #routers = new Map<string, Entry>();
  #changes: UseChange[] = [];

  constructor(parts: NamesParts) {
    this.#parts = parts;
  }

  /** For a server of a router: what finds its names, until `end` is called. `end` answers as `Router.release` does. */
  begin(
    label: string,
    router: Pick<Router, "keep" | "release">,
  ): { readonly lookup: Lookup; readonly end: () => boolean } {
    const metrics = router.keep();
    const known = this.#routers.get(label);
    const entry = known ?? { lookups: this.#create(label, metrics), users: 0 };
    this.#routers.set(label, entry);
    entry.users += 1;
    const end = (): boolean => {
      entry.users -= 1;
      if (entry.users === 0) {
        this.#routers.delete(label);
        entry.lookups.stop();
      }
      return router.release();
    };
    return { lookup: entry.lookups, end };
  }

  added({ router, path, destination }: AddDestination, balancer: Balancer): void {
    this.#routers.get(router)?.lookups.add(path, destination, balancer);
  }

  refused(router: string, path: string): void {
    this.#routers.get(router)?.lookups.refuse(path);
  }

  /** To be called before the destination is removed. */
  removing(destination: number): void {
    for (const { lookups } of this.#routers.values()) lookups.remove(destination);
  }

  /** Tells what is used and what is no more; to be called about every second. */
  sample(): void {
    for (const { lookups } of this.#routers.values()) lookups.sample();
    if (this.#changes.length === 0) return;
    this.#parts.send({ type: "destination-use", changes: this.#changes });
    this.#changes = [];
  }

  #create(router: string, metrics: ReturnType<Router["keep"]>): Lookups {
    const { balancers, send } = this.#parts;
    const lookups = new Lookups({
      metrics,
      want: (path, wanted) => send({ type: "want-destination", router, path, wanted }),
      hold: (destination) => balancers.hold(destination),
      onUse: (destination, inUse) => this.#changes.push([destination, inUse]),
    });
    for (const [path, destination, balancer] of balancers.ofRouter(router))
      lookups.add(path, destination, balancer);
    return lookups;
  }
}
