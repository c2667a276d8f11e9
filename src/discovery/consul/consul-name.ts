// One name in Consul, which may be served from other data centers while its own has no instance.
import type { Resolution } from "../../naming/resolution.ts";
import { ConsulDatacenter, type ConsulParts } from "./consul-datacenter.ts";
import { type ConsulQuestion, LOCAL } from "./consul-query.ts";

/** A data center that is followed. */
interface Followed {
  readonly source: ConsulDatacenter;
  /** What it answered last; `failed` while it never has, and undefined before its first attempt has ended. */
  resolution: Resolution | undefined;
  /** Why it cannot be asked any more; undefined while it can, and while it has never answered. */
  trouble: string | undefined;
}

/**
 * Follows the name's own data center always, and each further one of `failoverDatacenters` only while all before it have no
 * instance that counts, or have never answered. The first that has some serves the name; when none has, the name is what
 * its own data center says. While one that is needed has not answered, nothing is reported: what was said last still holds.
 * One that cannot be asked any more has what it had last, and the name is `failed` each time that the one it is served from
 * was asked in vain.
 */
export class ConsulName {
  readonly #parts: ConsulParts;
  readonly #question: ConsulQuestion;
  readonly #report: (resolution: Resolution) => void;
  /** The name's own, then the others; undefined is the agent's. */
  readonly #order: readonly (string | undefined)[];
  /** Those that are followed: always the first ones of the order. */
  readonly #followed: Followed[] = [];
  #chosen: number | undefined;
  #told: Resolution | undefined;

  /** Begins at once; reports nothing before it has returned. */
  constructor(
    parts: ConsulParts,
    question: ConsulQuestion,
    report: (resolution: Resolution) => void,
  ) {
    this.#parts = parts;
    this.#question = question;
    this.#report = report;
    const others = parts.config.failoverDatacenters.map((name) => datacenterOf(name));
    this.#order = [...new Set([question.datacenter, ...others])];
    this.#follow();
  }

  /** Ends everything at once; nothing is reported any more. */
  stop(): void {
    this.#keep(0);
  }

  #follow(): void {
    const at = this.#followed.length;
    const question = { ...this.#question, datacenter: this.#order[at] };
    const followed: Followed = {
      source: new ConsulDatacenter(this.#parts, question, {
        answer: (resolution, trouble) => {
          followed.resolution = resolution;
          followed.trouble = trouble;
          this.#choose(at);
        },
        failed: (cause) => this.#onFailed(at, followed, cause),
      }),
      resolution: undefined,
      trouble: undefined,
    };
    this.#followed.push(followed);
  }

  #onFailed(at: number, followed: Followed, cause: string): void {
    if (followed.resolution === undefined || followed.resolution.state === "failed") {
      followed.resolution = { state: "failed", cause };
      return this.#choose(at);
    }
    followed.trouble = cause;
    if (at === this.#chosen) this.#report({ state: "failed", cause });
  }

  /** `news`: the data center that has just said something. */
  #choose(news: number): void {
    for (let at = 0; at < this.#order.length; at++) {
      if (at === this.#followed.length) return this.#follow();
      const resolution = this.#followed[at]?.resolution;
      if (resolution === undefined) return;
      if (resolution.state !== "bound") continue;
      this.#keep(at + 1);
      return this.#tell(at, resolution, news);
    }
    const own = this.#followed[0]?.resolution;
    if (own !== undefined) this.#tell(0, own, news);
  }

  #tell(at: number, resolution: Resolution, news: number): void {
    // What another data center says does not confirm this one.
    if (resolution === this.#told && at !== news) return;
    if (at !== this.#chosen) this.#noteChoice(at);
    this.#chosen = at;
    this.#told = resolution;
    this.#report(resolution);
    // A listener that has left has stopped them all.
    const trouble = this.#followed[at]?.trouble;
    if (trouble !== undefined) this.#report({ state: "failed", cause: trouble });
  }

  #noteChoice(at: number): void {
    if (at === 0 && this.#chosen === undefined) return;
    const { service } = this.#question;
    this.#parts.deps.log.info("a service is served from another data center", () => ({
      service,
      own: this.#order[0] ?? LOCAL,
      now: this.#order[at] ?? LOCAL,
    }));
  }

  #keep(count: number): void {
    for (const { source } of this.#followed.splice(count)) source.stop();
  }
}

/** As queries name it. */
export function datacenterOf(label: string): string | undefined {
  return label === LOCAL ? undefined : label;
}
