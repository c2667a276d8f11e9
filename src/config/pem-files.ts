// Certificates and keys in files that a configuration names: read, checked, and every fault told at its place.
import type { X509Certificate } from "node:crypto";
import { type Crl, readCrls } from "./crl.ts";
import { nameOf, subjectOf } from "./certificate-checks.ts";
import { type CertificateRole, Material } from "./material.ts";
import { keyBlocks, type Pem, pemBlocks, readCertificates } from "./pem.ts";
import { type ReadKey, readPrivateKey } from "./pem-key.ts";
import type { ConfigPath, ProblemList } from "./problems.ts";
import { readPassphrase } from "./read-passphrase.ts";
import { type FolderEntry, resolvePath, type Surroundings, whyUnreadable } from "./surroundings.ts";

/** More certificates of a file of authorities than these are not told of one by one. */
const MOST_TOLD = 16;

/** Reads PEM files, and warns of certificates that are out of date. */
export class PemFiles {
  readonly #around: Surroundings;
  readonly #problems: ProblemList;
  readonly #material: Material;
  #systemRoots: ReadonlySet<string> | undefined;

  constructor(around: Surroundings, problems: ProblemList) {
    this.#around = around;
    this.#problems = problems;
    this.#material = around.material ?? new Material(around.nowMs);
  }

  /**
   * Reads what is used or refused as a whole, such as a certificate with its key: see `Material.unit`. Everything that is
   * read from PEM files, and whatever is wrong with it, belongs into one.
   */
  unit<Value>(path: ConfigPath, read: () => Value | undefined): Value | undefined {
    return this.#material.unit(this.#problems, path, read);
  }

  /** What the unit at `path` was until now; undefined where files are read for the first time. */
  keptValue(path: ConfigPath): unknown {
    return this.#material.keptValue(path);
  }

  /** The PEM certificates of all these files, as one unit at `path`. */
  trust(files: readonly string[], path: ConfigPath): readonly string[] | undefined {
    return this.unit(path, () =>
      files.flatMap((file, index) =>
        this.authorities(file, [...path, index]).map((certificate) => certificate.toString()),
      ),
    );
  }

  /** What stands in a directory that a configuration names. Throws what `node:fs` throws. */
  folder(directory: string): readonly FolderEntry[] {
    const absolute = resolvePath(this.#around, directory);
    this.#material.noteFile(absolute);
    return this.#around.listFolder(absolute);
  }

  /** The certificates of a file; undefined when that was noted as an error at `path`. */
  certificates(file: string, path: ConfigPath): readonly X509Certificate[] | undefined {
    return this.#read(file, path, readCertificates);
  }

  /** The certificates of a bundle of authorities, with a warning when all of them are over. */
  authorities(file: string, path: ConfigPath): readonly X509Certificate[] {
    const certificates = this.certificates(file, path) ?? [];
    for (const certificate of this.#worthTelling(certificates)) {
      this.noteCertificates(file, "trust", [certificate]);
    }
    // A bundle of roots may well hold old ones; a file of nothing else is a mistake.
    const [first] = certificates;
    if (first !== undefined && certificates.every((certificate) => this.#isOver(certificate))) {
      this.warnOfDates(first, file, path);
    }
    return certificates;
  }

  /** The lists of revoked certificates of a file; none when an error was noted at `path`. */
  crls(file: string, path: ConfigPath): readonly Crl[] {
    return this.#read(file, path, readCrls) ?? [];
  }

  /** Milliseconds since 1970 for which certificates are judged. */
  get nowMs(): number {
    return this.#around.nowMs;
  }

  /** Notes an error at `path` when the system's roots, which are to be trusted, cannot be used. */
  checkSystemRoots(path: ConfigPath): void {
    const roots = this.#around.systemRoots();
    if (roots === undefined) return;
    const pem = readCertificates(roots.pem);
    if (pem.ok) return;
    const message = `the system's authorities are to be trusted, and ${roots.file} cannot be used: ${pem.problem}; name others with trustCerts`;
    this.#problems.error(path, message);
  }

  /** The key of a file. `passphraseFile` is the path of a file, `path` that of the object with both. */
  privateKey(
    file: string,
    path: ConfigPath,
    passphrase?: { readonly file: string; readonly path: ConfigPath },
  ): ReadKey | undefined {
    const read = passphrase && this.#read(passphrase.file, passphrase.path, readPassphrase);
    if (passphrase !== undefined && read === undefined) return undefined;
    const key = this.#read(file, path, (text) => readPrivateKey(text, read));
    if (passphrase !== undefined && key !== undefined && !key.wasEncrypted) {
      const message = `the private key in ${file} is not encrypted: the passphrase is of no use`;
      this.#problems.warning(passphrase.path, message);
    }
    return key;
  }

  /** Whether there is a key in a file; false for one that cannot be read. */
  hasPrivateKey(file: string): boolean {
    const absolute = resolvePath(this.#around, file);
    this.#material.noteFile(absolute);
    try {
      return keyBlocks(pemBlocks(this.#around.readFile(absolute))).length > 0;
    } catch {
      return false;
    }
  }

  /** Tells of certificates in use, a chain or one authority; the first is the one that people know. */
  noteCertificates(
    file: string,
    role: CertificateRole,
    certificates: readonly X509Certificate[],
  ): void {
    const [first] = certificates;
    if (first === undefined) return;
    const notAfterMs = Math.min(...certificates.map((one) => one.validToDate.getTime()));
    const notBeforeMs = Math.max(...certificates.map((one) => one.validFromDate.getTime()));
    this.#material.noteCertificate({ file, role, name: nameOf(first), notBeforeMs, notAfterMs });
  }

  /** Notes when a list of revoked certificates ends; `issuer` is its authority, for people. */
  noteCrl(file: string, issuer: string, { thisUpdateMs, nextUpdateMs }: Crl): void {
    if (nextUpdateMs === undefined) return;
    const dates = { notBeforeMs: thisUpdateMs, notAfterMs: nextUpdateMs };
    this.#material.noteCertificate({ file, role: "crl", name: issuer, ...dates });
  }

  /** Whether the system's authorities include one of this name, as certificates spell it. */
  isSystemRoot(subject: string): boolean {
    this.#systemRoots ??= systemSubjects(this.#around);
    return this.#systemRoots.has(subject);
  }

  warnOfDates(certificate: X509Certificate, file: string, path: ConfigPath): void {
    const name = subjectOf(certificate);
    if (this.#isOver(certificate)) {
      const day = certificate.validToDate.toISOString().slice(0, 10);
      this.#problems.warning(path, `${file}: the certificate of ${name} expired on ${day}`);
    } else if (certificate.validFromDate.getTime() > this.#around.nowMs) {
      const day = certificate.validFromDate.toISOString().slice(0, 10);
      this.#problems.warning(path, `${file}: the certificate of ${name} is valid from ${day} only`);
    }
  }

  #isOver(certificate: X509Certificate): boolean {
    return certificate.validToDate.getTime() <= this.#around.nowMs;
  }

  /** Those of a file of authorities that are of interest: where there are many, those that end next. */
  #worthTelling(certificates: readonly X509Certificate[]): readonly X509Certificate[] {
    if (certificates.length <= MOST_TOLD) return certificates;
    return certificates
      .filter((certificate) => !this.#isOver(certificate))
      .toSorted((a, b) => a.validToDate.getTime() - b.validToDate.getTime())
      .slice(0, MOST_TOLD);
  }

  #read<T>(file: string, path: ConfigPath, read: (text: string) => Pem<T>): T | undefined {
    const absolute = resolvePath(this.#around, file);
    this.#material.noteFile(absolute);
    let text: string;
    try {
      text = this.#around.readFile(absolute);
    } catch (error) {
      this.#problems.error(path, `${file}: ${whyUnreadable(error)}`);
      return undefined;
    }
    const pem = read(text);
    if (pem.ok) return pem.value;
    this.#problems.error(path, `${file}: ${pem.problem}`);
    return undefined;
  }
}

function systemSubjects(around: Surroundings): ReadonlySet<string> {
  const pem = readCertificates(around.systemRoots()?.pem ?? "");
  return new Set(pem.ok ? pem.value.map(({ subject }) => subject) : []);
}
