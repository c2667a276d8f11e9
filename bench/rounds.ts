// Runs the workloads: all proxies take turns within each round, in an order that changes from round to round.
import type { Stage } from "./stage.ts";
import { cpuClock } from "./measure.ts";
import type { Contender, Running } from "./proxies/contender.ts";
import type { Column, RowResult } from "./results.ts";
import type { Effort, Subject, Workload } from "./work/workload.ts";

/** Between two samples: what the last one closed is gone by then. */
const PAUSE_MS = 60;

/** A proxy that takes part in some workloads. */
export interface Entry {
  readonly contender: Contender;
  readonly proxy: Running;
  readonly cores: string | undefined;
}

/** What to run. */
export interface Plan {
  readonly rounds: number;
  readonly effort: Effort;
  /** Of the samples before the first round, which are thrown away: by then all code has run hot. */
  readonly warmUp: Effort;
  readonly workloads: readonly Workload[];
  /** The proxies of each field, ours first. */
  readonly entries: Readonly<Record<Workload["field"], readonly Entry[]>>;
  /** Told of each sample. */
  readonly progress: (line: string) => void;
}

/** The order of `entries` in a round: every place comes to everybody, and so does every neighbour. */
export function orderOf<Item>(entries: readonly Item[], round: number): Item[] {
  const shift = round % Math.max(entries.length, 1);
  const rotated = [...entries.slice(shift), ...entries.slice(0, shift)];
  return Math.floor(round / Math.max(entries.length, 1)) % 2 === 0 ? rotated : rotated.toReversed();
}

/** Takes all samples. */
export async function runRounds(plan: Plan, stage: Stage): Promise<RowResult[]> {
  const records = plan.workloads.map((workload) => ({
    workload,
    columns: plan.entries[workload.field].map((entry) => new Series(entry, workload)),
  }));
  for (const { columns } of records) {
    for (const column of columns) await column.warm(stage, plan);
  }
  for (let round = 0; round < plan.rounds; round++) {
    for (const { workload, columns } of records) {
      for (const column of orderOf(columns, round)) {
        await column.sample(stage, plan, round);
        plan.progress(`${round + 1}/${plan.rounds} ${workload.id} ${column.last()}`);
      }
    }
  }
  return records.flatMap(({ workload, columns }) =>
    workload.rows.map((row, index) => ({
      row,
      field: workload.field,
      columns: columns.map((column) => column.of(index)),
    })),
  );
}

/** The samples of one proxy in one workload. After a failure it takes no more: a row is right in all rounds or failed. */
class Series {
  readonly #entry: Entry;
  readonly #workload: Workload;
  readonly #samples: (readonly number[] | undefined)[] = [];
  #failure: string | undefined;

  constructor(entry: Entry, workload: Workload) {
    this.#entry = entry;
    this.#workload = workload;
  }

  /** Throws a sample away. A workload that starts its own instance gains nothing from it. */
  async warm(stage: Stage, { warmUp }: Plan): Promise<void> {
    if (!this.#workload.fresh) await this.#take(stage, warmUp, "warm-up");
  }

  async sample(stage: Stage, { effort }: Plan, round: number): Promise<void> {
    this.#samples[round] = await this.#take(stage, effort, `round ${round + 1}`);
  }

  async #take(stage: Stage, effort: Effort, when: string): Promise<readonly number[] | undefined> {
    if (this.#failure !== undefined) return undefined;
    await Bun.sleep(PAUSE_MS);
    try {
      return await this.#workload.sample(this.#subject(stage, effort));
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      const end = await this.#entry.proxy.epitaph();
      this.#failure = `${reason} (${when})${end === undefined ? "" : `; the proxy ${end}`}`;
      return undefined;
    }
  }

  /** The last sample, for the eye. */
  last(): string {
    const figures = this.#samples.at(-1)?.map((value) => value.toPrecision(4));
    return `${this.#entry.contender.name} ${this.#failure ?? figures?.join(" ") ?? ""}`;
  }

  /** One row of the workload. */
  of(row: number): Column {
    const { name, kind } = this.#entry.contender;
    const failure = this.#failure;
    const samples = this.#samples.map((figures) => figures?.[row]);
    return { name, kind, samples, ...(failure === undefined ? {} : { failure }) };
  }

  #subject(stage: Stage, effort: Effort): Subject {
    const { contender, proxy, cores } = this.#entry;
    return {
      plain: { port: proxy.plainPort },
      tls: { port: proxy.tlsPort, trust: stage.identities.ecdsa.trust },
      cpu: cpuClock(proxy.pids),
      effort,
      fresh: () => stage.start(contender, cores),
    };
  }
}
