// The limits of the process, loaded where a configuration has some: their code is not held for nothing.
import type { ServerLimits } from "../admission/limits-memory.ts";
import type { Config } from "../config/types.ts";
import type { ServerRefusals } from "../control/limits.ts";
import type { OverloadStart } from "../wire/messages.ts";
import type * as Limits from "./limits.ts";
import type { BoundServer } from "./servers.ts";

/** The code of limits, once a configuration has needed it. */
export class LimitsCode {
  #loaded: typeof Limits | undefined;

  /** Undefined until a configuration with limits was prepared for. */
  get loaded(): typeof Limits | undefined {
    return this.#loaded;
  }

  /** Loads what `config` needs, before it is put into effect. Rejects when a file of the program is gone. */
  async prepare({ overload, routers }: Config): Promise<void> {
    const isLimited = routers.some(({ servers }) => servers.some(({ limits }) => limits));
    if (isLimited || overload !== undefined) this.#loaded ??= await import("./limits.ts");
  }
}

/** What limits are made of. */
export interface LazyLimitsParts extends Limits.AppLimitsParts {
  /** Prepared for `config`. */
  readonly limitsCode: LimitsCode;
}

export class LazyLimits {
  readonly #parts: LazyLimitsParts;
  #made: Limits.AppLimits | undefined;

  constructor(parts: LazyLimitsParts) {
    this.#parts = parts;
    if (parts.config.overload !== undefined) this.#make();
  }

  /** What workers are started with. */
  get overload(): OverloadStart | undefined {
    return this.#made?.overload;
  }

  /** Loads what a configuration needs that is to be put into effect. */
  prepare(config: Config): Promise<void> {
    return this.#parts.limitsCode.prepare(config);
  }

  /** Limits a server as its configuration says from now on. Answers what workers are to be told. */
  set(server: BoundServer): ServerLimits | undefined {
    if (server.config.limits !== undefined) this.#make();
    return this.#made?.set(server);
  }

  /** Forgets who may use a server. */
  unset(server: BoundServer): void {
    this.#made?.unset(server);
  }

  /** Those who are refused, and those who have most, by server. */
  refusals(): readonly ServerRefusals[] {
    return this.#made?.refusals() ?? [];
  }

  /** Gives back what a dead worker had taken. */
  workerDied(worker: number): void {
    this.#made?.workerDied(worker);
  }

  /** Watches no more. */
  stop(): void {
    this.#made?.stop();
  }

  #make(): void {
    if (this.#made !== undefined) return;
    const { loaded } = this.#parts.limitsCode;
    if (loaded === undefined) throw new Error("the code of limits is not loaded");
    this.#made = loaded.createLimits(this.#parts);
  }
}
