// From a file that fits the schema to the configuration that runs: units, paths, files, and what one key says of another.
import { canonicalIp } from "../lib/address.ts";
import { parseDtab, printDtab } from "../naming/dtab.ts";
import { accrualKeys } from "./compile-accrual.ts";
import { canonicalPath, canonicalPrefix } from "./canonical-path.ts";
import { HealthCompiler } from "./compile-health.ts";
import { LimitsCompiler, overloadConfig } from "./compile-limits.ts";
import { NamerCompiler } from "./compile-namers.ts";
import { TlsCompiler } from "./compile-tls.ts";
import { checkAcross } from "./cross-checks.ts";
import { limit, seconds } from "./defaults.ts";
import { retryBudgetOf } from "./compile-retries.ts";
import { bindingCache, routedName, routing } from "./compile-routes.ts";
import { drain, drainWindowMs, socketOptions } from "./compile-sessions.ts";
import { clientProxyProtocol, serverProxyProtocol } from "./compile-proxy-protocol.ts";
import type { NamerConfig } from "./namer-types.ts";
import { PemFiles } from "./pem-files.ts";
import type { ConfigPath, ProblemList } from "./problems.ts";
import type { File, FileClient, FileConnector, FileRouter, FileServer } from "./schema.ts";
import { namesIn } from "./rule-prefix.ts";
import type { Surroundings } from "./surroundings.ts";
import type { FileLoadBalancer } from "./schema-balancer.ts";
import type {
  ClientRule,
  Config,
  InterpreterConfig,
  LoadBalancerConfig,
  RouterConfig,
  ServerConfig,
} from "./types.ts";

/** Makes the configuration. It may be used only when no errors were noted. */
export function compile(file: File, around: Surroundings, problems: ProblemList): Config {
  const compiler = new Compiler(around, problems);
  const { admin } = file;
  const config: Config = {
    admin: {
      ip: canonicalIp(admin.ip) ?? admin.ip,
      port: admin.port,
      graceMs: seconds(admin.graceSecs),
      drainWindowMs: drainWindowMs(admin, ["admin"], problems),
    },
    namers: compiler.namers(file),
    routers: file.routers.map((router, index) => compiler.router(router, ["routers", index])),
    bufferSizeBytes: file.bufferSizeBytes,
    workers: file.workers === "auto" ? around.cores : file.workers,
    ...(file.overload && { overload: overloadConfig(file.overload) }),
    reloadOnChange: file.reloadOnChange,
    followCertificates: file.followCertificates,
  };
  checkAcross(config, problems);
  return config;
}

class Compiler {
  readonly #problems: ProblemList;
  readonly #tls: TlsCompiler;
  readonly #namers: NamerCompiler;
  readonly #limits: LimitsCompiler;
  readonly #health: HealthCompiler;

  constructor(around: Surroundings, problems: ProblemList) {
    const files = new PemFiles(around, problems);
    this.#problems = problems;
    this.#tls = new TlsCompiler(files, problems);
    this.#namers = new NamerCompiler(around, files, problems);
    this.#limits = new LimitsCompiler(around, problems);
    this.#health = new HealthCompiler(around, this.#tls, problems);
  }

  namers(file: File): readonly NamerConfig[] {
    return this.#namers.namers(file.namers, ["namers"]);
  }

  router(router: FileRouter, path: ConfigPath): RouterConfig {
    const servers = router.servers.map((server, index) =>
      this.#server(server, [...path, "servers", index]),
    );
    const cache = bindingCache(router.bindingCache, servers, path, this.#problems);
    return {
      label: router.label,
      interpreter: this.#interpreter(router, path),
      servers,
      client: router.client === undefined ? [] : this.#client(router.client, [...path, "client"]),
      ...(cache && { bindingCache: cache }),
    };
  }

  #server(server: FileServer, path: ConfigPath): ServerConfig {
    const chooses = routing(server, path, this.#problems);
    return {
      ip: canonicalIp(server.ip) ?? server.ip,
      port: server.port,
      dstName: server.dstName && routedName(server.dstName),
      ...(chooses && { routing: chooses }),
      tls: server.tls && this.#tls.server(server.tls, [...path, "tls"]),
      proxyProtocol:
        server.proxyProtocol &&
        serverProxyProtocol(server.proxyProtocol, [...path, "proxyProtocol"], this.#problems),
      connectTimeoutMs: limit(server.connectTimeoutMs),
      connectionLifetimeMs: limit(seconds(server.connectionLifetimeSecs)),
      connectionLifetimeJitter: server.connectionLifetimeJitterPercent / 100,
      idleTimeoutMs: limit(seconds(server.idleTimeoutSecs)),
      halfClosedTimeoutMs: limit(seconds(server.halfClosedTimeoutSecs)),
      socketOptions: socketOptions(server.socketOptions),
      maxConcurrency: server.maxConcurrency,
      ...(server.limits && {
        limits: this.#limits.limits(server.limits, [...path, "limits"]),
      }),
    };
  }

  #interpreter(router: FileRouter, path: ConfigPath): InterpreterConfig {
    const { interpreter = { kind: "default" }, dtab } = router;
    if (interpreter.kind !== "default" && dtab !== undefined) {
      const message = `only the interpreter default uses a dtab, and this one is ${interpreter.kind}`;
      this.#problems.error([...path, "dtab"], message);
    }
    const at = [...path, "interpreter"];
    switch (interpreter.kind) {
      case "default":
        return { kind: "default", dtab: this.#dtab(router, path) };
      case "io.l5d.namerd.http": {
        const { kind, namespace, periodSecs, requestTimeoutMs } = interpreter;
        const baseUrl = interpreter.baseUrl.replace(/\/+$/, "");
        return { kind, baseUrl, namespace, periodMs: seconds(periodSecs), requestTimeoutMs };
      }
      case "io.l5d.fs": {
        const rootDir = this.#namers.directory(interpreter.rootDir, [...at, "rootDir"]);
        return { kind: interpreter.kind, rootDir, prefix: canonicalPath(interpreter.prefix) };
      }
      case "io.l5d.static":
        return {
          kind: interpreter.kind,
          names: this.#namers.names(interpreter.names, [...at, "names"]),
        };
      default:
        return interpreter satisfies never;
    }
  }

  #dtab({ dtab, interpreter }: FileRouter, path: ConfigPath): string {
    if (dtab === undefined && interpreter === undefined) {
      const message = "expected an interpreter, or a dtab for the namers of this file";
      this.#problems.lacking(path, message);
    }
    const parsed = parseDtab(dtab ?? "");
    return parsed.ok ? printDtab(parsed.dtab) : "";
  }

  #client(client: FileClient, path: ConfigPath): readonly ClientRule[] {
    if (client.kind === "io.l5d.global") {
      const { kind: _, ...connector } = client;
      return [this.#rule("/", connector, path)];
    }
    return client.configs.map(({ prefix, ...connector }, index) =>
      this.#rule(canonicalPrefix(prefix), connector, [...path, "configs", index]),
    );
  }

  // Only the keys that stand in the file, because a rule that covers the same destination may have set the others.
  #rule(prefix: string, connector: FileConnector, path: ConfigPath): ClientRule {
    const { tls, connectTimeoutMs, maxWaiters, minConnections } = connector;
    const { loadBalancer, proxyProtocol, retries, hostConnectionPool } = connector;
    const { socketOptions: options, drain: draining, healthCheck } = connector;
    const maxSize = hostConnectionPool?.maxSize;
    return {
      prefix,
      ...(tls && { tls: this.#tls.client(tls, namesIn(prefix), [...path, "tls"]) }),
      ...(connectTimeoutMs !== undefined && { connectTimeoutMs: limit(connectTimeoutMs) }),
      ...(maxWaiters !== undefined && { maxWaiters }),
      ...(minConnections !== undefined && { minConnections }),
      ...(retries?.budget && { retryBudget: retryBudgetOf(retries.budget) }),
      ...(maxSize !== undefined && { maxConnectionsPerEndpoint: limit(maxSize) }),
      ...accrualKeys(connector, path, this.#problems),
      ...(loadBalancer && { loadBalancer: this.#balancer(loadBalancer, path) }),
      ...(options && { socketOptions: socketOptions(options) }),
      ...(draining && { drain: drain(draining, [...path, "drain"], this.#problems) }),
      ...(proxyProtocol && {
        proxyProtocol: clientProxyProtocol(
          proxyProtocol,
          [...path, "proxyProtocol"],
          this.#problems,
        ),
      }),
      ...(healthCheck && {
        healthCheck: this.#health.healthCheck(healthCheck, namesIn(prefix), [
          ...path,
          "healthCheck",
        ]),
      }),
    };
  }

  #balancer(balancer: FileLoadBalancer, path: ConfigPath): LoadBalancerConfig {
    switch (balancer.kind) {
      case "p2c":
      case "leastConnections":
      case "roundRobin":
        return { kind: balancer.kind };
      case "heap":
        return { kind: "leastConnections" };
      case "ewma":
        return { kind: "ewma", decayTimeMs: balancer.decayTimeMs };
      case "aperture": {
        const { kind, minAperture, lowLoad, highLoad, smoothWindowMs } = balancer;
        if (lowLoad >= highLoad) {
          const message = `expected less than highLoad, which is ${highLoad}, found ${lowLoad}`;
          this.#problems.error([...path, "loadBalancer", "lowLoad"], message);
        }
        return { kind, minAperture, lowLoad, highLoad, smoothWindowMs };
      }
      case "maglev":
        return { kind: "maglev", maxLoadFactor: limit(balancer.maxLoadFactor) };
      default:
        return balancer satisfies never;
    }
  }
}
