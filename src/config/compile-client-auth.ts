// Certificates of clients, lists of revoked ones, and the policy of handshakes in the configuration: reading, and what
// does not go together.
import type { X509Certificate } from "node:crypto";
import { nameOf } from "./certificate-checks.ts";
import { clientFor } from "./client-for.ts";
import type { Crl } from "./crl.ts";
import type { PemFiles } from "./pem-files.ts";
import { pathsOfAll } from "./route-paths.ts";
import type { ConfigPath, ProblemList } from "./problems.ts";
import { isTlsName, namesIn } from "./rule-prefix.ts";
import type { FileClientAuth, FileIdentityAuth, FileServerAuth } from "./schema-client-auth.ts";
import type { ClientAuthConfig, TlsMinVersion } from "./tls-types.ts";
import { refusalOf } from "./tls-refusal.ts";
import type { RouterConfig } from "./types.ts";

/** Reads what `clientAuth` of servers and `crls` name. */
export class ClientAuthCompiler {
  readonly #files: PemFiles;
  readonly #problems: ProblemList;

  constructor(files: PemFiles, problems: ProblemList) {
    this.#files = files;
    this.#problems = problems;
  }

  /** What a server asks of clients for which no identity says otherwise. */
  server(
    { requireClientAuth, clientAuth }: Pick<FileServerAuth, "requireClientAuth" | "clientAuth">,
    path: ConfigPath,
  ): ClientAuthConfig | undefined {
    if (clientAuth === undefined) {
      if (requireClientAuth) this.#needsAuthorities(path);
      return undefined;
    }
    return this.#clientAuth(clientAuth, requireClientAuth, [...path, "clientAuth"]);
  }

  /** The same for an identity; undefined: as the server. */
  identity(
    { requireClientAuth, clientAuth }: FileIdentityAuth,
    server: ClientAuthConfig | undefined,
    path: ConfigPath,
  ): ClientAuthConfig | "none" | undefined {
    if (clientAuth === "none") {
      if (requireClientAuth) {
        const message = "clientAuth is none, so that no client is asked for what is needed here";
        this.#problems.error([...path, "requireClientAuth"], message);
      }
      return "none";
    }
    if (clientAuth !== undefined) {
      const required = requireClientAuth ?? server?.required ?? false;
      return this.#clientAuth(clientAuth, required, [...path, "clientAuth"]);
    }
    if (requireClientAuth === undefined) return undefined;
    if (server !== undefined) return { ...server, required: requireClientAuth };
    if (requireClientAuth) this.#needsAuthorities(path);
    return undefined;
  }

  /** The lists of `crls`, checked against the authorities that they should be of. */
  #crls(
    files: readonly string[] | undefined,
    authorities: readonly X509Certificate[],
    path: ConfigPath,
  ): readonly string[] {
    if (files === undefined) return [];
    const lists = files.map((file, index) => {
      const at = [...path, "crls", index];
      const read = this.#files.crls(file, at);
      for (const crl of read) this.#check(crl, file, authorities, at);
      return read;
    });
    const crls = lists.flat();
    const isComplete = lists.every((list) => list.length > 0);
    if (isComplete) this.#checkCovered(crls, authorities, [...path, "crls"]);
    const pems = crls.map(({ pem }) => pem);
    const refusal = pems.length === 0 ? undefined : refusalOf({ crl: pems });
    if (refusal === undefined) return pems;
    this.#problems.error([...path, "crls"], `the TLS library refuses these lists: ${refusal}`);
    return [];
  }

  /** Authorities with their lists of revoked certificates, as one unit: lists are of use only with their authorities. */
  trust(
    { trustCerts, crls }: Pick<FileClientAuth, "trustCerts" | "crls">,
    path: ConfigPath,
  ): Pick<ClientAuthConfig, "trustPem" | "crlPem"> | undefined {
    return this.#files.unit([...path, "trustCerts"], () => {
      const authorities = trustCerts.flatMap((name, index) =>
        this.#files.authorities(name, [...path, "trustCerts", index]),
      );
      return {
        trustPem: authorities.map((certificate) => certificate.toString()),
        crlPem: this.#crls(crls, authorities, path),
      };
    });
  }

  #clientAuth(file: FileClientAuth, required: boolean, path: ConfigPath): ClientAuthConfig {
    const { trustPem, crlPem } = this.trust(file, path) ?? { trustPem: [], crlPem: [] };
    if (file.allow !== undefined && !required) {
      const message =
        "clients without a certificate are served too, whoever is allowed, as requireClientAuth is false";
      this.#problems.warning([...path, "allow"], message);
    }
    return {
      required,
      trustPem,
      crlPem,
      allow: file.allow,
    };
  }

  #needsAuthorities(path: ConfigPath): void {
    const message =
      "needs authorities that vouch for clients: give clientAuth.trustCerts (the system's are for servers)";
    this.#problems.error([...path, "requireClientAuth"], message);
  }

  #check(crl: Crl, file: string, authorities: readonly X509Certificate[], path: ConfigPath): void {
    if (crl.nextUpdateMs !== undefined && crl.nextUpdateMs <= this.#files.nowMs) {
      const day = new Date(crl.nextUpdateMs).toISOString().slice(0, 10);
      const message = `${file}: the list is out of date since ${day}; certificates of its authority are refused until there is a newer one`;
      this.#problems.warning(path, message);
    }
    const issuers = authorities.filter((authority) => crl.isNamedAfter(authority));
    const [issuer] = issuers;
    this.#files.noteCrl(file, issuer === undefined ? "another authority" : nameOf(issuer), crl);
    if (issuers.length === 0) {
      // It may be of an authority that stands between those that are trusted and their clients.
      const message = `${file}: the list is of none of the trustCerts, and counts only for one that peers send along`;
      this.#problems.warning(path, message);
    } else if (issuers.every((authority) => crl.isSignedBy(authority) === false)) {
      const message = `${file}: the list has the name of an authority in trustCerts, which has not signed it`;
      this.#problems.error(path, message);
    }
  }

  /** The library refuses a chain in which an authority has no list. */
  #checkCovered(
    crls: readonly Crl[],
    authorities: readonly X509Certificate[],
    path: ConfigPath,
  ): void {
    for (const authority of authorities) {
      const subject = authority.subject.replaceAll("\n", ", ");
      if (!crls.some((crl) => crl.isNamedAfter(authority))) {
        const message = `there is no list of ${subject}: certificates that it vouches for are refused`;
        this.#problems.warning(path, message);
      }
      if (!authorities.some((other) => authority.checkIssued(other))) {
        const message = `${subject} is no root, and its issuer is not in trustCerts: with crls chains must reach a root, so that its certificates are refused`;
        this.#problems.warning(path, message);
      }
    }
  }
}

/** The oldest version that `minVersion` and `profile` allow; undefined: 1.2. */
export function minVersionOf(
  file: {
    readonly minVersion?: "1.2" | "1.3" | 1.2 | 1.3 | undefined;
    readonly profile: "intermediate" | "modern";
  },
  path: ConfigPath,
  problems: ProblemList,
): TlsMinVersion | undefined {
  const { profile, minVersion = profile === "modern" ? "1.3" : "1.2" } = file;
  if (String(minVersion) === "1.3") return "1.3";
  if (profile === "modern") {
    problems.error([...path, "minVersion"], "the profile modern is TLS 1.3 alone; leave it out");
  }
  return undefined;
}

/** Checks that captures in names are those of the rule's prefix. */
export function checkPlaces(
  dnsName: string,
  captured: readonly string[],
  path: ConfigPath,
  problems: ProblemList,
): void {
  const missing = namesIn(dnsName).find((name) => !captured.includes(name));
  if (missing === undefined) return;
  const known =
    captured.length === 0
      ? `; the prefix captures nothing, such as /svc/{${missing}} would`
      : `; those are ${captured.map((name) => `{${name}}`).join(", ")}`;
  problems.error(
    [...path, "dnsName"],
    `{${missing}} is not among the captures of the prefix${known}`,
  );
}

/** What captures make of a template may be no name of a host. */
export function checkTlsNames(
  { servers, client }: RouterConfig,
  path: ConfigPath,
  problems: ProblemList,
): void {
  for (const dstName of pathsOfAll(servers)) {
    const { tls, healthCheck } = clientFor(client, dstName);
    const own = healthCheck?.tls === "none" ? undefined : healthCheck?.tls;
    for (const name of new Set([tls?.dnsName, own?.dnsName])) {
      if (name === undefined || name.includes("{") || isTlsName(name)) continue;
      const message = `dnsName is ${JSON.stringify(name)} for ${dstName}, which is no host name`;
      problems.error([...path, "client"], message);
    }
  }
}
