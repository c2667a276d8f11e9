// The TLS parts of the configuration: reads certificates and keys from their files and checks that they fit together.
import type { X509Certificate } from "node:crypto";
import { isAbsolute, resolve } from "node:path";
import { readHost } from "../naming/endpoint-line.ts";
import { type Pem, readCertificates, readPrivateKey } from "./pem.ts";
import type { ConfigPath, ProblemList } from "./problems.ts";
import type { FileConnector, FileIdentity, FileServerTls } from "./schema.ts";
import type { ClientTlsConfig, IdentityConfig, NamedIdentity, ServerTlsConfig } from "./types.ts";

/** What compiling needs of the world, so that tests can stand in for it. */
export interface Surroundings {
  /** Directory from which relative paths start. */
  readonly baseDir: string;
  /** The text of a file. Throws what `node:fs` throws. */
  readonly readFile: (path: string) => string;
  readonly isDirectory: (path: string) => boolean;
  /** Processor cores, for `workers: auto`. */
  readonly cores: number;
  /** Milliseconds since 1970, to tell which certificates are out of date. */
  readonly nowMs: number;
}

/** Compiles the TLS parts, collecting problems as it goes. */
export class TlsCompiler {
  readonly #around: Surroundings;
  readonly #problems: ProblemList;

  constructor(around: Surroundings, problems: ProblemList) {
    this.#around = around;
    this.#problems = problems;
  }

  server(tls: FileServerTls, path: ConfigPath): ServerTlsConfig {
    const defaultIdentity =
      tls.defaultIdentity && this.#identity(tls.defaultIdentity, [...path, "defaultIdentity"]);
    const identities: NamedIdentity[] = [];
    for (const [name, identity] of Object.entries(tls.identities)) {
      const at = [...path, "identities", name];
      const serverName = this.#serverName(name, at, identities);
      const read = this.#identity(identity, at);
      if (serverName !== undefined && read !== undefined) {
        identities.push({ serverName, identity: read });
      }
    }
    if (tls.defaultIdentity === undefined && Object.keys(tls.identities).length === 0) {
      this.#problems.lacking(path, "TLS needs an identity: give defaultIdentity or identities");
    }
    const { alpnProtocols, handshakeTimeoutMs } = tls;
    return { alpnProtocols, defaultIdentity, identities, handshakeTimeoutMs };
  }

  client(tls: NonNullable<FileConnector["tls"]>, path: ConfigPath): ClientTlsConfig {
    const trustPem = tls.trustCerts?.flatMap((file, index) => {
      const at = [...path, "trustCerts", index];
      const certificates = this.#certificates(file, at) ?? [];
      // A bundle of roots may well hold old ones; a file of nothing else is a mistake.
      const [first] = certificates;
      if (first !== undefined && certificates.every((certificate) => this.#isOver(certificate))) {
        this.#warnOfDates(first, file, at);
      }
      return certificates.map((certificate) => certificate.toString());
    });
    return { dnsName: tls.dnsName.toLowerCase(), trustPem };
  }

  #serverName(
    name: string,
    path: ConfigPath,
    others: readonly NamedIdentity[],
  ): string | undefined {
    const lower = name.toLowerCase();
    const rest = lower.startsWith("*.") ? lower.slice(2) : lower;
    if (rest.includes(":") || readHost(rest) === undefined) {
      this.#problems.keyError(
        path,
        "expected a host name such as web.example.com or *.example.com",
      );
      return undefined;
    }
    if (others.some(({ serverName }) => serverName === lower)) {
      this.#problems.keyError(path, "this name is there twice; case does not count");
    }
    return lower;
  }

  #identity(identity: FileIdentity, path: ConfigPath): IdentityConfig | undefined {
    const chain = identity.certs.map((file, index) => {
      const at = [...path, "certs", index];
      const certificates = this.#certificates(file, at);
      for (const certificate of certificates ?? []) this.#warnOfDates(certificate, file, at);
      return certificates;
    });
    const keyPath = [...path, "privateKey"];
    const key = this.#read(identity.privateKey, keyPath, readPrivateKey);
    const certificates = chain.flatMap((file) => file ?? []);
    const [leaf] = certificates;
    if (key === undefined || leaf === undefined || chain.includes(undefined)) return undefined;
    if (!leaf.checkPrivateKey(key)) {
      const isFurther = certificates.some((certificate) => certificate.checkPrivateKey(key));
      const reason = isFurther
        ? "it belongs to a later certificate of the chain, but the first must be the server's own"
        : `it does not belong to the certificate in ${identity.certs[0]}`;
      this.#problems.error(keyPath, `${identity.privateKey}: ${reason}`);
      return undefined;
    }
    return {
      certificateChainPem: certificates.map((certificate) => certificate.toString()).join(""),
      // One form for all keys, so that nothing further on depends on what the TLS library reads.
      privateKeyPem: key.export({ type: "pkcs8", format: "pem" }).toString(),
    };
  }

  #certificates(file: string, path: ConfigPath): readonly X509Certificate[] | undefined {
    return this.#read(file, path, readCertificates);
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

  #isOver(certificate: X509Certificate): boolean {
    return certificate.validToDate.getTime() <= this.#around.nowMs;
  }

  #warnOfDates(certificate: X509Certificate, file: string, path: ConfigPath): void {
    const name = certificate.subject.replaceAll("\n", ", ");
    if (this.#isOver(certificate)) {
      const day = certificate.validToDate.toISOString().slice(0, 10);
      this.#problems.warning(path, `${file}: the certificate of ${name} expired on ${day}`);
    } else if (certificate.validFromDate.getTime() > this.#around.nowMs) {
      const day = certificate.validFromDate.toISOString().slice(0, 10);
      this.#problems.warning(path, `${file}: the certificate of ${name} is valid from ${day} only`);
    }
  }
}

/** A path from the configuration, as an absolute one. */
export function resolvePath(around: Surroundings, path: string): string {
  return isAbsolute(path) ? path : resolve(around.baseDir, path);
}

const SYSTEM_ERRORS: Readonly<Record<string, string>> = {
  EACCES: "there is no permission to read it",
  EISDIR: "it is a directory",
  ENOENT: "there is no such file",
  ENOTDIR: "there is no such file: a part of its path is not a directory",
};

/** Why a file could not be read, as a clause. */
export function whyUnreadable(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return SYSTEM_ERRORS[code] ?? `it cannot be read (${code || String(error)})`;
}
