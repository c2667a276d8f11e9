// When certificates in use end: a metric for each, and a line in the log while there is little time left.
import type { CertificateFacts } from "../../config/material.ts";
import type { Cancel, Clock } from "../../lib/clock.ts";
import { CERTIFICATE_METRICS } from "../../telemetry/catalogue/certificates.ts";
import type { Logger } from "../../telemetry/log.ts";
import type { Gauge } from "../../telemetry/metrics.ts";
import type { Registry } from "../../telemetry/registry.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** There is little time left in the last 30 days, or, of certificates that live for less than 90, in the last third. */
const SOON_MS = 30 * DAY_MS;
const SOON_SHARE = 1 / 3;
/** More certificates are not in the metrics, but for those that end first: every series costs whoever keeps them. */
const MOST_SERIES = 2_000;

export interface ExpiryParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly registry: Registry;
}

export class Expiry {
  readonly #parts: ExpiryParts;
  #certificates: readonly CertificateFacts[] = [];
  readonly #gauges = new Map<string, Gauge>();
  /** When the log told last of a certificate. */
  readonly #toldMs = new Map<string, number>();
  #cancel: Cancel | undefined;

  constructor(parts: ExpiryParts) {
    this.#parts = parts;
  }

  /** Each once, those that end first first. */
  get certificates(): readonly CertificateFacts[] {
    return this.#certificates;
  }

  /** These are in use from now on, and no others. */
  use(certificates: readonly CertificateFacts[]): void {
    const { clock, registry } = this.#parts;
    const byKey = new Map<string, CertificateFacts>();
    for (const facts of certificates) {
      const known = byKey.get(keyOf(facts));
      if (known === undefined || facts.notAfterMs < known.notAfterMs)
        byKey.set(keyOf(facts), facts);
    }
    this.#certificates = [...byKey.values()].toSorted((a, b) => a.notAfterMs - b.notAfterMs);
    const shown = new Map(this.#certificates.slice(0, MOST_SERIES).map((one) => [keyOf(one), one]));
    for (const [key, gauge] of this.#gauges) {
      if (shown.has(key)) continue;
      registry.release(gauge);
      this.#gauges.delete(key);
    }
    for (const [key, { file, role, name, notAfterMs }] of shown) {
      const gauge =
        this.#gauges.get(key) ?? registry.gauge(CERTIFICATE_METRICS.notAfter, file, role, name);
      gauge.set(Math.floor(notAfterMs / 1000));
      this.#gauges.set(key, gauge);
    }
    for (const key of this.#toldMs.keys()) if (!byKey.has(key)) this.#toldMs.delete(key);
    if (this.#certificates.length === 0) this.stop();
    else this.#cancel ??= clock.every(HOUR_MS, () => this.#look());
    this.#look();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #look(): void {
    const { clock, log } = this.#parts;
    const nowMs = clock.wallTime();
    for (const facts of this.#certificates) {
      const leftMs = facts.notAfterMs - nowMs;
      const soonMs = Math.min(SOON_MS, (facts.notAfterMs - facts.notBeforeMs) * SOON_SHARE);
      const key = keyOf(facts);
      if (leftMs > soonMs) {
        this.#toldMs.delete(key);
        continue;
      }
      // Bundles of authorities hold some that are over.
      if (leftMs <= 0 && facts.role === "trust") continue;
      if (nowMs - (this.#toldMs.get(key) ?? Number.NEGATIVE_INFINITY) < DAY_MS) continue;
      this.#toldMs.set(key, nowMs);
      const { file, role, name, notAfterMs } = facts;
      const notAfter = new Date(notAfterMs).toISOString();
      const hoursLeft = Math.max(0, Math.floor(leftMs / HOUR_MS));
      const fields = () => ({ file, role, name, notAfter, hoursLeft });
      const what = role === "crl" ? "list of revoked certificates" : "certificate";
      if (leftMs <= 0) log.error(`a ${what} has expired`, fields);
      else log.warn(`a ${what} expires soon`, fields);
    }
  }
}

function keyOf({ file, role, name }: CertificateFacts): string {
  return [file, role, name].join("\n");
}
