// Where names come from: the namers of this process, and the interpreter of each router with the names that it follows.
import type { Config, InterpreterConfig } from "../config/types.ts";
import { Bindings, type BoundObserver } from "../control/bindings.ts";
import type { Absence } from "../control/names.ts";
import { type CountedInterpreter, createInterpreter } from "../discovery/create.ts";
import type { NamerSet, NamerStatus } from "../discovery/create-namers.ts";
import type { Clock } from "../lib/clock.ts";
import type { Rng } from "../lib/rng.ts";
import { sameData } from "../lib/same-data.ts";
import type { LoggerFactory } from "../telemetry/log.ts";
import type { Registry } from "../telemetry/registry.ts";

export interface NameSourcesParts {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: LoggerFactory;
}

/** Made for a configuration that is not in effect yet. Follows nothing. */
export interface PreparedSources {
  readonly config: Config;
  /** Undefined where no router needs any. */
  readonly namers: NamerSet | undefined;
  /** Of the routers whose names are to be asked in another way. */
  readonly interpreters: ReadonlyMap<string, CountedInterpreter>;
  /** Gives up. */
  discard(): void;
}

interface Router {
  config: InterpreterConfig;
  interpreter: CountedInterpreter;
  readonly bindings: Bindings;
}

export class NameSources {
  readonly #parts: NameSourcesParts;
  readonly #routers = new Map<string, Router>();
  #namers: NamerSet | undefined;
  #namerConfigs: Config["namers"] = [];

  constructor(parts: NameSourcesParts) {
    this.#parts = parts;
  }

  /** The namers, those that no name has asked for included. */
  get namers(): readonly NamerStatus[] {
    return this.#namers?.statuses() ?? [];
  }

  /** Makes what `config` needs and what there is not yet. Namers and interpreters that stay the same are not touched. */
  async prepare(config: Config): Promise<PreparedSources> {
    const { clock, rng, logger, registry } = this.#parts;
    const log = logger("discovery");
    const namers = await this.#prepareNamers(config);
    const haveChanged = namers !== this.#namers;
    const interpreters = new Map<string, CountedInterpreter>();
    const discard = (): void => {
      for (const interpreter of interpreters.values()) interpreter.release();
      if (haveChanged) namers?.release(this.#namers);
    };
    for (const { label, interpreter } of config.routers) {
      const known = this.#routers.get(label);
      const asksNamers = interpreter.kind === "default" && haveChanged;
      if (known !== undefined && !asksNamers && sameData(known.config, interpreter)) continue;
      const names = namers === undefined ? {} : { names: namers.service };
      const parts = { router: label, registry, clock, rng, log, ...names };
      interpreters.set(label, await createInterpreter(interpreter, parts));
    }
    return { config, namers, interpreters, discard };
  }

  /** Asks in the new way from now on. What is known of names stays until there is something better. */
  commit({ config, namers, interpreters }: PreparedSources): void {
    const { registry, clock, logger } = this.#parts;
    const before = this.#namers;
    this.#namers = namers;
    this.#namerConfigs = config.namers;
    for (const { label, interpreter: wanted } of config.routers) {
      const interpreter = interpreters.get(label);
      if (interpreter === undefined) continue;
      const known = this.#routers.get(label);
      if (known === undefined) {
        const log = logger("discovery");
        const bindings = new Bindings({ interpreter, router: label, registry, log, clock });
        this.#routers.set(label, { config: wanted, interpreter, bindings });
        continue;
      }
      const old = known.interpreter;
      known.config = wanted;
      known.interpreter = interpreter;
      known.bindings.setInterpreter(interpreter);
      old.release();
    }
    if (before !== namers) before?.release(namers);
  }

  /** Forgets routers that are gone, whose names nobody follows any more. */
  forgetOthers(config: Config): void {
    const labels = new Set(config.routers.map(({ label }) => label));
    for (const [label, { interpreter }] of this.#routers) {
      if (labels.has(label)) continue;
      interpreter.release();
      this.#routers.delete(label);
    }
  }

  /** Follows a name of a router; see Bindings. */
  follow(router: string, path: string, observer: BoundObserver, absence?: Absence): () => void {
    return this.#routers.get(router)?.bindings.follow(path, observer, absence) ?? (() => {});
  }

  /** Makes the ages of resolutions current, for whoever reads the metrics. */
  refreshAges(): void {
    for (const { bindings } of this.#routers.values()) bindings.refreshAges();
    this.#namers?.refreshMetrics();
  }

  async #prepareNamers({ namers, routers }: Config): Promise<NamerSet | undefined> {
    if (!routers.some(({ interpreter }) => interpreter.kind === "default")) return undefined;
    const known = this.#namers;
    if (known !== undefined && sameData(namers, this.#namerConfigs)) return known;
    const { registry, clock, rng, logger } = this.#parts;
    const { createNamers } = await import("../discovery/create-namers.ts");
    const log = logger("discovery");
    return await createNamers(namers, { registry, clock, rng, log }, known);
  }
}
