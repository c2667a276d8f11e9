// Follows PEM files: when they change they are read again, in a process of its own, and what is good takes effect.
import type { LoadedMaterial } from "../../config/load-result.ts";
import type { RefusedUnit } from "../../config/material.ts";
import type { ReadAgain } from "../../config/read-again.ts";
import type { Config } from "../../config/types.ts";
import type { Cancel, Clock } from "../../lib/clock.ts";
import type { FileStamp } from "../../lib/file-stamp.ts";
import { CERTIFICATE_METRICS } from "../../telemetry/catalogue/certificates.ts";
import type { Logger } from "../../telemetry/log.ts";
import type { Counter, Gauge } from "../../telemetry/metrics.ts";
import type { Registry } from "../../telemetry/registry.ts";
import { ConfigWatch } from "../reload/config-watch.ts";

/** A change counts when two looks agree: new handshakes see it well within 2 s, the time to read it included. */
const LOOK_EVERY_MS = 500;
const SETTLE_MS = 300;
/** After a reading that failed as a whole: the system had no process for it, or it took too long. */
const TRY_AGAIN_MS = 10_000;
/** Lines of the log for one reading. */
const MOST_LINES = 20;

/** What comes from PEM files is that of `config` from now on. */
export interface Rotated {
  readonly config: Config;
  readonly fingerprint: string;
}

export interface RotationParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly registry: Registry;
  /** Reads everything again. Rejects when that itself is impossible. */
  readonly readAgain: (again: Uint8Array) => Promise<ReadAgain>;
  /**
   * Puts into effect what `read` answers, alone: answers false, having done nothing, while something else changes what is
   * in effect. Rejects with what `read` does, and when it cannot be put into effect.
   */
  readonly rotate: (read: () => Promise<Rotated | undefined>) => Promise<boolean>;
  /** This is in use now. */
  readonly onUse: (material: LoadedMaterial) => void;
  /** The system's files when not given. */
  readonly stampOf?: (path: string) => FileStamp;
}

export class Rotation {
  readonly #parts: RotationParts;
  readonly #watch: ConfigWatch;
  readonly #rotated: Counter;
  readonly #failures: Counter;
  readonly #refusedGauge: Gauge;
  #material: LoadedMaterial | undefined;
  #refused: readonly RefusedUnit[] = [];
  #isReading = false;
  #cancelNext: Cancel | undefined;

  constructor(parts: RotationParts) {
    const { clock, registry, stampOf } = parts;
    this.#parts = parts;
    this.#rotated = registry.counter(CERTIFICATE_METRICS.rotated);
    this.#failures = registry.counter(CERTIFICATE_METRICS.failures);
    this.#refusedGauge = registry.gauge(CERTIFICATE_METRICS.refused);
    this.#watch = new ConfigWatch({
      clock,
      everyMs: LOOK_EVERY_MS,
      settleMs: SETTLE_MS,
      onChange: () => void this.#read(),
      ...(stampOf && { stampOf }),
    });
  }

  /** Units whose files cannot be used as they are now. */
  get refused(): readonly RefusedUnit[] {
    return this.#refused;
  }

  /** A configuration was put into effect that took this. Its files are followed if `isOn`. */
  use(material: LoadedMaterial, isOn: boolean): void {
    this.#material = material;
    this.#setRefused([]);
    this.#cancelNext?.();
    this.#watch.expect(material.files);
    this.#watch.set(isOn);
  }

  stop(): void {
    this.#cancelNext?.();
    this.#watch.set(false);
  }

  async #read(): Promise<void> {
    const material = this.#material;
    if (material === undefined || this.#isReading) return;
    this.#cancelNext?.();
    this.#isReading = true;
    try {
      const { rotate, readAgain } = this.#parts;
      let result: ReadAgain | undefined;
      const isDone = await rotate(async () => {
        const read = await readAgain(material.again);
        result = read;
        return read.ok && read.changed.length > 0 ? read : undefined;
      });
      // A reload that is under way reads them too; if it fails, the next look sees the change again.
      if (!isDone) this.#watch.expect(material.files);
      else if (result !== undefined && this.#material === material) this.#settle(result);
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      this.#failed(["the files could not be read again", detail].join(": "));
      this.#readAfter(TRY_AGAIN_MS);
    } finally {
      this.#isReading = false;
    }
  }

  #settle(result: ReadAgain): void {
    if (!result.ok) {
      for (const problem of result.problems.slice(0, MOST_LINES)) this.#failed(problem);
      return;
    }
    const { material, changed, refused, warnings } = result;
    this.#material = material;
    this.#watch.expect(material.files);
    this.#parts.onUse(material);
    this.#rotated.add(changed.length);
    const { log, clock } = this.#parts;
    for (const { unit, change, certificates } of changed.slice(0, MOST_LINES)) {
      const [first] = certificates;
      const notAfter = first && new Date(first.notAfterMs).toISOString();
      const fields = () => ({ unit, file: first?.file, name: first?.name, notAfter });
      log.info(`a certificate file has ${CHANGES[change]}: new connections follow`, fields);
    }
    if (changed.length > MOST_LINES) {
      log.info("more certificate files have changed", () => ({
        more: changed.length - MOST_LINES,
      }));
    }
    if (changed.length > 0) {
      for (const problem of warnings.slice(0, MOST_LINES))
        log.warn("rotation", () => ({ problem }));
    }
    this.#tellRefused(refused);
    const goodFromMs = Math.min(
      ...refused.map((one) => one.goodFromMs ?? Number.POSITIVE_INFINITY),
    );
    if (Number.isFinite(goodFromMs)) this.#readAfter(Math.max(0, goodFromMs - clock.wallTime()));
  }

  #tellRefused(refused: readonly RefusedUnit[]): void {
    const { log } = this.#parts;
    const before = new Map(this.#refused.map((one) => [one.unit, one.problems.join("\n")]));
    const isNew = ({ unit, problems }: RefusedUnit): boolean =>
      before.get(unit) !== problems.join("\n");
    const told = refused.filter(isNew);
    this.#failures.add(told.length);
    for (const { unit, problems, isKept } of told.slice(0, MOST_LINES)) {
      const message = isKept
        ? "a changed certificate is refused: the one before stays in use"
        : "a new certificate is refused";
      log.error(message, () => ({ unit, problem: problems.join("; ") }));
    }
    const still = new Set(refused.map(({ unit }) => unit));
    for (const { unit } of this.#refused) {
      if (!still.has(unit)) log.info("its files can be used again", () => ({ unit }));
    }
    this.#setRefused(refused);
  }

  #setRefused(refused: readonly RefusedUnit[]): void {
    this.#refused = refused;
    this.#refusedGauge.set(refused.length);
  }

  #failed(problem: string): void {
    this.#failures.add(1);
    this.#parts.log.error("changed certificates are refused: those before stay in use", () => ({
      problem,
    }));
  }

  #readAfter(delayMs: number): void {
    this.#cancelNext?.();
    this.#cancelNext = this.#parts.clock.after(delayMs, () => void this.#read());
  }
}

const CHANGES = { added: "come", changed: "changed", removed: "gone" } as const;
