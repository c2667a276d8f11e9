// Limits of servers and of the process, from their keys: zeros, lists in files, and what does not go together.
import { formatCidr, inAnyCidr, parseCidr } from "../lib/cidr.ts";
import { formatIp } from "../lib/ip.ts";
import { limit } from "./defaults.ts";
import { cidrComplaint } from "./fields.ts";
import { type ConfigPath, type ProblemList, show } from "./problems.ts";
import type { FileLimits, FileOverload } from "./schema-limits.ts";
import { resolvePath, type Surroundings, whyUnreadable } from "./surroundings.ts";
import type { LimitsConfig, NetworkLimitsConfig, OverloadConfig, RateConfig } from "./types.ts";

const MEGABYTE = 1024 * 1024;

/** Undefined where both limits are off. */
export function overloadConfig(file: FileOverload): OverloadConfig | undefined {
  const { maxLoopLagMs, maxMemoryMb, dryRun } = file;
  if (maxLoopLagMs === 0 && maxMemoryMb === 0) return undefined;
  return {
    maxLoopLagMs: limit(maxLoopLagMs),
    maxMemoryBytes: limit(maxMemoryMb * MEGABYTE),
    dryRun,
  };
}

/** Makes the limits of servers. */
export class LimitsCompiler {
  readonly #around: Surroundings;
  readonly #problems: ProblemList;

  constructor(around: Surroundings, problems: ProblemList) {
    this.#around = around;
    this.#problems = problems;
  }

  limits(file: FileLimits, path: ConfigPath): LimitsConfig {
    const { perSource } = file;
    const allowed = this.#list(file.allowFile, [...path, "allowFile"], file.allow === undefined);
    const denied = this.#list(file.denyFile, [...path, "denyFile"]);
    const isOpen = file.allow === undefined && allowed === undefined;
    const config: LimitsConfig = {
      allow: isOpen ? undefined : [...(file.allow ?? []).map(canonical), ...(allowed ?? [])],
      deny: [...file.deny.map(canonical), ...(denied ?? [])],
      rate: this.#rate(file, path),
      perSource: perSource && {
        maxConnections: limit(perSource.maxConnections),
        rate: this.#rate(perSource, [...path, "perSource"]),
        ipv4PrefixLength: perSource.ipv4PrefixLength,
        ipv6PrefixLength: perSource.ipv6PrefixLength,
      },
      networks: this.#networks(file, path),
      dryRun: file.dryRun,
    };
    this.#warnOfDenied(file, config.deny, path);
    return config;
  }

  #networks({ networks }: FileLimits, path: ConfigPath): readonly NetworkLimitsConfig[] {
    const seen = new Set<string>();
    return networks.map((network, index) => {
      const at = [...path, "networks", index];
      const cidr = canonical(network.cidr);
      if (seen.has(cidr)) this.#problems.error([...at, "cidr"], `${cidr} has limits already`);
      seen.add(cidr);
      if (network.maxConnections === 0 && network.connectionsPerSec === 0) {
        const message = `no limit is set for ${cidr}: expected maxConnections or connectionsPerSec`;
        this.#problems.warning(at, message);
      }
      const maxConnections = limit(network.maxConnections);
      return { cidr, maxConnections, rate: this.#rate(network, at) };
    });
  }

  #rate(
    { connectionsPerSec, burst }: { readonly connectionsPerSec: number; readonly burst: number },
    path: ConfigPath,
  ): RateConfig | undefined {
    if (connectionsPerSec === 0) {
      if (burst > 0) {
        const message = "has no effect without connectionsPerSec";
        this.#problems.warning([...path, "burst"], message);
      }
      return undefined;
    }
    const second = Math.max(1, Math.ceil(connectionsPerSec));
    return { perSec: connectionsPerSec, burst: burst === 0 ? second : burst };
  }

  /** The blocks of a file; undefined where none is named. `isAll`: without one in it, nobody would be served. */
  #list(file: string | undefined, path: ConfigPath, isAll = false): readonly string[] | undefined {
    if (file === undefined) return undefined;
    try {
      const text = this.#around.readFile(resolvePath(this.#around, file));
      const blocks = this.#blocksOf(text, file, path);
      // What makes the list may have failed: better no start, or the list of before a reload.
      if (isAll && blocks?.length === 0) this.#problems.error(path, nobodyIn(file));
      return blocks ?? [];
    } catch (error) {
      this.#problems.error(path, `${file}: ${whyUnreadable(error)}`);
      return [];
    }
  }

  /** Undefined where a line is no block. */
  #blocksOf(text: string, file: string, path: ConfigPath): readonly string[] | undefined {
    const blocks: string[] = [];
    for (const [index, line] of text.split("\n").entries()) {
      const block = (line.split("#", 1)[0] ?? "").trim();
      if (block === "") continue;
      const complaint = cidrComplaint(block);
      if (complaint === undefined) {
        blocks.push(canonical(block));
        continue;
      }
      const why = complaint === "" ? "" : ` (${complaint})`;
      const expected = "expected a block of addresses such as 10.0.0.0/8";
      this.#problems.error(
        path,
        `${file}, line ${index + 1}: ${expected}, found ${show(block)}${why}`,
      );
      // One message is enough to see that it is another kind of file.
      return undefined;
    }
    return blocks;
  }

  /** Whoever writes both commonly means an exception, which there is not: deny wins. */
  #warnOfDenied({ allow }: FileLimits, deny: readonly string[], path: ConfigPath): void {
    if (allow === undefined) return;
    const denied = deny.flatMap((text) => parseCidr(text) ?? []);
    allow.forEach((text, index) => {
      const block = parseCidr(text);
      if (block === undefined) return;
      const wider = denied.filter(({ length }) => length <= block.length);
      if (!inAnyCidr(wider, formatIp(block.bytes))) return;
      const message = `${text} is denied, and deny wins: nobody from there is served`;
      this.#problems.warning([...path, "allow", index], message);
    });
  }
}

function nobodyIn(file: string): string {
  return `${file}: expected at least one block of addresses, such as 10.0.0.0/8, found none: nobody would be served`;
}

function canonical(text: string): string {
  const parsed = parseCidr(text);
  return parsed === undefined ? text : formatCidr(parsed);
}
