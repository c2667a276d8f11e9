// What the system and the metrics page say of a running product.
import { readFileSync } from "node:fs";
import { parseExposition, type Sample } from "../parse-exposition.ts";
import type { Product } from "../product.ts";

/** What a proxy at rest opens after it is ready: listeners of its workers, the connection of who reads its metrics. */
export const FEW_FILES = 8;

/** One reading of the metrics page: all values are of the same moment. */
export class Readings {
  readonly #samples: readonly Sample[];

  constructor(samples: readonly Sample[]) {
    this.#samples = samples;
  }

  /** The sum of all series of a metric that carry `labels`; 0 when there is none. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}): number {
    return this.#samples
      .filter((sample) => sample.name === name)
      .filter((sample) =>
        Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
      )
      .reduce((sum, { value }) => sum + value, 0);
  }
}

/** Reads the metrics page. */
export async function readings(product: Product): Promise<Readings> {
  const admin = product.log.find(({ msg }) => msg === "ready")?.["admin"];
  const page = await (await fetch(`http://${String(admin)}/metrics`)).text();
  return new Readings(parseExposition(page).flatMap(({ samples }) => samples));
}

/** CPU time of the process so far, in milliseconds. */
export function cpuMs({ process: { pid } }: Product): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  // utime and stime, in ticks of 10 ms.
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** CPU time that the process uses in the next `overMs`, in milliseconds. */
export async function cpuMsDuring(product: Product, overMs: number): Promise<number> {
  const before = cpuMs(product);
  await Bun.sleep(overMs);
  return cpuMs(product) - before;
}

/** Private memory of the process, in bytes. */
export function privateBytes({ process: { pid } }: Product): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
}

/** Sockets of the system in CLOSE_WAIT that have `port` at either end. */
export function closeWaits(port: number): number {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  return readFileSync("/proc/net/tcp", "utf8")
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, remote, state]) => {
      const touches = local?.endsWith(`:${hex}`) === true || remote?.endsWith(`:${hex}`) === true;
      return touches && state === "08";
    }).length;
}
