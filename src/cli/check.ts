// `linkerd-tcp check`: says what is wrong with a configuration, or what it would serve. Listens on nothing.
import { clientFor } from "../config/client-for.ts";
import { describeRoutes } from "../config/describe-routes.ts";
import type { LoadResult } from "../config/load-result.ts";
import { formatProblems, redact } from "../config/problems.ts";
import { leadsTo, pathsOfAll } from "../config/route-paths.ts";
import type {
  Config,
  DestinationConfig,
  InterpreterConfig,
  RouterConfig,
  ServerConfig,
} from "../config/types.ts";
import type { ServerTlsConfig } from "../config/tls-types.ts";
import { formatAddress } from "../lib/address.ts";
import { describeAccrual } from "./describe-accrual.ts";
import { EXIT, exitCodeOf } from "./exit-codes.ts";
import type { Output } from "./output.ts";
import { plural, time } from "./words.ts";

/** Checks the configuration at `path` (`-` for standard input) and returns the exit code. */
export async function check(path: string, output: Output): Promise<number> {
  // Loaded here, so that a running proxy, which imports the command line too, never holds the schema library.
  const { loadConfig } = await import("../config/load.ts");
  return reportCheck(await loadConfig(path), output);
}

/** Prints the result of loading a configuration, and returns the exit code. */
export function reportCheck(result: LoadResult, output: Output): number {
  if (!result.ok) {
    output.err(`${formatProblems(result.problems)}\n`);
    return exitCodeOf(result);
  }
  if (result.warnings.length > 0) output.err(`${formatProblems(result.warnings)}\n`);
  output.out(`${describeConfig(result.config)}\n`);
  return EXIT.ok;
}

/** What would be served, in lines for people. */
export function describeConfig(config: Config): string {
  const { admin, workers } = config;
  return [
    `The configuration is good. ${plural(config.routers.length, "router")}:`,
    ...config.routers.flatMap(describeRouter),
    "",
    `admin server on ${formatAddress(admin)}, shutdown within ${time(admin.graceMs)}`,
    `${plural(workers, "worker thread")}`,
  ].join("\n");
}

function describeRouter(router: RouterConfig): readonly string[] {
  const destinations = pathsOfAll(router.servers);
  return [
    "",
    `router ${router.label}`,
    `  names: ${describeInterpreter(router.interpreter)}`,
    ...router.servers.flatMap(describeServer),
    ...destinations.flatMap((path) => describeDestination(path, router)),
  ];
}

function describeInterpreter(interpreter: InterpreterConfig): string {
  switch (interpreter.kind) {
    case "io.l5d.namerd.http": {
      const { namespace, periodMs } = interpreter;
      const url = redact(interpreter.baseUrl);
      return `namerd at ${url}, namespace ${namespace}, polled every ${time(periodMs)}`;
    }
    case "io.l5d.fs":
      return `files of ${interpreter.rootDir}, below ${interpreter.prefix}`;
    case "default":
      return `dtab ${interpreter.dtab}`;
    case "io.l5d.static":
      return "in the configuration itself";
    default:
      return interpreter satisfies never;
  }
}

function describeServer(server: ServerConfig): readonly string[] {
  const limits = [
    `endpoint within ${time(server.connectTimeoutMs)}`,
    `idle for ${time(server.idleTimeoutMs)}`,
    `life of ${time(server.connectionLifetimeMs)}`,
    `at most ${server.maxConcurrency} connections`,
  ];
  return [
    `  ${formatAddress(server)} -> ${leadsTo(server)}${describeTls(server)}`,
    `    ${limits.join(", ")}`,
    ...describeProxyProtocol(server),
    ...(server.routing === undefined ? [] : describeRoutes(server.routing)).map(
      (line) => `    ${line}`,
    ),
  ];
}

function describeProxyProtocol({ proxyProtocol }: ServerConfig): readonly string[] {
  if (proxyProtocol === undefined) return [];
  const { trusted, required, timeoutMs } = proxyProtocol;
  const others = required ? "refused" : "served without";
  return [
    `    PROXY header within ${time(timeoutMs)} from ${trusted.join(", ")}, others ${others}`,
  ];
}

function describeTls({ tls, routing }: ServerConfig): string {
  const hello = routing?.passthrough;
  if (hello !== undefined)
    return ` (TLS passed through, hello within ${time(hello.helloTimeoutMs)})`;
  if (tls === undefined) return "";
  const names = tls.identities.map(({ serverName }) => serverName);
  if (tls.defaultIdentity !== undefined) names.push("any other name");
  const alpn = tls.alpnProtocols.length === 0 ? "" : `; ALPN ${tls.alpnProtocols.join(", ")}`;
  return ` (TLS for ${names.join(", ")}${alpn}${describeClientAuth(tls)})`;
}

function describeClientAuth({ clientAuth, identities }: ServerTlsConfig): string {
  const own = identities.some((identity) => identity.clientAuth !== undefined);
  const others = own ? ", single names differ" : "";
  if (clientAuth === undefined) return own ? "; clients of single names show certificates" : "";
  const asked = clientAuth.required ? "need certificates" : "are asked for certificates";
  const allowed =
    clientAuth.allow === undefined ? "" : ` of ${clientAuth.allow.length} rules for names`;
  return `; clients ${asked}${allowed}${others}`;
}

function describeDestination(path: string, router: RouterConfig): readonly string[] {
  const client = clientFor(router.client, path);
  const { interpreter } = router;
  const name =
    interpreter.kind === "io.l5d.static"
      ? interpreter.names.find((known) => known.path === path)
      : undefined;
  const endpoints = (name?.endpoints ?? []).map(({ host, port, weight }) => {
    const address = formatAddress({ ip: host, port });
    return weight === 1 ? address : `${address} * ${weight}`;
  });
  return [
    `  to ${path}: ${describeClient(client)}`,
    ...(name === undefined ? [] : [`    endpoints: ${endpoints.join(", ") || "none"}`]),
  ];
}

function describeClient(client: DestinationConfig): string {
  const trust = client.tls?.trustPem === undefined ? "the system's roots" : "its own roots";
  const parts = [
    client.tls === undefined ? "plain TCP" : `TLS as ${client.tls.dnsName} with ${trust}`,
    ...(client.tls?.clientAuth === undefined ? [] : ["with its own certificate"]),
    `connect within ${time(client.connectTimeoutMs)}`,
    ...describeAccrual(client),
    `at most ${client.maxWaiters} waiting`,
    `${client.minConnections} kept warm`,
    ...(client.maxConnectionsPerEndpoint === Number.POSITIVE_INFINITY
      ? []
      : [`at most ${client.maxConnectionsPerEndpoint} to an endpoint`]),
    ...(client.proxyProtocol === undefined
      ? []
      : [`with a PROXY header of version ${client.proxyProtocol.version}`]),
    ...(client.healthCheck === undefined
      ? []
      : [
          `checked by ${client.healthCheck.check.kind} every ${time(client.healthCheck.intervalMs)}`,
        ]),
  ];
  return parts.join(", ");
}
