// Makes endpoints of Consul's instances: which of them count, with which weight, and what is passed on about them.
import type { ConsulNamerConfig } from "../../config/namer-types.ts";
import type { Metadata, WeightedAddress } from "../../naming/resolution.ts";
import type { ConsulInstance } from "./consul-answer.ts";
import { DEFAULT_WEIGHT, MAX_WEIGHT } from "../endpoint-set.ts";

/** The instances whose health is one of those asked for. Of the catalog, all: it tells no health. */
export function wantedInstances(
  instances: readonly ConsulInstance[],
  { useHealthCheck, healthStatuses }: ConsulNamerConfig,
): readonly ConsulInstance[] {
  if (!useHealthCheck) return instances;
  return instances.filter(({ health }) => healthStatuses.includes(health));
}

/**
 * The endpoints of instances, sorted by address, each address once. Where several instances share one, the largest weight
 * counts, and of the metadata that of the first. Each has its weight in its metadata too, even where it is 1: linkerd's
 * namer does so, and readers compare. A weight is
 * - where tags have weights (`config.weights`): the largest of the instance's tags, 1 without such a tag;
 * - else what the service registered in Consul: `Weights.Passing`, or `Weights.Warning` if it is not passing. 1 by default.
 *
 * @param ipsOf the addresses of a host name; an IP literal is its own
 */
export function consulEndpoints(
  instances: readonly ConsulInstance[],
  ipsOf: (host: string) => readonly string[],
  config: ConsulNamerConfig,
): readonly WeightedAddress[] {
  const byAddress = new Map<string, WeightedAddress>();
  for (const instance of instances) {
    const weight = weightOf(instance, config.weights);
    const nodeMeta = config.transferMetadata ? instance.nodeMeta : {};
    for (const ip of ipsOf(instance.host)) {
      const key = `${ip} ${instance.port}`;
      const known = byAddress.get(key);
      const most = Math.max(weight, known?.weight ?? 0);
      const meta = { ...(known?.meta ?? nodeMeta), endpoint_addr_weight: most };
      byAddress.set(key, { ip, port: instance.port, weight: most, meta });
    }
  }
  return [...byAddress].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint);
}

/**
 * What is told of the whole set: `authority`, the name in Consul's DNS, where there is one; and with `transferMetadata` what
 * the service of the first instance tells of itself. undefined for nothing.
 */
export function setMeta(
  instances: readonly ConsulInstance[],
  authority: string | undefined,
  { transferMetadata }: ConsulNamerConfig,
): Metadata | undefined {
  const meta = {
    ...(transferMetadata && instances[0]?.serviceMeta),
    ...(authority !== undefined && { authority }),
  };
  return Object.keys(meta).length === 0 ? undefined : meta;
}

function weightOf(
  { tags, weights, health }: ConsulInstance,
  byTag: ConsulNamerConfig["weights"],
): number {
  if (byTag.length === 0) return health === "passing" ? weights.passing : weights.warning;
  const matching = byTag.filter(({ tag }) => tags.includes(tag)).map(({ weight }) => weight);
  return matching.length === 0 ? DEFAULT_WEIGHT : Math.min(Math.max(...matching), MAX_WEIGHT);
}
