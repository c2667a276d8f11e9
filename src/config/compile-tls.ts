// The TLS parts of the configuration: what servers show and to whom, and what is trusted of endpoints.
import { comparedName } from "../lib/server-name.ts";
import { checkPlaces, ClientAuthCompiler, minVersionOf } from "./compile-client-auth.ts";
import { IdentityReader } from "./identities.ts";
import { IdentityDirectories } from "./identity-directories.ts";
import type { PemFiles } from "./pem-files.ts";
import type { ConfigPath, ProblemList } from "./problems.ts";
import type { FileClientTls, FileServerTls } from "./schema-tls.ts";
import { isServerName } from "./server-name.ts";
import type { ClientTlsConfig, NamedIdentity, ServerTlsConfig } from "./tls-types.ts";

/** Compiles the TLS parts, collecting problems as it goes. */
export class TlsCompiler {
  readonly #problems: ProblemList;
  readonly #files: PemFiles;
  readonly #reader: IdentityReader;
  readonly #auth: ClientAuthCompiler;

  constructor(files: PemFiles, problems: ProblemList) {
    this.#files = files;
    this.#reader = new IdentityReader(files, problems);
    this.#auth = new ClientAuthCompiler(files, problems);
    this.#problems = problems;
  }

  server(tls: FileServerTls, path: ConfigPath): ServerTlsConfig {
    const defaultIdentity =
      tls.defaultIdentity &&
      this.#reader.identity(tls.defaultIdentity, [...path, "defaultIdentity"], "server");
    const clientAuth = this.#auth.server(tls, path);
    const identities: NamedIdentity[] = [];
    for (const [name, identity] of Object.entries(tls.identities)) {
      const at = [...path, "identities", name];
      const serverName = this.#serverName(name, at, identities);
      const read = this.#reader.identity(identity, at, "server", serverName);
      const own = this.#auth.identity(Array.isArray(identity) ? {} : identity, clientAuth, at);
      if (serverName !== undefined && read !== undefined) {
        identities.push({ serverName, identity: read, clientAuth: own });
      }
    }
    const directories = new IdentityDirectories(this.#files, this.#reader, this.#problems);
    const found = directories.identities(tls.directories, [...path, "directories"]);
    identities.push(...askedAlike(found, identities));
    if (
      tls.defaultIdentity === undefined &&
      Object.keys(tls.identities).length + tls.directories.length === 0
    ) {
      const message = "TLS needs an identity: give defaultIdentity, identities or directories";
      this.#problems.lacking(path, message);
    }
    const { alpnProtocols, alpnMismatch, handshakeTimeoutMs } = tls;
    if (alpnMismatch === "refuse" && alpnProtocols.length === 0) {
      const message = "there are no alpnProtocols, so that nobody is refused for theirs";
      this.#problems.warning([...path, "alpnMismatch"], message);
    }
    return {
      ...{ alpnProtocols, defaultIdentity, identities, handshakeTimeoutMs, clientAuth },
      alpnMismatch: alpnMismatch === "refuse" ? alpnMismatch : undefined,
      closeNotify: tls.closeNotify === "required" ? tls.closeNotify : undefined,
      minVersion: minVersionOf(tls, path, this.#problems),
    };
  }

  /** `captured`: the names of the captures of the rule's prefix. */
  client(tls: FileClientTls, captured: readonly string[], path: ConfigPath): ClientTlsConfig {
    const { dnsName, trustCerts, crls, clientAuth, alpnProtocols } = tls;
    if (trustCerts === undefined) this.#checkSystemRoots(path);
    if (crls !== undefined && trustCerts === undefined) {
      const message = "crls are of authorities that the configuration names: give trustCerts";
      this.#problems.lacking([...path, "crls"], message);
    }
    checkPlaces(dnsName, captured, path, this.#problems);
    const trust = trustCerts && this.#auth.trust({ trustCerts, crls }, path);
    return {
      // Names of captures keep their case; what is captured is put into lower case.
      dnsName: dnsName.includes("{") ? dnsName : dnsName.toLowerCase(),
      trustPem: trust?.trustPem,
      crlPem: crls && trust?.crlPem,
      clientAuth:
        clientAuth && this.#reader.identity(clientAuth, [...path, "clientAuth"], "client"),
      alpnProtocols: alpnProtocols.length === 0 ? undefined : alpnProtocols,
      closeNotify: tls.closeNotify === "required" ? tls.closeNotify : undefined,
      minVersion: minVersionOf(tls, path, this.#problems),
    };
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
    const lower = comparedName(name) ?? "";
    if (!isServerName(lower)) {
      this.#problems.keyError(
        path,
        "expected a host name such as web.example.com or *.example.com",
      );
      return undefined;
    }
    if (others.some(({ serverName }) => serverName === lower)) {
      this.#problems.keyError(
        path,
        "this name is there twice; case and a dot at the end do not count",
      );
    }
    return lower;
  }
}

/**
 * Identities of directories that `identities` has none for. Where it has a wildcard for their name, a certificate of their
 * own must not free them from what that asks of clients: whoever writes certificates does not decide who is let in.
 */
function askedAlike(
  found: readonly NamedIdentity[],
  identities: readonly NamedIdentity[],
): readonly NamedIdentity[] {
  const asked = new Map(identities.map(({ serverName, clientAuth }) => [serverName, clientAuth]));
  return found
    .filter(({ serverName }) => !asked.has(serverName))
    .map((one) => ({ ...one, clientAuth: asked.get(one.serverName.replace(/^[^.]+/, "*")) }));
}
