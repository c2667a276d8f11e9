// Identities from files: certificate and key belong together, are strong enough, and are for the name that they stand for.
import type { X509Certificate } from "node:crypto";
import { chainFault, dnsNames, isFor, isNamed, nameOf, weaknessOf } from "./certificate-checks.ts";
import type { CertificateRole } from "./material.ts";
import type { KeyType, ReadKey } from "./pem-key.ts";
import type { PemFiles } from "./pem-files.ts";
import type { ConfigPath, ProblemList } from "./problems.ts";
import type { FileIdentity, FilePair } from "./schema-tls.ts";
import { refusalOf } from "./tls-refusal.ts";
import type { IdentityConfig, KeyPairConfig } from "./tls-types.ts";

/** A pair with what is to be known of it. Plain data. */
export interface ReadPair {
  readonly pair: KeyPairConfig;
  readonly keyType: KeyType;
  /** The first of the chain, as the configuration has it. */
  readonly file: string;
  /** The server names that the certificate is for. */
  readonly names: readonly string[];
  /** Whether it is for any name or address at all. */
  readonly isNamed: boolean;
  /** When the certificate ends, in milliseconds since 1970. */
  readonly notAfterMs: number;
}

/** Where the parts of a pair stand in the configuration. */
export interface PairPlaces {
  readonly certs: (index: number) => ConfigPath;
  readonly privateKey: ConfigPath;
  readonly passphraseFile: ConfigPath;
  readonly whole: ConfigPath;
}

export class IdentityReader {
  readonly #files: PemFiles;
  readonly #problems: ProblemList;

  constructor(files: PemFiles, problems: ProblemList) {
    this.#files = files;
    this.#problems = problems;
  }

  /** The identity that a server shows for `serverName`, or, where that is undefined, when no other fits; or a client. */
  identity(
    file: FileIdentity,
    path: ConfigPath,
    role: CertificateRole,
    serverName?: string,
  ): IdentityConfig | undefined {
    const isList = Array.isArray(file);
    const pairs = isList ? file : [file];
    const byType = new Map<KeyType, string>();
    const read = pairs.map((pair, index) => {
      const at = isList ? [...path, index] : path;
      const later = isList ? file.slice(index + 1).map((_, skipped) => index + 1 + skipped) : [];
      const one = this.pair(pair, at, role, serverName, (type) => {
        return byType.get(type) ?? this.#keptOfType(type, path, later);
      });
      if (one !== undefined) byType.set(one.keyType, one.file);
      return one?.pair;
    });
    const good = read.filter((pair) => pair !== undefined);
    return good.length < read.length ? undefined : { pairs: good };
  }

  /** The file of one of the pairs at these places of a list that has been in use and has a key of this type. */
  #keptOfType(type: KeyType, path: ConfigPath, places: readonly number[]): string | undefined {
    const kept = places.map((place) => this.#files.keptValue([...path, place]));
    return (kept as readonly (ReadPair | undefined)[]).find((one) => one?.keyType === type)?.file;
  }

  /** One pair, as a unit at `path`. `other`: the file with another key of this type for the same name. */
  pair(
    file: FilePair,
    path: ConfigPath,
    role: CertificateRole,
    serverName?: string,
    other?: (type: KeyType) => string | undefined,
  ): ReadPair | undefined {
    const places = {
      certs: (index: number): ConfigPath => [...path, "certs", index],
      privateKey: [...path, "privateKey"],
      passphraseFile: [...path, "passphraseFile"],
      whole: path,
    };
    return this.#files.unit(path, () => {
      const read = this.read(file, places, role);
      const alike = read && other?.(read.keyType);
      if (alike !== undefined) {
        const message = `the keys of ${alike} and ${read?.file} are of one type, ${read?.keyType}: a name has one of each`;
        this.#problems.error(path, message);
      }
      if (read !== undefined && role === "server") this.#checkNames(read, places, serverName);
      return read;
    });
  }

  /** Reads a pair, within a unit. */
  read(
    { certs, privateKey, passphraseFile }: FilePair,
    places: PairPlaces,
    role: CertificateRole,
  ): ReadPair | undefined {
    const chain = certs.map((file, index) =>
      this.#certificates(file, places.certs(index), index === 0),
    );
    const passphrase =
      passphraseFile === undefined
        ? undefined
        : { file: passphraseFile, path: places.passphraseFile };
    const key = this.#files.privateKey(privateKey, places.privateKey, passphrase);
    const certificates = chain.flatMap((file) => file ?? []);
    const [leaf] = certificates;
    const [file = ""] = certs;
    if (key === undefined || leaf === undefined || chain.includes(undefined)) return undefined;
    if (!this.#fits(leaf, certificates, key, { file, privateKey, at: places.privateKey }))
      return undefined;
    this.#checkChain(certificates, file, places.certs(0));
    const pair = {
      certificateChainPem: certificates.map((certificate) => certificate.toString()).join(""),
      // One form for all keys, so that nothing further on depends on what the TLS library reads.
      privateKeyPem: key.key.export({ type: "pkcs8", format: "pem" }).toString(),
    };
    const refusal = refusalOf({ cert: pair.certificateChainPem, key: pair.privateKeyPem });
    if (refusal !== undefined) {
      const message = `the TLS library refuses this certificate and key: ${refusal}`;
      this.#problems.error(places.whole, message);
      return undefined;
    }
    certs.forEach((name, index) => this.#files.noteCertificates(name, role, chain[index] ?? []));
    const notAfterMs = leaf.validToDate.getTime();
    const names = dnsNames(leaf);
    return { pair, keyType: key.type, file, names, isNamed: isNamed(leaf), notAfterMs };
  }

  #certificates(
    file: string,
    path: ConfigPath,
    isFirst: boolean,
  ): readonly X509Certificate[] | undefined {
    const certificates = this.#files.certificates(file, path);
    for (const [index, certificate] of (certificates ?? []).entries()) {
      this.#files.warnOfDates(certificate, file, path);
      const weakness = weaknessOf(certificate, isFirst && index === 0);
      if (weakness === undefined) continue;
      const message = `${file}: the certificate of ${nameOf(certificate)} is weak: ${weakness.problem}`;
      this.#problems[weakness.severity](path, message);
    }
    return certificates;
  }

  #fits(
    leaf: X509Certificate,
    chain: readonly X509Certificate[],
    { key }: ReadKey,
    {
      file,
      privateKey,
      at,
    }: { readonly file: string; readonly privateKey: string; readonly at: ConfigPath },
  ): boolean {
    const fits = (certificate: X509Certificate): boolean => {
      try {
        return certificate.checkPrivateKey(key);
      } catch {
        // A public key of a kind that the library does not know.
        return false;
      }
    };
    if (fits(leaf)) return true;
    const reason = chain.some(fits)
      ? "it belongs to a later certificate of the chain, but the first must be the server's own"
      : `it does not belong to the certificate in ${file}`;
    this.#problems.error(at, `${privateKey}: ${reason}`);
    return false;
  }

  #checkChain(chain: readonly X509Certificate[], file: string, path: ConfigPath): void {
    const fault = chainFault(chain, (issuer) => this.#files.isSystemRoot(issuer));
    if (fault !== undefined) this.#problems.warning(path, `${file}: ${fault}`);
  }

  #checkNames(
    { file, names, isNamed: hasName }: ReadPair,
    { certs }: PairPlaces,
    serverName: string | undefined,
  ): void {
    if (serverName === undefined) {
      if (hasName) return;
      const message = `${file}: the certificate has no name that clients look at (subjectAltName)`;
      this.#problems.warning(certs(0), message);
      return;
    }
    if (isFor(names, serverName)) return;
    const those = names.length === 0 ? "it has no DNS name" : `it is for ${names.join(", ")}`;
    this.#problems.warning(certs(0), `${file}: the certificate is not for ${serverName}: ${those}`);
  }
}
