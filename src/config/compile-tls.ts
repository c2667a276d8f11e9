// The TLS parts of the configuration: checks that certificates and keys fit together.
import { readHost } from "../naming/endpoint-line.ts";
import { checkPlaces, ClientAuthCompiler, minVersionOf } from "./compile-client-auth.ts";
import type { PemFiles } from "./pem-files.ts";
import { refusalOf } from "./tls-refusal.ts";
import type { ConfigPath, ProblemList } from "./problems.ts";
import type { FileClientTls, FileIdentity, FileServerTls } from "./schema-tls.ts";
import type {
  ClientTlsConfig,
  IdentityConfig,
  NamedIdentity,
  ServerTlsConfig,
} from "./tls-types.ts";

/** Compiles the TLS parts, collecting problems as it goes. */
export class TlsCompiler {
  readonly #problems: ProblemList;
  readonly #files: PemFiles;
  readonly #auth: ClientAuthCompiler;

  constructor(files: PemFiles, problems: ProblemList) {
    this.#files = files;
    this.#auth = new ClientAuthCompiler(files, problems);
    this.#problems = problems;
  }

  server(tls: FileServerTls, path: ConfigPath): ServerTlsConfig {
    const defaultIdentity =
      tls.defaultIdentity && this.#identity(tls.defaultIdentity, [...path, "defaultIdentity"]);
    const clientAuth = this.#auth.server(tls, path);
    const identities: NamedIdentity[] = [];
    for (const [name, identity] of Object.entries(tls.identities)) {
      const at = [...path, "identities", name];
      const serverName = this.#serverName(name, at, identities);
      const read = this.#identity(identity, at);
      const own = this.#auth.identity(identity, clientAuth, at);
      if (serverName !== undefined && read !== undefined) {
        identities.push({ serverName, identity: read, clientAuth: own });
      }
    }
    if (tls.defaultIdentity === undefined && Object.keys(tls.identities).length === 0) {
      this.#problems.lacking(path, "TLS needs an identity: give defaultIdentity or identities");
    }
    const { alpnProtocols, alpnMismatch, handshakeTimeoutMs } = tls;
    if (alpnMismatch === "refuse" && alpnProtocols.length === 0) {
      const message = "there are no alpnProtocols, so that nobody is refused for theirs";
      this.#problems.warning([...path, "alpnMismatch"], message);
    }
    return {
      ...{ alpnProtocols, defaultIdentity, identities, handshakeTimeoutMs, clientAuth },
      alpnMismatch: alpnMismatch === "refuse" ? alpnMismatch : undefined,
      minVersion: minVersionOf(tls, path, this.#problems),
    };
  }

  /** `captured`: the names of the captures of the rule's prefix. */
  client(tls: FileClientTls, captured: readonly string[], path: ConfigPath): ClientTlsConfig {
    const trusted = tls.trustCerts?.flatMap((file, index) =>
      this.#files.authorities(file, [...path, "trustCerts", index]),
    );
    if (trusted === undefined) this.#files.checkSystemRoots(path);
    if (tls.crls !== undefined && trusted === undefined) {
      const message = "crls are of authorities that the configuration names: give trustCerts";
      this.#problems.lacking([...path, "crls"], message);
    }
    checkPlaces(tls.dnsName, captured, path, this.#problems);
    return {
      // Names of captures keep their case; what is captured is put into lower case.
      dnsName: tls.dnsName.includes("{") ? tls.dnsName : tls.dnsName.toLowerCase(),
      trustPem: trusted?.map((certificate) => certificate.toString()),
      crlPem: tls.crls && this.#auth.crls(tls.crls, trusted ?? [], path),
      clientAuth: tls.clientAuth && this.#identity(tls.clientAuth, [...path, "clientAuth"]),
      alpnProtocols: tls.alpnProtocols.length === 0 ? undefined : tls.alpnProtocols,
      minVersion: minVersionOf(tls, path, this.#problems),
    };
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
      const certificates = this.#files.certificates(file, at);
      for (const certificate of certificates ?? []) this.#files.warnOfDates(certificate, file, at);
      return certificates;
    });
    const keyPath = [...path, "privateKey"];
    const key = this.#files.privateKey(identity.privateKey, keyPath);
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
    const certificateChainPem = certificates.map((certificate) => certificate.toString()).join("");
    // One form for all keys, so that nothing further on depends on what the TLS library reads.
    const privateKeyPem = key.export({ type: "pkcs8", format: "pem" }).toString();
    const refusal = refusalOf({ cert: certificateChainPem, key: privateKeyPem });
    if (refusal === undefined) return { certificateChainPem, privateKeyPem };
    this.#problems.error(path, `the TLS library refuses this certificate and key: ${refusal}`);
    return undefined;
  }
}
