// Certificates and keys in files that a configuration names: read, checked, and every fault told at its place.
import type { KeyObject, X509Certificate } from "node:crypto";
import { type Crl, readCrls } from "./crl.ts";
import { type Pem, readCertificates, readPrivateKey } from "./pem.ts";
import type { ConfigPath, ProblemList } from "./problems.ts";
import { resolvePath, type Surroundings, whyUnreadable } from "./surroundings.ts";

/** Reads PEM files, and warns of certificates that are out of date. */
export class PemFiles {
  readonly #around: Surroundings;
  readonly #problems: ProblemList;

  constructor(around: Surroundings, problems: ProblemList) {
    this.#around = around;
    this.#problems = problems;
  }

  /** The certificates of a file; undefined when that was noted as an error at `path`. */
  certificates(file: string, path: ConfigPath): readonly X509Certificate[] | undefined {
    return this.#read(file, path, readCertificates);
  }

  /** The certificates of a bundle of authorities, with a warning when all of them are over. */
  authorities(file: string, path: ConfigPath): readonly X509Certificate[] {
    const certificates = this.certificates(file, path) ?? [];
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

  privateKey(file: string, path: ConfigPath): KeyObject | undefined {
    return this.#read(file, path, readPrivateKey);
  }

  warnOfDates(certificate: X509Certificate, file: string, path: ConfigPath): void {
    const name = certificate.subject.replaceAll("\n", ", ");
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

  #read<T>(file: string, path: ConfigPath, read: (text: string) => Pem<T>): T | undefined {
    let text: string;
    try {
      text = this.#around.readFile(resolvePath(this.#around, file));
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
