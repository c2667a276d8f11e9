// What operators want of endpoints instead of what names say: weights, and whether they get connections. Kept beside the
// configuration, so that a reload does not touch it; gone when it expires, when it is taken back, or with the process.
import type { Cancel, Clock } from "../lib/clock.ts";
import type { EndpointAddress, EndpointOverride } from "./destination.ts";

/** Which endpoint is meant. */
export interface OverrideTarget extends EndpointAddress {
  /** Label of a router; undefined: of all. */
  readonly router: string | undefined;
  /** Path of a destination; undefined: all that have the endpoint. */
  readonly path: string | undefined;
}

/** A change of an override: what is undefined stays as it is, null is what the name says. */
export interface OverrideChange {
  readonly weight?: number | null;
  readonly enabled?: boolean | null;
}

/** An override that is in force: one word about an endpoint, of its weight or of whether it is enabled. */
export interface OverrideEntry {
  readonly target: OverrideTarget;
  readonly override: EndpointOverride;
  /** On the clock that was given; undefined: it does not expire. */
  readonly expiresMs: number | undefined;
}

interface Kept {
  readonly entry: OverrideEntry;
  readonly cancel: Cancel | undefined;
}

const KEYS = ["weight", "enabled"] as const;

export class Overrides {
  readonly #clock: Clock;
  readonly #onChange: (address: EndpointAddress) => void;
  readonly #onExpired: (entry: OverrideEntry) => void;
  /** By target and key: a word has its own time, whatever else is said of the endpoint. */
  readonly #kept = new Map<string, Kept>();

  /** `onChange` is told of every address of which `of` may answer something else from now on. */
  constructor(
    clock: Clock,
    onChange: (address: EndpointAddress) => void,
    onExpired: (entry: OverrideEntry) => void,
  ) {
    this.#clock = clock;
    this.#onChange = onChange;
    this.#onExpired = onExpired;
  }

  /** All that are in force, the oldest first. */
  get entries(): readonly OverrideEntry[] {
    return Array.from(this.#kept.values(), ({ entry }) => entry);
  }

  /** Every address that has one. */
  get addresses(): readonly EndpointAddress[] {
    const all = this.entries.map(({ target: { ip, port } }) => [`${ip} ${port}`, { ip, port }]);
    return [...new Map(all as [string, EndpointAddress][]).values()];
  }

  /** What is wanted of an endpoint of a destination; of several words about it the one that names most decides. */
  of(router: string, path: string, { ip, port }: EndpointAddress): EndpointOverride | undefined {
    const fitting = this.entries
      .filter(({ target }) => target.ip === ip && target.port === port)
      .filter(({ target }) => target.router === undefined || target.router === router)
      .filter(({ target }) => target.path === undefined || target.path === path)
      .toSorted((a, b) => precision(a.target) - precision(b.target));
    if (fitting.length === 0) return undefined;
    return Object.assign({}, ...fitting.map(({ override }) => override)) as EndpointOverride;
  }

  /** Changes what is wanted of an endpoint, for `forMs`, or for good when undefined. Other keys keep their time. */
  set(target: OverrideTarget, change: OverrideChange, forMs: number | undefined): void {
    let isChanged = false;
    for (const key of KEYS) {
      const value = change[key];
      if (value === undefined) continue;
      const name = `${keyOf(target)}\n${key}`;
      const before = this.#kept.get(name);
      before?.cancel?.();
      this.#kept.delete(name);
      if (value === null) {
        isChanged ||= before !== undefined;
        continue;
      }
      isChanged = true;
      const expiresMs = forMs === undefined ? undefined : this.#clock.now() + forMs;
      const entry = { target, override: { [key]: value }, expiresMs };
      const cancel = forMs === undefined ? undefined : this.#expireAfter(forMs, name);
      this.#kept.set(name, { entry, cancel });
    }
    if (isChanged) this.#onChange(target);
  }

  /** Forgets all timers: for the end of the process. */
  stop(): void {
    for (const { cancel } of this.#kept.values()) cancel?.();
  }

  #expireAfter(forMs: number, name: string): Cancel {
    return this.#clock.after(forMs, () => {
      const kept = this.#kept.get(name);
      if (kept === undefined) return;
      this.#kept.delete(name);
      this.#onExpired(kept.entry);
      this.#onChange(kept.entry.target);
    });
  }
}

/** A path says more than a router. */
function precision({ router, path }: OverrideTarget): number {
  return (path === undefined ? 0 : 2) + (router === undefined ? 0 : 1);
}

function keyOf({ router, path, ip, port }: OverrideTarget): string {
  return `${router ?? ""}\n${path ?? ""}\n${ip} ${port}`;
}
