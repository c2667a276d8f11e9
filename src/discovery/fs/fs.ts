// The resolver `io.l5d.fs`: a folder of endpoint files, followed as it changes.
import type { FsConfig } from "../../config/types.ts";
import type { Resolution } from "../../naming/resolution.ts";
import { type FsAnswer, type FsDeps, FsFollow } from "./fs-follow.ts";
import { fileNames } from "./fs-locate.ts";
import { HostEndpoints } from "../host-endpoints.ts";
import { inetEndpoint, labelsOf } from "../inet.ts";
import type { Resolver } from "../resolver.ts";

/**
 * Follows `{prefix}/{file}`: each segment below the prefix is a folder, up to the one that is a file. A file that is
 * not there is `neg`, an empty one is bound to nothing, and one with bad lines counts without them.
 */
export class FsResolver implements Resolver {
  readonly #config: FsConfig;
  readonly #deps: FsDeps;

  constructor(config: FsConfig, deps: FsDeps) {
    this.#config = config;
    this.#deps = deps;
  }

  watch(path: string, signal: AbortSignal, report: (resolution: Resolution) => void): void {
    if (signal.aborted) return;
    const labels = labelsOf(path) ?? [];
    const inet = inetEndpoint(labels);
    if (inet !== undefined) {
      const hosts = new HostEndpoints(this.#deps, report);
      signal.addEventListener("abort", () => hosts.clear(), { once: true });
      return hosts.set([inet]);
    }
    const prefix = labelsOf(this.#config.prefix) ?? [];
    const covered = prefix.every((label, index) => label === labels[index]);
    const names = covered ? fileNames(labels.slice(prefix.length)) : undefined;
    if (names === undefined || names.length === 0) return report({ state: "neg" });
    const follow = new FsFollow({
      rootDir: this.#config.rootDir,
      names,
      deps: this.#deps,
      malformed: ({ file, first }) =>
        `no line of the file can be used; ${file}:${first.line}: ${first.problem}`,
      report: (answer) => report(resolutionOf(answer)),
    });
    signal.addEventListener("abort", () => follow.stop(), { once: true });
  }
}

function resolutionOf(answer: FsAnswer): Resolution {
  switch (answer.state) {
    case "file":
      return answer.answer;
    case "failed":
      return answer;
    case "none":
    case "folder":
      return { state: "neg" };
    default:
      return answer satisfies never;
  }
}
