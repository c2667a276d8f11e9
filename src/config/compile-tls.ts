// The TLS parts of the configuration: checks that certificates and keys fit together.
import type * as NodeTls from "node:tls";
import { readHost } from "../naming/endpoint-line.ts";
import type { PemFiles } from "./pem-files.ts";
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

  constructor(files: PemFiles, problems: ProblemList) {
    this.#files = files;
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

  client(tls: FileClientTls, path: ConfigPath): ClientTlsConfig {
    const trustPem = tls.trustCerts?.flatMap((file, index) =>
      this.#files
        .authorities(file, [...path, "trustCerts", index])
        .map((certificate) => certificate.toString()),
    );
    if (trustPem === undefined) this.#files.checkSystemRoots(path);
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
    const refusal = refusalOf(certificateChainPem, privateKeyPem);
    if (refusal === undefined) return { certificateChainPem, privateKeyPem };
    this.#problems.error(path, `the TLS library refuses this certificate and key: ${refusal}`);
    return undefined;
  }
}

/** What TLS itself has against an identity. A running proxy must not find that out when it has changed half of itself. */
function refusalOf(cert: string, key: string): string | undefined {
  // Loaded where there is something to try: it takes time and memory.
  const { createSecureContext } = import.meta.require("node:tls") as typeof NodeTls;
  try {
    createSecureContext({ cert, key });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
