// What the destinations of one router are bound to: branches with their shares of the traffic, each with the endpoints
// its id stands for. Keeps what is in effect until something that has endpoints can take its place.
import type { Binding, Branch, Interpreter } from "../discovery/interpreter.ts";
import type { Resolver } from "../discovery/resolver.ts";
import type { Cancel, Clock } from "../lib/clock.ts";
import { Pace } from "../lib/pace.ts";
import type { WeightedAddress } from "../naming/resolution.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Registry } from "../telemetry/registry.ts";
import { NameMetrics } from "./name-metrics.ts";
import { type Absence, type KeptReason, Names, type NameState } from "./names.ts";

/**
 * How long a new binding waits: for branches whose endpoints are not known yet, before it counts without them; and where
 * it only loses branches, in case it loses them all: a source that goes away says so of one name after the other, and
 * what is left in between is no split that anybody asked for.
 */
const PATIENCE_MS = 2_000;
/** Ten lines of a path at once, then one a second. */
const LOG_PACE = { spaceMs: 1_000, creditMs: 10_000 };

/** A branch in effect. */
export interface BoundBranch extends Branch {
  readonly name: NameState;
  /** None while they are not known, and where there are none. */
  readonly endpoints: readonly WeightedAddress[];
}

/** What a path is bound to. */
export interface BoundState {
  /** As in `Binding`; `bound` also while the name has no endpoints. */
  readonly state: Binding["state"];
  /** Whether the branches and their endpoints are all there are; while not, sessions wait. */
  readonly known: boolean;
  readonly branches: readonly BoundBranch[];
  /** Why a newer answer did not take effect, or one of a branch; undefined when all did. */
  readonly kept: KeptReason | undefined;
  /** When the oldest of the answers in effect was last confirmed; undefined before the first. Always current. */
  readonly lastConfirmedMs: number | undefined;
}

export type BoundObserver = (state: BoundState) => void;

export interface BindingsParts {
  readonly interpreter: Interpreter;
  /** Label of the router. */
  readonly router: string;
  readonly registry: Registry;
  readonly log: Logger;
  readonly clock: Clock;
}

/** All destinations that one router follows. */
export class Bindings {
  readonly #parts: BindingsParts;
  readonly #names: Names;
  readonly #paths = new Set<BoundPath>();
  #interpreter: Interpreter;

  constructor(parts: BindingsParts) {
    this.#parts = parts;
    const { interpreter, ...rest } = parts;
    this.#interpreter = interpreter;
    this.#names = new Names({ ...rest, resolver: resolverOf(interpreter) });
  }

  /**
   * Asks another interpreter from now on. What is in effect stays until there is something to change to, and its names
   * are followed as before until the new interpreter binds to them too.
   */
  setInterpreter(interpreter: Interpreter): void {
    this.#interpreter = interpreter;
    this.#names.setResolver(resolverOf(interpreter));
    for (const path of this.#paths) path.ask(interpreter);
  }

  /** Tells `observer` what `path` is bound to, now and whenever that changes. Returns what stops. */
  follow(path: string, observer: BoundObserver, absence: Absence = "warn"): () => void {
    const bound = new BoundPath(path, { ...this.#parts, absence }, this.#names, observer);
    this.#paths.add(bound);
    bound.start(this.#interpreter);
    return () => {
      if (this.#paths.delete(bound)) bound.stop();
    };
  }

  /** Makes the ages in the metrics current, for whoever is about to read them. */
  refreshAges(): void {
    this.#names.refreshAges();
    for (const path of this.#paths) path.refreshAge();
  }
}

function resolverOf(interpreter: Interpreter): Resolver {
  return { watch: interpreter.addresses.bind(interpreter) };
}

type PathParts = BindingsParts & { readonly absence: Absence };

/** A branch that is followed. */
interface Followed {
  readonly stop: () => void;
  name: NameState;
}

const UNKNOWN: NameState = {
  resolution: { state: "pending" },
  kept: undefined,
  lastConfirmedMs: undefined,
};

/** One destination, followed until `stop`. */
class BoundPath {
  readonly #path: string;
  readonly #parts: PathParts;
  readonly #names: Names;
  readonly #observer: BoundObserver;
  #abort = new AbortController();
  readonly #followed = new Map<string, Followed>();
  /** In effect. */
  #current: Binding = { state: "pending" };
  /** Newer than `#current`, and waits for its endpoints. */
  #next: Branches | undefined;
  #kept: KeptReason | undefined;
  #patienceIsOver = false;
  #cancelPatience: Cancel | undefined;
  /** Only where the path is not among its own branches: else the name of that branch has them. */
  #metrics: NameMetrics | undefined;
  #applying = false;
  readonly #logPace: Pace;

  constructor(path: string, parts: PathParts, names: Names, observer: BoundObserver) {
    this.#path = path;
    this.#parts = parts;
    this.#names = names;
    this.#observer = observer;
    this.#logPace = new Pace(parts.clock, LOG_PACE);
  }

  start(interpreter: Interpreter): void {
    this.#tell();
    this.ask(interpreter);
  }

  /** Follows what `interpreter` says, and nobody else. */
  ask(interpreter: Interpreter): void {
    this.#abort.abort();
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    interpreter.bind(this.#path, signal, (binding) => {
      if (!signal.aborted) this.#take(binding);
    });
  }

  stop(): void {
    this.#abort.abort();
    this.#endPatience();
    this.#logPace.drop();
    for (const { stop } of this.#followed.values()) stop();
    this.#followed.clear();
    this.#metrics?.release();
  }

  refreshAge(): void {
    const confirmedMs = this.#lastConfirmedMs;
    this.#metrics?.setAge(
      confirmedMs === undefined ? undefined : this.#parts.clock.now() - confirmedMs,
    );
  }

  #take(binding: Binding): void {
    switch (binding.state) {
      case "pending":
        return;
      case "neg":
      case "failed":
        return this.#takeNothing(binding);
      case "bound":
        return this.#takeBranches(binding);
      default:
        return binding satisfies never;
    }
  }

  #takeNothing(binding: Binding & { readonly state: "neg" | "failed" }): void {
    this.#next = undefined;
    this.#endPatience();
    this.#forgetUnused();
    if (this.#hasEndpoints(this.#current)) return this.#keep(binding.state, binding);
    if (this.#current.state !== binding.state) this.#log(binding);
    this.#current = binding;
    this.#kept = undefined;
    this.#forgetUnused();
    this.#tell();
  }

  #takeBranches(binding: Branches): void {
    // Not begun anew by a binding that follows: one that changes all the time would never take effect.
    if (this.#next === undefined) this.#beginPatience();
    this.#next = binding;
    // What is told while branches are taken in is of a list that is not whole yet.
    this.#applying = true;
    for (const { id } of binding.branches) this.#follow(id);
    this.#forgetUnused();
    this.#applying = false;
    this.#apply();
  }

  #beginPatience(): void {
    this.#endPatience();
    this.#cancelPatience = this.#parts.clock.after(PATIENCE_MS, () => {
      this.#patienceIsOver = true;
      this.#apply();
    });
  }

  #endPatience(): void {
    this.#cancelPatience?.();
    this.#patienceIsOver = false;
  }

  #follow(id: string): void {
    if (this.#followed.has(id)) return this.#names.renew(id);
    const followed: Followed = { stop: () => stop(), name: UNKNOWN };
    this.#followed.set(id, followed);
    const take = (name: NameState): void => {
      followed.name = name;
      this.#apply();
    };
    const stop = this.#names.follow(id, take, this.#parts.absence);
  }

  /** Puts the next binding into effect when it is ready, and tells what is in effect. */
  #apply(): void {
    if (this.#applying || this.#abort.signal.aborted) return;
    if (this.#next !== undefined) this.#trySwitch(this.#next);
    this.#tell();
  }

  #trySwitch(next: Branches): void {
    if (this.#mustWait(next) && !this.#patienceIsOver) return;
    if (this.#hasEndpoints(this.#current) && !this.#hasEndpoints(next)) {
      return this.#keep("empty", next);
    }
    if (!sameBranches(this.#branchesOf(this.#current), next.branches)) this.#log(next);
    this.#current = next;
    this.#next = undefined;
    this.#kept = undefined;
    this.#endPatience();
    this.#forgetUnused();
  }

  /** Whether a branch that is new is not known yet, or branches go and none comes. */
  #mustWait(next: Branches): boolean {
    const current = new Set(this.#branchesOf(this.#current).map(({ id }) => id));
    const fresh = next.branches.filter(({ id }) => !current.has(id));
    if (fresh.length > 0) {
      return fresh.some(({ id }) => this.#nameOf(id).resolution.state === "pending");
    }
    return next.branches.length < current.size;
  }

  #keep(reason: KeptReason, binding: Binding): void {
    if (this.#kept === reason) return;
    this.#kept = reason;
    this.#ownMetrics()?.countKept(reason);
    this.#parts.log.warn("keeping the last good binding", () => ({
      ...this.#labels,
      answer: reason,
      cause: binding.state === "failed" ? binding.cause : undefined,
    }));
    this.#tell();
  }

  #forgetUnused(): void {
    const next = this.#next ?? this.#current;
    const used = new Set(
      [...this.#branchesOf(this.#current), ...this.#branchesOf(next)].map(({ id }) => id),
    );
    for (const [id, { stop }] of this.#followed) {
      if (used.has(id)) continue;
      stop();
      this.#followed.delete(id);
    }
  }

  #tell(): void {
    const branches = this.#branchesOf(this.#current).map(({ id, weight }): BoundBranch => {
      const name = this.#nameOf(id);
      const { resolution } = name;
      const endpoints = resolution.state === "bound" ? resolution.endpoints : [];
      return { id, weight, name, endpoints };
    });
    const own = this.#ownMetrics();
    own?.setEndpoints(branches.reduce((sum, { endpoints }) => sum + endpoints.length, 0));
    const lastConfirmedMs = (): number | undefined => this.#lastConfirmedMs;
    this.#observer({
      state: this.#stateOf(branches),
      known: this.#isKnown(branches),
      branches,
      kept: this.#kept ?? branches.find(({ name }) => name.kept !== undefined)?.name.kept,
      get lastConfirmedMs() {
        return lastConfirmedMs();
      },
    });
  }

  /** Of a binding with one branch it is what that branch is: a name that a source does not know is `neg`. */
  #stateOf(branches: readonly BoundBranch[]): Binding["state"] {
    const [only, ...others] = branches;
    if (this.#current.state !== "bound" || only === undefined) return this.#current.state;
    return others.length > 0 ? "bound" : only.name.resolution.state;
  }

  #isKnown(branches: readonly BoundBranch[]): boolean {
    if (this.#current.state === "neg") return true;
    if (this.#current.state !== "bound") return false;
    if (branches.length === 0) return true;
    return branches.some(
      ({
        name: {
          resolution: { state },
        },
      }) => state === "bound" || state === "neg",
    );
  }

  get #lastConfirmedMs(): number | undefined {
    let oldestMs: number | undefined;
    for (const { id } of this.#branchesOf(this.#current)) {
      const confirmedMs = this.#nameOf(id).lastConfirmedMs;
      if (confirmedMs === undefined) return undefined;
      oldestMs = Math.min(oldestMs ?? confirmedMs, confirmedMs);
    }
    return oldestMs;
  }

  #hasEndpoints(binding: Binding): boolean {
    return this.#branchesOf(binding).some(({ id, weight }) => {
      const { resolution } = this.#nameOf(id);
      return weight > 0 && resolution.state === "bound" && resolution.endpoints.length > 0;
    });
  }

  #branchesOf(binding: Binding): readonly Branch[] {
    return binding.state === "bound" ? binding.branches : [];
  }

  #nameOf(id: string): NameState {
    return this.#followed.get(id)?.name ?? UNKNOWN;
  }

  #ownMetrics(): NameMetrics | undefined {
    if (this.#branchesOf(this.#current).some(({ id }) => id === this.#path)) {
      this.#metrics?.release();
      this.#metrics = undefined;
      return undefined;
    }
    if (this.#current.state === "pending") return this.#metrics;
    this.#metrics ??= new NameMetrics(this.#parts.registry, this.#path, this.#parts.router);
    return this.#metrics;
  }

  #log(binding: Binding): void {
    const { log, absence } = this.#parts;
    const [only, ...others] = this.#branchesOf(binding);
    if (only?.id === this.#path && others.length === 0) return;
    if (binding.state === "failed") {
      return log[absence]("the name cannot be bound", () => ({
        ...this.#labels,
        cause: binding.cause,
      }));
    }
    if (binding.state === "neg")
      return log[absence]("the name is bound to nothing", () => this.#labels);
    this.#logPace.offer(() => this.#logBound(log, binding));
  }

  #logBound(log: Logger, binding: Binding): void {
    log.info("the name is bound", () => ({
      ...this.#labels,
      to: this.#branchesOf(binding)
        .map(({ id, weight }) => `${weight} * ${id}`)
        .join(" & "),
    }));
  }

  get #labels(): { readonly router: string; readonly path: string } {
    return { router: this.#parts.router, path: this.#path };
  }
}

type Branches = Binding & { readonly state: "bound" };

function sameBranches(a: readonly Branch[], b: readonly Branch[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ id, weight }, index) => id === b[index]?.id && weight === b[index].weight)
  );
}
