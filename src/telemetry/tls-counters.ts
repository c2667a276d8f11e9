// Counts TLS handshakes by what was agreed upon and by why they failed. The values of labels are closed lists, so that no
// peer can make series.
import { MetricScope } from "./metric-scope.ts";
import type { Counter, MetricDefinition } from "./metrics.ts";
import type { Registry } from "./registry.ts";

/** What the policy allows, and the names that peers may choose from. */
const VERSIONS = new Set(["TLSv1.2", "TLSv1.3"]);
const CIPHERS = new Set([
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
]);
const GROUPS = new Set(["X25519MLKEM768", "X25519", "P-256", "P-384", "P-521"]);
const OTHER = "other";
/** Protocols that one configuration names are few. Beyond this they are `other`, as reloads may bring ever new ones. */
const MOST_PROTOCOLS = 32;

/** What is counted of a handshake that is done. */
export interface CountedHandshake {
  readonly version: string | undefined;
  readonly cipher: string | undefined;
  readonly group: string | undefined;
  readonly alpn: string | undefined;
  readonly resumed: boolean;
}

/** The metrics of one server or destination; each has the labels of it behind its own. */
export interface TlsDefinitions {
  readonly handshakes: MetricDefinition;
  readonly groups: MetricDefinition;
  readonly alpn: MetricDefinition;
  readonly failures: MetricDefinition;
}

/** Of one server or destination on one worker. A series begins when there is something to count. */
export class TlsCounters {
  readonly #scope: MetricScope;
  readonly #definitions: TlsDefinitions;
  readonly #labels: readonly string[];
  readonly #handshakes = new Map<string, Counter>();
  readonly #groups = new Map<string, Counter>();
  readonly #protocols = new Map<string, Counter>();
  readonly #failures = new Map<string, Counter>();

  constructor(registry: Registry, definitions: TlsDefinitions, labels: readonly string[]) {
    this.#scope = new MetricScope(registry);
    this.#definitions = definitions;
    this.#labels = labels;
  }

  /** A handshake is done. */
  agreed({ version, cipher, group, alpn, resumed }: CountedHandshake): void {
    const { handshakes, groups, alpn: protocols } = this.#definitions;
    const labels = [listed(CIPHERS, cipher), String(resumed), listed(VERSIONS, version)] as const;
    this.#count(this.#handshakes, handshakes, labels.join(" "), labels);
    const groupName = listed(GROUPS, group);
    this.#count(this.#groups, groups, groupName, [groupName]);
    const isNew = alpn !== undefined && !this.#protocols.has(alpn);
    const protocol = isNew && this.#protocols.size >= MOST_PROTOCOLS ? OTHER : (alpn ?? "none");
    this.#count(this.#protocols, protocols, protocol, [protocol]);
  }

  /** `reason` is one of a closed list. */
  failed(reason: string): void {
    this.#count(this.#failures, this.#definitions.failures, reason, [reason]);
  }

  /** Has series for these reasons from the start, so that the first failure is seen as a growth. */
  expect(reasons: readonly string[]): void {
    for (const reason of reasons)
      this.#counter(this.#failures, this.#definitions.failures, reason, [reason]);
  }

  /** Ends all series; nothing may be counted afterwards. */
  release(): void {
    this.#scope.release();
  }

  #count(
    counters: Map<string, Counter>,
    definition: MetricDefinition,
    key: string,
    labels: readonly string[],
  ): void {
    this.#counter(counters, definition, key, labels).add(1);
  }

  #counter(
    counters: Map<string, Counter>,
    definition: MetricDefinition,
    key: string,
    labels: readonly string[],
  ): Counter {
    const known = counters.get(key);
    if (known !== undefined) return known;
    const counter = this.#scope.counter(definition, ...labels, ...this.#labels);
    counters.set(key, counter);
    return counter;
  }
}

function listed(list: ReadonlySet<string>, value: string | undefined): string {
  return value !== undefined && list.has(value) ? value : OTHER;
}
