// What the system knows of this process, read from /proc when somebody looks. Numbers that cannot be had are not shown.
// Units and field numbers: proc(5).
import { readFileSync, readdirSync, statSync } from "node:fs";
import { PROCESS_METRICS } from "./catalogue/process.ts";
import type { Counter, Gauge, MetricDefinition } from "./metrics.ts";
import type { Registry } from "./registry.ts";

/** What runs: the labels of `l5d_build_info`. */
export interface BuildInfo {
  readonly version: string;
  /** Bun's version. */
  readonly bun: string;
}

/** USER_HZ, the unit of times in /proc: 100 on every architecture that Bun runs on. */
const TICKS_PER_SECOND = 100;

/** Gauges and counters of the process, in the control thread's registry. */
export class ProcessMetrics {
  readonly #registry: Registry;
  readonly #proc: string;
  readonly #gauges = new Map<MetricDefinition, Gauge>();
  #cpu: Counter | undefined;

  /** `proc` is where the proc file system is. */
  constructor(registry: Registry, build: BuildInfo, proc = "/proc") {
    this.#registry = registry;
    this.#proc = proc;
    registry.gauge(PROCESS_METRICS.buildInfo, build.bun, build.version).set(1);
    this.#set(PROCESS_METRICS.startTime, startTime(this.#read("self/stat"), this.#read("stat")));
  }

  /** Reads everything anew. Takes some 0.1 ms; meant for each look at the metrics. */
  refresh(): void {
    const status = this.#read("self/status");
    this.#set(PROCESS_METRICS.resident, kilobytes(status, "VmRSS"));
    this.#set(PROCESS_METRICS.privateMemory, kilobytes(status, "RssAnon"));
    this.#set(PROCESS_METRICS.openFds, openFds(`${this.#proc}/self/fd`));
    this.#set(PROCESS_METRICS.maxFds, maxFds(this.#read("self/limits")));
    this.#countCpu(cpuSeconds(this.#read("self/stat")));
  }

  #set(definition: MetricDefinition, value: number | undefined): void {
    if (value === undefined) return;
    let gauge = this.#gauges.get(definition);
    if (gauge === undefined) {
      gauge = this.#registry.gauge(definition);
      this.#gauges.set(definition, gauge);
    }
    gauge.set(value);
  }

  #countCpu(seconds: number | undefined): void {
    if (seconds === undefined) return;
    this.#cpu ??= this.#registry.counter(PROCESS_METRICS.cpu);
    this.#cpu.add(Math.max(0, seconds - this.#cpu.value));
  }

  #read(path: string): string {
    try {
      return readFileSync(`${this.#proc}/${path}`, "latin1");
    } catch {
      return "";
    }
  }
}

function firstNumber(text: string, pattern: RegExp): number | undefined {
  const found = pattern.exec(text)?.[1];
  return found === undefined ? undefined : Number(found);
}

function kilobytes(status: string, field: string): number | undefined {
  const value = firstNumber(status, new RegExp(`^${field}:\\s+(\\d+) kB$`, "m"));
  return value === undefined ? undefined : value * 1024;
}

function maxFds(limits: string): number | undefined {
  if (/^Max open files\s+unlimited/m.test(limits)) return Number.POSITIVE_INFINITY;
  return firstNumber(limits, /^Max open files\s+(\d+)/m);
}

function openFds(folder: string): number | undefined {
  try {
    // From Linux 6.2 on the size of the folder is the count, which spares a list of what may be 100,000 names.
    const { size } = statSync(folder);
    return size > 0 ? size : readdirSync(folder).length;
  } catch {
    return undefined;
  }
}

/** A field of /proc/self/stat by its number in proc(5), from 3 on. */
function statField(stat: string, field: number): number | undefined {
  // The second field is the command in parentheses, in which anything may stand.
  const text = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[field - 3];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

function cpuSeconds(stat: string): number | undefined {
  const user = statField(stat, 14);
  const system = statField(stat, 15);
  if (user === undefined || system === undefined) return undefined;
  return (user + system) / TICKS_PER_SECOND;
}

function startTime(stat: string, systemStat: string): number | undefined {
  const sinceBoot = statField(stat, 22);
  const boot = firstNumber(systemStat, /^btime (\d+)$/m);
  if (sinceBoot === undefined || boot === undefined) return undefined;
  return boot + sinceBoot / TICKS_PER_SECOND;
}
