// Reloads the configuration: loads the file, makes the plan, and carries it out as a whole or not at all.
import type { ReloadAnswer } from "../../admin/admin-port.ts";
import type { LoadedMaterial, LoadResult, LoadTrace } from "../../config/load-result.ts";
import { formatProblem, type Problem } from "../../config/problems.ts";
import { mergeMaterial } from "../../config/merge-material.ts";
import type { Config } from "../../config/types.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../telemetry/log.ts";
import type { Rotated } from "../certificates/rotation.ts";
import { ConfigWatch } from "./config-watch.ts";
import { linesOf, type LiveNumbers, type PlanView, viewOf } from "./describe.ts";
import { isEmpty, type Plan, planOf } from "./plan.ts";
import type { ReloadMetrics } from "./reload-metrics.ts";

/** Lines of the log for one reload; a large one is told in whole by `POST /plan`. */
const MOST_LINES = 50;

/** Where the configuration is from, for a process that can read it again. */
export interface ConfigOrigin {
  /** As it was given on the command line. */
  readonly path: string;
  /** Loads it anew. Rejects when loading itself is impossible. */
  readonly load: () => Promise<LoadResult>;
}

/** What is told of each reload, for whoever supervises the process. */
export interface ReloadHooks {
  readonly onReloadBegin?: () => void;
  readonly onReloadEnd?: () => void;
  /** What was put into effect took this from PEM files, which are to be followed or not. */
  readonly onMaterial?: (material: LoadedMaterial | undefined, isFollowed: boolean) => void;
}

/** A configuration that was loaded. */
export type Loaded = Extract<LoadResult, { readonly ok: true }>;

export interface ReloaderParts extends ReloadHooks {
  /** What is in effect at the start. */
  readonly started: {
    readonly config: Config;
    readonly source: unknown;
    readonly files?: Loaded["files"] | undefined;
    readonly fingerprint?: string | undefined;
    readonly material?: LoadedMaterial | undefined;
  };
  /** Undefined: there is no file to load. */
  readonly origin: ConfigOrigin | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: ReloadMetrics;
  /** Why nothing may be reloaded just now, as a clause; undefined when it may. */
  readonly obstacle: () => string | undefined;
  /** Whether that is soon over: `resume` is to follow. */
  readonly isObstacleShort?: () => boolean;
  /** Numbers of now, of what a plan touches. */
  readonly live: () => LiveNumbers;
  /** Carries out a plan. Throws, having changed nothing, when that cannot be done; answers what is doubtful. */
  readonly apply: (plan: Plan) => Promise<string | undefined>;
}

/** The configuration in effect, as the status page shows it. */
export interface InEffect {
  readonly generation: number;
  readonly fingerprint: string | undefined;
  readonly loadedAtMs: number;
  readonly last: { readonly result: ReloadAnswer["result"]; readonly atMs: number } | undefined;
}

export class Reloader {
  readonly #parts: ReloaderParts;
  readonly #watch: ConfigWatch;
  #config: Config;
  #source: unknown;
  #inEffect: InEffect;
  #isBusy = false;
  /** Ends with the rotation of certificates that is under way. */
  #rotating: Promise<void> | undefined;
  /** Somebody who does not wait for an answer has asked while that could not be. */
  #again: string | undefined;

  constructor(parts: ReloaderParts) {
    const { started, clock, metrics } = parts;
    this.#parts = parts;
    this.#config = started.config;
    this.#source = started.source;
    this.#inEffect = {
      generation: 1,
      fingerprint: started.fingerprint,
      loadedAtMs: clock.wallTime(),
      last: undefined,
    };
    metrics.inEffect(1, clock.wallTime());
    this.#watch = new ConfigWatch({ clock, onChange: () => this.request("a file has changed") });
    this.#watch.expect(watched(started, started.config));
    parts.onMaterial?.(started.material, started.config.followCertificates);
    this.#watch.set(parts.origin !== undefined && started.config.reloadOnChange);
  }

  /** What is in effect, with what waits for the next start left out. */
  get config(): Config {
    return this.#config;
  }

  /** What is in effect, as it was written. */
  get source(): unknown {
    return this.#source;
  }

  get inEffect(): InEffect {
    return this.#inEffect;
  }

  /** Whether a reload or a plan is being made. */
  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** Reloads once what is under way has ended; the log tells what came of it. */
  request(why: string): void {
    if (this.#isBusy || this.#parts.isObstacleShort?.() === true) this.#again = why;
    else void this.reload(why);
  }

  /** What stood in the way is over: does what was asked for meanwhile. */
  resume(): void {
    const again = this.#again;
    this.#again = undefined;
    if (again !== undefined) this.request(again);
  }

  /** Watches files no more. */
  stop(): void {
    this.#watch.set(false);
  }

  /** Checks the file and puts it into effect. Never rejects. */
  async reload(why: string): Promise<ReloadAnswer> {
    const answer = await this.#alone(async () => {
      this.#parts.log.info("reload begins", () => ({ why }));
      this.#parts.onReloadBegin?.();
      try {
        return await this.#loadAndApply();
      } finally {
        this.#parts.onReloadEnd?.();
      }
    });
    this.#parts.metrics.count(answer.result);
    this.#inEffect = {
      ...this.#inEffect,
      last: { result: answer.result, atMs: this.#parts.clock.wallTime() },
    };
    this.#tell(answer);
    this.resume();
    return answer;
  }

  /** Checks the file and says what a reload would change. Changes nothing, and never rejects. */
  async plan(): Promise<ReloadAnswer> {
    return await this.#alone(async () => {
      const result = await this.#load();
      if ("result" in result) return result;
      const view = viewOf(planOf(this.#config, result.config), this.#parts.live());
      const message = "nothing was changed: POST /reload carries it out";
      return this.#answer("planned", message, { plan: view, warnings: result.warnings });
    });
  }

  /**
   * Puts into effect what `read` answers of PEM files. Answers false, having done nothing, while a reload is under way or
   * nothing may change. A reload that is asked for meanwhile waits. Rejects with what `read` rejects with, or what keeps it
   * from being put into effect.
   */
  async rotate(read: () => Promise<Rotated | undefined>): Promise<boolean> {
    if (this.#isBusy || this.#rotating !== undefined) return false;
    if (this.#parts.obstacle() !== undefined) return false;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#rotating = promise;
    try {
      const rotated = await read();
      if (rotated === undefined) return true;
      const plan = planOf(this.#config, mergeMaterial(this.#config, rotated.config));
      if (!isEmpty(plan)) await this.#parts.apply(plan);
      this.#config = plan.effective;
      this.#inEffect = { ...this.#inEffect, fingerprint: rotated.fingerprint };
      return true;
    } finally {
      this.#rotating = undefined;
      resolve();
    }
  }

  async #alone(run: () => Promise<ReloadAnswer>): Promise<ReloadAnswer> {
    const obstacle = this.#obstacle();
    if (obstacle !== undefined) return this.#answer("refused", obstacle);
    this.#isBusy = true;
    try {
      await this.#rotating;
      return await run();
    } catch (error) {
      return this.#answer("failed", error instanceof Error ? error.message : String(error));
    } finally {
      this.#isBusy = false;
    }
  }

  #obstacle(): string | undefined {
    if (this.#parts.origin === undefined) {
      return "there is no configuration file that could be read again: this process was started without one, or from standard input";
    }
    if (this.#isBusy) return "another reload is under way: try again when it is over";
    return this.#parts.obstacle();
  }

  /** The configuration of the file, or why there is none. */
  async #load(): Promise<Loaded | ReloadAnswer> {
    const result = await this.#parts.origin?.load();
    if (result === undefined) return this.#answer("refused", "there is no configuration file");
    if (result.ok) return result;
    this.#watch.expect(result.files ?? []);
    const message = `${this.#parts.origin?.path ?? "the file"} has errors; nothing was changed`;
    return this.#answer("invalid", message, { problems: result.problems });
  }

  async #loadAndApply(): Promise<ReloadAnswer> {
    const loaded = await this.#load();
    if ("result" in loaded) return loaded;
    const plan = planOf(this.#config, loaded.config);
    const view = viewOf(plan, this.#parts.live());
    const details = { plan: view, warnings: loaded.warnings };
    // Files that are good and cannot be put into effect (an address is in use) are tried again when they change.
    this.#watch.expect(watched(loaded, plan.effective));
    const doubt = isEmpty(plan) ? undefined : await this.#parts.apply(plan);
    this.#takeEffect(plan, loaded);
    if (isEmpty(plan)) return this.#answer("unchanged", "there is nothing to change", details);
    return this.#answer("applied", doubt ?? "the configuration is in effect", details);
  }

  #takeEffect(plan: Plan, { source, fingerprint, material }: Loaded): void {
    const { clock, metrics } = this.#parts;
    this.#config = plan.effective;
    this.#source = source;
    const generation = this.#inEffect.generation + (isEmpty(plan) ? 0 : 1);
    this.#inEffect = { ...this.#inEffect, generation, fingerprint, loadedAtMs: clock.wallTime() };
    this.#watch.set(plan.effective.reloadOnChange);
    this.#parts.onMaterial?.(material, plan.effective.followCertificates);
    metrics.inEffect(generation, clock.wallTime());
  }

  #answer(
    result: ReloadAnswer["result"],
    message: string,
    details: {
      readonly plan?: PlanView;
      readonly warnings?: readonly Problem[];
      readonly problems?: readonly Problem[];
    } = {},
  ): ReloadAnswer {
    const { plan, warnings = [], problems = [] } = details;
    const { generation, fingerprint } = this.#inEffect;
    const texts = [...problems, ...warnings].map(formatProblem);
    return {
      result,
      message,
      ...(texts.length > 0 && { problems: texts }),
      ...(plan && { plan, summary: linesOf(plan) }),
      configuration: { generation, fingerprint },
    };
  }

  #tell({ result, message, problems = [], summary = [] }: ReloadAnswer): void {
    const { log } = this.#parts;
    for (const line of summary.slice(0, MOST_LINES)) log.info("reload", () => ({ change: line }));
    const more = summary.length - MOST_LINES;
    if (more > 0) log.info("reload", () => ({ change: `and ${more} more: see POST /plan` }));
    const isGood = result === "applied" || result === "unchanged";
    const level = isGood ? "warn" : "error";
    for (const problem of problems.slice(0, MOST_LINES)) log[level]("reload", () => ({ problem }));
    const { generation, fingerprint } = this.#inEffect;
    const fields = () => ({ result, detail: message, generation, fingerprint });
    if (isGood) log.info("reload is over", fields);
    else if (result === "refused") log.warn("reload is refused", fields);
    else log.error("reload has failed: the configuration stays as it was", fields);
  }
}

/** The files that a reload is for: of a good configuration not those that are followed anyway. */
function watched(
  { files = [], material }: { readonly [Key in "files" | "material"]?: LoadTrace[Key] | undefined },
  { followCertificates }: Config,
): NonNullable<LoadTrace["files"]> {
  if (!followCertificates || material === undefined) return files;
  const followed = new Set(material.files.map(({ path }) => path));
  return files.filter(({ path }) => !followed.has(path));
}
