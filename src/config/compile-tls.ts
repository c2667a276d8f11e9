// The TLS parts of the configuration: what servers show and to whom, and what is trusted of endpoints.
import { readHost } from "../naming/endpoint-line.ts";
import { IdentityReader } from "./identities.ts";
import { IdentityDirectories } from "./identity-directories.ts";
import type { PemFiles } from "./pem-files.ts";
import type { ConfigPath, ProblemList } from "./problems.ts";
import type { FileClientTls, FileServerTls } from "./schema-tls.ts";
import type { ClientTlsConfig, NamedIdentity, ServerTlsConfig } from "./tls-types.ts";

/** Compiles the TLS parts, collecting problems as it goes. */
export class TlsCompiler {
  readonly #problems: ProblemList;
  readonly #files: PemFiles;
  readonly #reader: IdentityReader;

  constructor(files: PemFiles, problems: ProblemList) {
    this.#files = files;
    this.#reader = new IdentityReader(files, problems);
    this.#problems = problems;
  }

  server(tls: FileServerTls, path: ConfigPath): ServerTlsConfig {
    const defaultIdentity =
      tls.defaultIdentity &&
      this.#reader.identity(tls.defaultIdentity, [...path, "defaultIdentity"], undefined);
    const identities: NamedIdentity[] = [];
    for (const [name, identity] of Object.entries(tls.identities)) {
      const at = [...path, "identities", name];
      const serverName = this.#serverName(name, at, identities);
      const read = this.#reader.identity(identity, at, serverName);
      if (serverName !== undefined && read !== undefined) {
        identities.push({ serverName, identity: read });
      }
    }
    const directories = new IdentityDirectories(this.#files, this.#reader, this.#problems);
    const found = directories.identities(tls.directories, [...path, "directories"]);
    const named = new Set(identities.map(({ serverName }) => serverName));
    identities.push(...found.filter(({ serverName }) => !named.has(serverName)));
    if (
      tls.defaultIdentity === undefined &&
      Object.keys(tls.identities).length + tls.directories.length === 0
    ) {
      const message = "TLS needs an identity: give defaultIdentity, identities or directories";
      this.#problems.lacking(path, message);
    }
    const { alpnProtocols, handshakeTimeoutMs } = tls;
    return { alpnProtocols, defaultIdentity, identities, handshakeTimeoutMs };
  }

  client(tls: FileClientTls, path: ConfigPath): ClientTlsConfig {
    const trustPem = tls.trustCerts && this.#files.trust(tls.trustCerts, [...path, "trustCerts"]);
    if (tls.trustCerts === undefined) this.#checkSystemRoots(path);
    return { dnsName: tls.dnsName.toLowerCase(), trustPem };
  }

  /** A unit, so that roots that go bad later hold up nothing else. */
  #checkSystemRoots(path: ConfigPath): void {
    this.#files.unit([...path, "systemRoots"], () => {
      this.#files.checkSystemRoots(path);
      return true;
    });
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
}
