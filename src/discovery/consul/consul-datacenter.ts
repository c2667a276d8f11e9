// What a service in one data center stands for: its instances that count, as endpoints.
import type { ConsulNamerConfig } from "../../config/namer-types.ts";
import type { Cancel } from "../../lib/clock.ts";
import type { Resolution } from "../../naming/resolution.ts";
import type { ConsulAgent } from "./consul-agent.ts";
import type { ConsulInstance } from "./consul-answer.ts";
import { consulEndpoints, setMeta, wantedInstances } from "./consul-endpoints.ts";
import { ConsulHosts, type HostsKnown } from "./consul-hosts.ts";
import type { ConsulQuestion } from "./consul-query.ts";
import { ConsulWatch } from "./consul-watch.ts";
import type { NamerDeps } from "../namer.ts";

/** What the names of one namer have in common. */
export interface ConsulParts {
  readonly config: ConsulNamerConfig;
  readonly deps: NamerDeps;
  readonly agent: ConsulAgent;
}

/** Who follows a data center. Nothing is called before the constructor has returned, nor after `stop`. */
export interface DatacenterListener {
  /**
   * `bound` with one endpoint or more, or `neg` where no instance counts; told again when it is confirmed. `trouble`: what was
   * told to `failed` last, where that still holds and only the addresses of hosts have changed.
   */
  answer(resolution: Resolution, trouble: string | undefined): void;
  /** Nothing is known any more but what `answer` was told last; told for each attempt. One sentence for people. */
  failed(cause: string): void;
}

/** A service in one data center, followed until `stop`. */
export class ConsulDatacenter {
  readonly #parts: ConsulParts;
  readonly #question: ConsulQuestion;
  readonly #listener: DatacenterListener;
  readonly #hosts: ConsulHosts;
  readonly #watch: ConsulWatch;
  readonly #leaveAgent: Cancel | undefined;
  /** Those that count; undefined while nothing is known. */
  #instances: readonly ConsulInstance[] | undefined;
  #hostsKnown = false;
  #told: Resolution | undefined;
  /** Why Consul cannot be asked; undefined while it can. */
  #trouble: string | undefined;

  constructor(parts: ConsulParts, question: ConsulQuestion, listener: DatacenterListener) {
    const { config, deps, agent } = parts;
    this.#parts = parts;
    this.#question = question;
    this.#listener = listener;
    this.#hosts = new ConsulHosts(deps, (known) => this.#onHosts(known));
    this.#leaveAgent = config.setHost ? agent.follow(() => this.#tell()) : undefined;
    this.#watch = new ConsulWatch(config, question, deps, {
      answer: (instances) => this.#onAnswer(instances),
      failed: (cause) => {
        this.#trouble = cause;
        listener.failed(cause);
      },
    });
  }

  stop(): void {
    this.#watch.stop();
    this.#hosts.clear();
    this.#leaveAgent?.();
  }

  #onAnswer(all: readonly ConsulInstance[]): void {
    const instances = wantedInstances(all, this.#parts.config);
    this.#instances = instances;
    this.#hostsKnown = false;
    this.#trouble = undefined;
    if (instances.length > 0) return this.#hosts.set(instances.map(({ host }) => host));
    this.#hosts.clear();
    this.#tell();
  }

  #onHosts(known: HostsKnown): void {
    this.#hostsKnown = known.ok;
    if (known.ok) return this.#tell();
    this.#listener.failed(known.cause);
  }

  #tell(): void {
    const resolution = this.#resolution();
    if (resolution === undefined) return;
    // Look-ups of hosts confirm nothing while Consul cannot be asked.
    if (this.#trouble !== undefined && Bun.deepEquals(resolution, this.#told)) return;
    this.#told = resolution;
    this.#listener.answer(resolution, this.#trouble);
  }

  #resolution(): Resolution | undefined {
    const { config, agent } = this.#parts;
    const instances = this.#instances;
    if (instances === undefined) return undefined;
    if (instances.length === 0) return { state: "neg" };
    if (!this.#hostsKnown || (config.setHost && agent.info === undefined)) return undefined;
    const endpoints = consulEndpoints(instances, (host) => this.#hosts.ips(host), config);
    const meta = setMeta(instances, this.#authority(), config);
    return { state: "bound", endpoints, ...(meta !== undefined && { meta }) };
  }

  /** `[tag.]service.service[.datacenter].domain`: a name without data center is one of the agent's own. */
  #authority(): string | undefined {
    const { config, agent } = this.#parts;
    if (!config.setHost || agent.info === undefined) return undefined;
    const { service, tag, datacenter = agent.info.datacenter } = this.#question;
    return [tag, service, "service", datacenter, agent.info.domain]
      .filter((part) => part !== undefined)
      .join(".");
  }
}
