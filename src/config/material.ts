// What a configuration takes from PEM files, in units that are used or refused as a whole: a pair of certificate and key,
// a set of authorities. When files are read again, a unit that is bad now stays as it was, and does not hold up others.
import { type FileStamp, fileStamp } from "../lib/file-stamp.ts";
import { type ConfigPath, exactPath, type Problem, type ProblemList } from "./problems.ts";

/** What a certificate is for; `crl`: it is none, but a list of revoked ones, which ends like one. */
export type CertificateRole = "server" | "client" | "trust" | "crl";

/** A certificate in use, as metrics and the status page tell of it. */
export interface CertificateFacts {
  /** As the configuration has it; for a directory, with the file's place in it. */
  readonly file: string;
  readonly role: CertificateRole;
  /** For people: mostly the common name. */
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly notBeforeMs: number;
  /** Of a chain: the earliest of its certificates. */
  readonly notAfterMs: number;
}

/** One unit, by where it stands in the configuration. */
export interface Unit {
  /** Plain data. */
  readonly value: unknown;
  readonly certificates: readonly CertificateFacts[];
  /** Everything that it was read from, as it was before. */
  readonly files: readonly FileStamp[];
}

export type Units = ReadonlyMap<string, Unit>;

/** A unit whose files cannot be used as they are now. */
export interface RefusedUnit {
  /** Such as `routers[0].servers[0].tls.defaultIdentity`. */
  readonly unit: string;
  /** Why, a clause each, with the file's name. */
  readonly problems: readonly string[];
  /** When it may be used, in milliseconds since 1970, where only time is lacking. */
  readonly goodFromMs: number | undefined;
  /** Whether an earlier version goes on to be used. */
  readonly isKept: boolean;
}

/** A file that is not read a second time: a pipe gives what it holds once. */
export const NOT_READ_AGAIN = "it is a pipe or a device, and not read again";

/** The units of one reading. */
export class Material {
  /** Of the last good reading; undefined where bad units are errors of the configuration. */
  readonly #kept: Units | undefined;
  readonly #nowMs: number;
  readonly #stampOf: (path: string) => FileStamp;
  readonly #units = new Map<string, Unit>();
  readonly #refused: RefusedUnit[] = [];
  readonly #files = new Set<string>();
  #certificates: CertificateFacts[] = [];
  /** Of the unit that is being read. */
  #stamps = new Map<string, FileStamp>();

  /** `stampOf` may remember: what is asked for first is how a file was before it was read. */
  constructor(nowMs: number, stampOf: (path: string) => FileStamp = fileStamp, kept?: Units) {
    this.#nowMs = nowMs;
    this.#stampOf = stampOf;
    this.#kept = kept;
  }

  get units(): Units {
    return this.#units;
  }

  get refused(): readonly RefusedUnit[] {
    return this.#refused;
  }

  /** Absolute paths of all files and directories that units were read from. */
  get files(): ReadonlySet<string> {
    return this.#files;
  }

  /** Certificates of all units. */
  get certificates(): readonly CertificateFacts[] {
    return [...this.#units.values()].flatMap(({ certificates }) => certificates);
  }

  /** To be called before the file is read. */
  noteFile(absolute: string): void {
    this.#files.add(absolute);
    this.#stamps.set(absolute, this.#stampOf(absolute));
  }

  /** To be called while the unit is read that the certificate belongs to. */
  noteCertificate(facts: CertificateFacts): void {
    this.#certificates.push(facts);
  }

  /** What the unit at `path` was in the last good reading; undefined in a first one. */
  keptValue(path: ConfigPath): unknown {
    return this.#kept?.get(exactPath(path))?.value;
  }

  /**
   * Reads a unit by `read`, which notes problems and answers plain data, or undefined where there is an error. In a second
   * reading the value of the first takes its place then, as it does where no file of the unit is another one.
   */
  unit<Value>(
    problems: ProblemList,
    path: ConfigPath,
    read: () => Value | undefined,
  ): Value | undefined {
    // Whole: with one key for two units, the value of one would take the place of the other.
    const key = exactPath(path);
    // What a unit stands in was refused: all of it stays.
    const isWithin = ({ unit, isKept }: RefusedUnit): boolean =>
      isKept && key.startsWith(`${unit}[`);
    const kept = this.#kept?.get(key);
    const isWhole = kept?.files.every(
      ({ path: file, stamp }) => this.#stampOf(file).stamp === stamp,
    );
    if (isWhole === true || this.#refused.some(isWithin)) return this.#keep(key, kept);
    const [outerCertificates, outerStamps] = [this.#certificates, this.#stamps];
    this.#certificates = [];
    this.#stamps = new Map();
    const { value, noted } = problems.aside(read);
    const [certificates, files] = [this.#certificates, [...this.#stamps.values()]];
    [this.#certificates, this.#stamps] = [outerCertificates, outerStamps];
    const errors = noted.filter(({ severity }) => severity === "error");
    if (this.#kept === undefined || errors.length === 0) problems.adopt(noted);
    if (value === undefined || errors.length > 0) return this.#fallBack(key, kept, errors);
    const untimely = kept && this.#untimely(certificates, kept);
    if (untimely !== undefined) {
      const { problem, goodFromMs } = untimely;
      this.#refused.push({ unit: key, problems: [problem], goodFromMs, isKept: true });
      return this.#keep(key, kept);
    }
    this.#units.set(key, { value, certificates, files });
    return value;
  }

  #fallBack<Value>(
    key: string,
    kept: Unit | undefined,
    errors: readonly Problem[],
  ): Value | undefined {
    if (this.#kept === undefined) return undefined;
    const told = errors.filter(({ message }) => !message.endsWith(NOT_READ_AGAIN));
    if (told.length > 0) {
      const reasons = told.map(({ message }) => message);
      const isKept = kept !== undefined;
      this.#refused.push({ unit: key, problems: reasons, goodFromMs: undefined, isKept });
    }
    return this.#keep(key, kept);
  }

  #keep<Value>(key: string, kept: Unit | undefined): Value | undefined {
    if (kept === undefined) return undefined;
    this.#units.set(key, kept);
    for (const { path } of kept.files) this.noteFile(path);
    // A unit is read by the same code as the last time.
    return kept.value as Value;
  }

  /** What is valid now is not given up for what is not. */
  #untimely(
    certificates: readonly CertificateFacts[],
    kept: Unit,
  ): { readonly problem: string; readonly goodFromMs: number | undefined } | undefined {
    const own = (facts: readonly CertificateFacts[]): readonly CertificateFacts[] =>
      facts.filter(({ role }) => role !== "trust");
    const isGood = ({ notBeforeMs, notAfterMs }: CertificateFacts): boolean =>
      notBeforeMs <= this.#nowMs && this.#nowMs < notAfterMs;
    const bad = own(certificates).find((facts) => !isGood(facts));
    if (bad === undefined || !own(kept.certificates).every(isGood)) return undefined;
    const day = (ms: number): string => new Date(ms).toISOString();
    const what = `${bad.role === "crl" ? "list" : "certificate"} of ${bad.name}`;
    return bad.notBeforeMs > this.#nowMs
      ? {
          problem: `${bad.file}: the ${what} is valid from ${day(bad.notBeforeMs)} only`,
          goodFromMs: bad.notBeforeMs,
        }
      : {
          problem: `${bad.file}: the ${what} expired on ${day(bad.notAfterMs)}`,
          goodFromMs: undefined,
        };
  }
}
