// Which cores the proxy, the generator and the backend run on.
import { readFileSync } from "node:fs";

/** Core lists as taskset takes them; undefined where nothing is pinned. */
export interface Placement {
  /** The proxy under measure, when it serves on one thread. */
  readonly proxy: string | undefined;
  /** A proxy with two workers, and the one with one worker beside it. */
  readonly pair: string | undefined;
  readonly generator: string | undefined;
  readonly backend: string | undefined;
  /** For the report. */
  readonly summary: string;
}

/** Places everything on `cores`: the proxy alone on one as long as there are two. */
export function placementOn(cores: readonly number[], canPin: boolean): Placement {
  const [first, second, third, fourth] = cores;
  if (!canPin || first === undefined || second === undefined) {
    const none = undefined;
    const summary = "nothing pinned to a core";
    return { proxy: none, pair: none, generator: none, backend: none, summary };
  }
  const generator = third ?? second;
  const backend = fourth ?? generator;
  const others =
    generator === backend
      ? `generator and backend together on core ${generator}`
      : `generator on core ${generator}, backend on core ${backend}`;
  return {
    proxy: `${first}`,
    pair: `${first},${second}`,
    generator: `${generator}`,
    backend: `${backend}`,
    summary: `proxy on core ${first} (the rows of two workers: on ${first} and ${second}), ${others}`,
  };
}

/** The cores that this process may use. */
export function usableCores(): number[] {
  const status = readFileSync("/proc/self/status", "utf8");
  return coreList(/^Cpus_allowed_list:\s+(\S+)$/m.exec(status)?.[1] ?? "0");
}

/** Reads a list such as `0-2,5`. */
export function coreList(text: string): number[] {
  return text.split(",").flatMap((part) => {
    const [from = 0, to = from] = part.split("-").map(Number);
    return Array.from({ length: to - from + 1 }, (_, index) => from + index);
  });
}

/** Puts all threads of this process on `cores`. */
export function pinSelf(cores: string | undefined): void {
  if (cores !== undefined) Bun.spawnSync(["taskset", "-acp", cores, `${process.pid}`]);
}
