// The namers `io.l5d.k8s` and `io.l5d.k8s.ns`: the endpoints of Kubernetes services, from their EndpointSlices.
import type { K8sNamerConfig } from "../../config/namer-types.ts";
import { type PathLabels, printPath } from "../../naming/path.ts";
import type { Resolution } from "../../naming/resolution.ts";
import { k8sAnswer } from "./k8s-answer.ts";
import { type K8sName, parseK8sName, segmentsOf, serviceOf, slicesOf } from "./k8s-name.ts";
import { type SharedWatch, SharedWatches } from "./k8s-shared.ts";
import type { Service, Slice } from "./k8s-slices.ts";
import { type K8sList, K8sWatch } from "./k8s-watch.ts";
import type { LeafSource, NamerDeps } from "../namer.ts";

/**
 * Names are `/<namespace>/<port>/<service>`, without the namespace for `io.l5d.k8s.ns`, and with the value of the label
 * at the end where `labelSelector` is set; they are taken in lower case. A port is the name of a TCP port of the service,
 * or its number, for which the Service is followed too. The role needs `list` and `watch` of `endpointslices`, and for
 * numbers of ports of `services`.
 */
export function k8sSource(config: K8sNamerConfig, deps: NamerDeps): LeafSource {
  return new K8sSource(config, deps);
}

class K8sSource implements LeafSource {
  readonly #config: K8sNamerConfig;
  readonly #deps: NamerDeps;
  readonly #slices = new SharedWatches<Slice>();
  readonly #services = new SharedWatches<Service>();

  constructor(config: K8sNamerConfig, deps: NamerDeps) {
    this.#config = config;
    this.#deps = deps;
  }

  split(path: PathLabels): { readonly id: PathLabels; readonly residual: PathLabels } | undefined {
    const length = segmentsOf(this.#config);
    const id = path.slice(0, length).map((label) => label.toLowerCase());
    if (parseK8sName(this.#config, id) === undefined) return undefined;
    return { id, residual: path.slice(length) };
  }

  watch(id: PathLabels, signal: AbortSignal, report: (answer: Resolution) => void): void {
    if (signal.aborted) return;
    const name = parseK8sName(this.#config, id);
    if (name === undefined) {
      queueMicrotask(() => {
        if (!signal.aborted) report({ state: "neg" });
      });
      return;
    }
    const follower = new Follower(name, this.#deps, report);
    const changed = (): void => follower.changed();
    const slices = this.#join(this.#slices, slicesOf(name), changed);
    const needsService = typeof name.port === "number";
    const service = needsService ? this.#join(this.#services, serviceOf(name), changed) : undefined;
    follower.begin(slices, service);
    signal.addEventListener("abort", () => follower.stop(), { once: true });
  }

  #join<T>(shared: SharedWatches<T>, list: K8sList<T>, changed: () => void): SharedWatch<T> {
    const make = (tell: () => void): K8sWatch<T> =>
      new K8sWatch(this.#config, list, this.#deps, tell);
    return shared.join(`${list.path}?${list.selector}`, make, changed);
  }
}

/** One name, followed until `stop`. */
class Follower {
  readonly #name: K8sName;
  readonly #deps: NamerDeps;
  readonly #report: (answer: Resolution) => void;
  #slices: SharedWatch<Slice> | undefined;
  #service: SharedWatch<Service> | undefined;
  #willTell = false;
  /** What the objects stood for, as it was told last. */
  #told: Resolution | undefined;
  #skipped = 0;

  constructor(name: K8sName, deps: NamerDeps, report: (answer: Resolution) => void) {
    this.#name = name;
    this.#deps = deps;
    this.#report = report;
  }

  begin(slices: SharedWatch<Slice>, service: SharedWatch<Service> | undefined): void {
    this.#slices = slices;
    this.#service = service;
    // Others may have made it known already.
    this.changed();
  }

  stop(): void {
    this.#slices?.leave();
    this.#service?.leave();
    this.#slices = undefined;
  }

  /** Events that came together, as those of a rollout do, are one change. */
  changed(): void {
    if (this.#willTell) return;
    this.#willTell = true;
    queueMicrotask(() => {
      this.#willTell = false;
      if (this.#slices !== undefined) this.#tell(this.#slices);
    });
  }

  #tell(slices: SharedWatch<Slice>): void {
    const answer = k8sAnswer(this.#name, slices.state, this.#service?.state);
    const { resolution, failing, skipped } = answer;
    if (resolution.state === "pending") return;
    // A failure confirms nothing, but what was not told yet is still the best there is.
    if (failing === undefined || !Bun.deepEquals(resolution, this.#told)) {
      this.#noteSkipped(skipped);
      this.#told = resolution;
      this.#report(resolution);
    }
    // The listener may have left.
    if (failing === undefined || this.#slices === undefined) return;
    this.#report({ state: "failed", cause: failing });
  }

  #noteSkipped(skipped: number): void {
    const { log, metrics } = this.#deps;
    metrics.skip(skipped);
    if (skipped === this.#skipped) return;
    this.#skipped = skipped;
    if (skipped === 0) return;
    const { namespace, port, service } = this.#name;
    const name = printPath([namespace, `${port}`, service]);
    log.warn("Kubernetes gave addresses that cannot be used", () => ({ name, skipped }));
  }
}
