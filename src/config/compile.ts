// From a file that fits the schema to the configuration that runs: units, paths, files, and what one key says of another.
import { canonicalIp } from "../lib/address.ts";
import { parseEndpointLine, readHost } from "../naming/endpoint-line.ts";
import { parsePath, printPath } from "../naming/path.ts";
import { resolvePath, type Surroundings, TlsCompiler } from "./compile-tls.ts";
import { checkAcross } from "./cross-checks.ts";
import { limit, seconds } from "./defaults.ts";
import type { ConfigPath, ProblemList } from "./problems.ts";
import type { File, FileClient, FileConnector, FileRouter, FileServer } from "./schema.ts";
import type {
  ClientRule,
  Config,
  HostEndpoint,
  InterpreterConfig,
  RouterConfig,
  ServerConfig,
  StaticName,
} from "./types.ts";

type FileInterpreter = FileRouter["interpreter"];
type FileNames = Extract<FileInterpreter, { kind: "io.l5d.static" }>["names"];

/** Makes the configuration. It may be used only when no errors were noted. */
export function compile(file: File, around: Surroundings, problems: ProblemList): Config {
  const compiler = new Compiler(around, problems);
  const { admin } = file;
  const config: Config = {
    admin: {
      ip: canonicalIp(admin.ip) ?? admin.ip,
      port: admin.port,
      graceMs: seconds(admin.graceSecs),
    },
    namers: [],
    routers: file.routers.map((router, index) => compiler.router(router, ["routers", index])),
    bufferSizeBytes: file.bufferSizeBytes,
    workers: file.workers === "auto" ? around.cores : file.workers,
  };
  checkAcross(config, problems);
  return config;
}

class Compiler {
  readonly #around: Surroundings;
  readonly #problems: ProblemList;
  readonly #tls: TlsCompiler;

  constructor(around: Surroundings, problems: ProblemList) {
    this.#around = around;
    this.#problems = problems;
    this.#tls = new TlsCompiler(around, problems);
  }

  router(router: FileRouter, path: ConfigPath): RouterConfig {
    return {
      label: router.label,
      interpreter: this.#interpreter(router.interpreter, [...path, "interpreter"]),
      servers: router.servers.map((server, index) =>
        this.#server(server, [...path, "servers", index]),
      ),
      client: router.client === undefined ? [] : this.#client(router.client, [...path, "client"]),
    };
  }

  #server(server: FileServer, path: ConfigPath): ServerConfig {
    return {
      ip: canonicalIp(server.ip) ?? server.ip,
      port: server.port,
      dstName: canonicalPath(server.dstName),
      tls: server.tls && this.#tls.server(server.tls, [...path, "tls"]),
      connectTimeoutMs: limit(server.connectTimeoutMs),
      connectionLifetimeMs: limit(seconds(server.connectionLifetimeSecs)),
      idleTimeoutMs: limit(seconds(server.idleTimeoutSecs)),
      maxConcurrency: server.maxConcurrency,
    };
  }

  #interpreter(interpreter: FileInterpreter, path: ConfigPath): InterpreterConfig {
    switch (interpreter.kind) {
      case "io.l5d.namerd.http": {
        const { kind, namespace, periodSecs, requestTimeoutMs } = interpreter;
        const baseUrl = interpreter.baseUrl.replace(/\/+$/, "");
        return { kind, baseUrl, namespace, periodMs: seconds(periodSecs), requestTimeoutMs };
      }
      case "io.l5d.fs": {
        const rootDir = resolvePath(this.#around, interpreter.rootDir);
        if (!this.#around.isDirectory(rootDir)) {
          const message = `${interpreter.rootDir}: there is no such directory`;
          this.#problems.error([...path, "rootDir"], message);
        }
        return { kind: interpreter.kind, rootDir, prefix: canonicalPath(interpreter.prefix) };
      }
      case "io.l5d.static":
        return {
          kind: interpreter.kind,
          names: this.#names(interpreter.names, [...path, "names"]),
        };
      default:
        return interpreter satisfies never;
    }
  }

  #names(names: FileNames, path: ConfigPath): readonly StaticName[] {
    const compiled = new Map<string, StaticName>();
    for (const [name, endpoints] of Object.entries(names)) {
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
    const { tls, connectTimeoutMs, maxWaiters, minConnections, failFast = {} } = connector;
    const { maxConsecutiveFailures, failurePenaltySecs } = failFast;
    return {
      prefix,
      ...(tls && { tls: this.#tls.client(tls, [...path, "tls"]) }),
      ...(connectTimeoutMs !== undefined && { connectTimeoutMs: limit(connectTimeoutMs) }),
      ...(maxWaiters !== undefined && { maxWaiters }),
      ...(minConnections !== undefined && { minConnections }),
      ...(maxConsecutiveFailures !== undefined && { maxConsecutiveFailures }),
      ...(failurePenaltySecs !== undefined && { failurePenaltyMs: seconds(failurePenaltySecs) }),
    };
  }
}

type FileEndpoint = FileNames[string][number];

function endpointOf(endpoint: FileEndpoint): readonly HostEndpoint[] {
  if (typeof endpoint !== "string") {
    return [{ ...endpoint, host: readHost(endpoint.host) ?? endpoint.host }];
  }
  // The schema has let it pass, so there is no problem left to tell of.
  const line = parseEndpointLine(endpoint);
  return "problem" in line ? [] : [line];
}

/** The one spelling of a path, so that equal paths are equal strings. */
function canonicalPath(text: string): string {
  const parsed = parsePath(text);
  return parsed.ok ? printPath(parsed.labels) : text;
}

function canonicalPrefix(text: string): string {
  if (text === "/" || !text.endsWith("/")) return canonicalPath(text);
  return `${canonicalPath(text.slice(0, -1))}/`;
}
