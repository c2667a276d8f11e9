// The resolver `io.l5d.namerd.http`: names in a namerd, over its HTTP interface.
import type { NamerdConfig } from "../config/types.ts";
import type { Resolution } from "../naming/resolution.ts";
import { type NamerdDeps, NamerdWatch } from "./namerd-watch.ts";
import type { Resolver } from "./resolver.ts";

/**
 * Follows names in namerd by `GET {baseUrl}/api/1/resolve/{namespace}?path=...&watch=true`, whose answer is a stream of
 * values, one a line. `resolve` draws one branch of a union for each request, so a stream that is kept open keeps its
 * draw, and a poll does not. A server that ends its answer after one value is asked again every `periodMs`.
 */
export class NamerdResolver implements Resolver {
  readonly #config: NamerdConfig;
  readonly #deps: NamerdDeps;

  constructor(config: NamerdConfig, deps: NamerdDeps) {
    this.#config = config;
    this.#deps = deps;
  }

  watch(path: string, signal: AbortSignal, report: (resolution: Resolution) => void): void {
    if (signal.aborted) return;
    const { periodMs, requestTimeoutMs } = this.#config;
    const question = { url: this.#url(path), path, periodMs, requestTimeoutMs };
    const watch = new NamerdWatch(question, this.#deps, report);
    signal.addEventListener("abort", () => watch.stop(), { once: true });
  }

  #url(path: string): string {
    const { baseUrl, namespace } = this.#config;
    // namerd takes all that follows the slash as the namespace, further slashes included.
    const segments = namespace.split("/").map(encode).join("/");
    return `${baseUrl}/api/1/resolve/${segments}?path=${encode(path)}`;
  }
}

function encode(text: string): string {
  // encodeURIComponent throws at half a surrogate pair.
  return encodeURIComponent(text.toWellFormed());
}
