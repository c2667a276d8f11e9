// The namers of a configuration: defaults that hang on the surroundings, files, prefixes.
import type { X509Certificate } from "node:crypto";
import { parseEndpointLine, readHost } from "../naming/endpoint-line.ts";
import { parsePath, printPath } from "../naming/path.ts";
import { PathMatcher, PathTemplate } from "../naming/path-matcher.ts";
import { canonicalPath } from "./canonical-path.ts";
import { DEFAULTS, seconds } from "./defaults.ts";
import { IdentityReader } from "./identities.ts";
import type {
  EtcdNamerConfig,
  K8sNamerConfig,
  NamerConfig,
  NamerTlsConfig,
} from "./namer-types.ts";
import type { PemFiles } from "./pem-files.ts";
import type { ConfigPath, ProblemList } from "./problems.ts";
import type { names } from "./schema-interpreter.ts";
import type { FileHttpTls, FileNamer } from "./schema-namers.ts";
import { resolvePath, type Surroundings } from "./surroundings.ts";
import type { HostEndpoint, StaticName } from "./types.ts";
import type { z } from "zod";

type FileNames = z.output<typeof names>;
type FileK8s = Extract<FileNamer, { kind: "io.l5d.k8s" | "io.l5d.k8s.ns" }>;
type FileEtcd = Extract<FileNamer, { kind: "io.l5d.etcd" }>;

/** Where Kubernetes puts what a pod needs to talk to its API server. */
const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/** Makes the configuration of namers, and of what else asks servers over HTTP. */
export class NamerCompiler {
  readonly #around: Surroundings;
  readonly #problems: ProblemList;
  readonly #files: PemFiles;
  readonly #identities: IdentityReader;

  constructor(around: Surroundings, files: PemFiles, problems: ProblemList) {
    this.#around = around;
    this.#problems = problems;
    this.#files = files;
    this.#identities = new IdentityReader(files, problems);
  }

  namers(list: readonly FileNamer[], path: ConfigPath): readonly NamerConfig[] {
    return list.map((namer, index) => this.#namer(namer, [...path, index]));
  }

  names(list: FileNames, path: ConfigPath): readonly StaticName[] {
    const compiled = new Map<string, StaticName>();
    for (const [name, endpoints] of Object.entries(list)) {
      const parsed = parsePath(name);
      if (!parsed.ok) {
        this.#problems.keyError([...path, name], `expected a path such as /svc/web as the key`);
        continue;
      }
      const key = printPath(parsed.labels);
      if (compiled.has(key)) {
        this.#problems.keyError([...path, name], `${key} is there already, written differently`);
      }
      compiled.set(key, { path: key, endpoints: endpoints.flatMap(endpointOf) });
    }
    return [...compiled.values()];
  }

  /** The absolute path of a directory, which must be there. */
  directory(directory: string, path: ConfigPath): string {
    const absolute = resolvePath(this.#around, directory);
    if (!this.#around.isDirectory(absolute)) {
      this.#problems.error(path, `${directory}: there is no such directory`);
    }
    return absolute;
  }

  tls(tls: FileHttpTls | undefined, path: ConfigPath): NamerTlsConfig | undefined {
    if (tls === undefined) return undefined;
    const { disableValidation, commonName, trustCertsBundle, clientAuth } = tls;
    const at = [...path, "trustCertsBundle"];
    const trusted =
      trustCertsBundle === undefined
        ? undefined
        : this.#files.unit(at, () => pemOf(this.#files.authorities(trustCertsBundle, at)));
    return {
      disableValidation,
      commonName,
      trustPem: trusted,
      clientAuth: clientAuth && this.#clientAuth(clientAuth, [...path, "clientAuth"]),
    };
  }

  etcdUrls({
    host,
    port,
    endpoints,
    tls,
  }: Pick<FileEtcd, "host" | "port" | "endpoints" | "tls">): readonly string[] {
    if (endpoints.length > 0) return endpoints.map((url) => url.replace(/\/+$/, ""));
    return [urlOf(tls === undefined ? "http" : "https", host, port)];
  }

  #namer(namer: FileNamer, path: ConfigPath): NamerConfig {
    const prefix = canonicalPath(namer.prefix ?? `/${namer.kind}`);
    if (prefix === "/") this.#problems.error([...path, "prefix"], "a prefix must not be empty");
    const { kind } = namer;
    switch (kind) {
      case "io.l5d.fs":
        return { kind, prefix, rootDir: this.directory(namer.rootDir, [...path, "rootDir"]) };
      case "io.l5d.static":
        return { kind, prefix, names: this.names(namer.names, [...path, "names"]) };
      case "io.l5d.rewrite":
        this.#checkCaptures(namer, path);
        return { kind, prefix, pattern: namer.pattern, name: namer.name };
      case "io.l5d.dnssrv": {
        const refreshIntervalMs = seconds(namer.refreshIntervalSeconds);
        return { kind, prefix, refreshIntervalMs, dnsHosts: namer.dnsHosts };
      }
      case "io.l5d.consul":
        return this.#consul(namer, prefix, path);
      case "io.l5d.k8s":
        return this.#k8s(namer, prefix, undefined);
      case "io.l5d.k8s.ns":
        return this.#k8s(namer, prefix, this.#namespace(namer.envVar, path));
      case "io.l5d.etcd":
        return this.#etcd(namer, prefix, path);
      default:
        return kind satisfies never;
    }
  }

  #checkCaptures(
    { pattern, name }: { readonly pattern: string; readonly name: string },
    path: ConfigPath,
  ): void {
    const matcher = PathMatcher.parse(pattern);
    const template = PathTemplate.parse(name);
    if (!matcher.ok || !template.ok) return;
    const missing = template.template.names.find((it) => !matcher.matcher.names.includes(it));
    if (missing === undefined) return;
    const message = `{${missing}} is not among the captures of the pattern`;
    this.#problems.error([...path, "name"], message);
  }

  #consul(
    namer: Extract<FileNamer, { kind: "io.l5d.consul" }>,
    prefix: string,
    path: ConfigPath,
  ): NamerConfig {
    const { experimental: _, failFast: _f, fixedLengthStreamedAfterKB: _k, ...rest } = namer;
    const { host, port, tls, token, ...kept } = rest;
    return {
      ...kept,
      prefix,
      baseUrl: urlOf(tls === undefined ? "http" : "https", host, port),
      token,
      tls: this.tls(tls, [...path, "tls"]),
    };
  }

  #k8s(namer: FileK8s, prefix: string, namespace: string | undefined): K8sNamerConfig {
    const clusterHost = this.#around.environment("KUBERNETES_SERVICE_HOST");
    const inCluster = namer.host === undefined && clusterHost !== undefined;
    const clusterPort = Number(this.#around.environment("KUBERNETES_SERVICE_PORT") ?? 443);
    const host = namer.host ?? clusterHost ?? DEFAULTS.namers.host;
    const port = namer.port ?? (inCluster ? clusterPort : DEFAULTS.namers.k8sPort);
    const secure = inCluster || namer.caCertPath !== undefined;
    return {
      kind: namer.kind,
      prefix,
      baseUrl: urlOf(namer.scheme ?? (secure ? "https" : "http"), host, port),
      namespace,
      labelSelector: namer.labelSelector,
      tokenPath: this.#fileOf(namer.tokenPath, inCluster, "token"),
      caPath: this.#fileOf(namer.caCertPath, inCluster, "ca.crt"),
    };
  }

  #fileOf(path: string | undefined, inCluster: boolean, name: string): string | undefined {
    if (path !== undefined) return resolvePath(this.#around, path);
    return inCluster ? `${SERVICE_ACCOUNT}/${name}` : undefined;
  }

  #namespace(variable: string, path: ConfigPath): string {
    const namespace = this.#around.environment(variable);
    if (namespace !== undefined) return namespace;
    const message = `the environment variable ${variable}, which names the namespace, is not set`;
    this.#problems.error([...path, "envVar"], message);
    return "";
  }

  #etcd(namer: FileEtcd, prefix: string, path: ConfigPath): EtcdNamerConfig {
    const baseUrls = this.etcdUrls(namer);
    const pathPrefix = canonicalPath(namer.pathPrefix);
    return {
      kind: namer.kind,
      prefix,
      baseUrls,
      pathPrefix,
      tls: this.tls(namer.tls, [...path, "tls"]),
    };
  }

  #clientAuth(
    { certPath, keyPath }: NonNullable<FileHttpTls["clientAuth"]>,
    path: ConfigPath,
  ): NamerTlsConfig["clientAuth"] {
    const places = {
      certs: () => [...path, "certPath"],
      privateKey: [...path, "keyPath"],
      passphraseFile: path,
      whole: path,
    };
    return this.#files.unit(path, () => {
      const read = this.#identities.read(
        { certs: [certPath], privateKey: keyPath },
        places,
        "client",
      );
      if (read === undefined) return undefined;
      const { certificateChainPem: certPem, privateKeyPem: keyPem } = read.pair;
      return { certPem, keyPem };
    });
  }
}

function pemOf(certificates: readonly X509Certificate[]): string {
  return certificates.map((certificate) => certificate.toString()).join("");
}

function endpointOf(endpoint: FileNames[string][number]): readonly HostEndpoint[] {
  if (typeof endpoint !== "string") {
    return [{ ...endpoint, host: readHost(endpoint.host) ?? endpoint.host }];
  }
  // The schema has let it pass, so there is no problem left to tell of.
  const line = parseEndpointLine(endpoint);
  return "problem" in line ? [] : [line];
}

function urlOf(scheme: string, host: string, port: number): string {
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}
