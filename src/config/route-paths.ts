// Where the connections of a server may go.
import type { OtherwiseTarget, RouteTarget, RoutingConfig } from "./route-types.ts";
import type { ServerConfig } from "./types.ts";

type Routed = Pick<ServerConfig, "dstName" | "routing">;

/** The paths that a server leads to whoever connects, each once. Those that a client brings up are not among them. */
export function pathsOf({ dstName, routing }: Routed): readonly string[] {
  if (routing === undefined) return dstName === undefined ? [] : [dstName];
  const paths = targetsOf(routing).flatMap((target) =>
    target.kind === "path" ? [target.path] : [],
  );
  return [...new Set(paths)];
}

/** The paths of all servers, each once. */
export function pathsOfAll(servers: readonly Routed[]): readonly string[] {
  return [...new Set(servers.flatMap(pathsOf))];
}

/** The templates of a server's paths, each once. */
export function templatesOf({ routing }: Routed): readonly string[] {
  if (routing === undefined) return [];
  const templates = targetsOf(routing).flatMap((target) =>
    target.kind === "template" ? [target.template] : [],
  );
  return [...new Set(templates)];
}

/** Whether a server may lead to something below `prefix`, as far as can be told. `covers` compares whole paths. */
export function mayLeadBelow(
  server: Routed,
  prefix: string,
  covers: (path: string, prefix: string) => boolean,
): boolean {
  if (pathsOf(server).some((path) => covers(path, prefix))) return true;
  return templatesOf(server).some((template) => {
    const fixed = fixedPartOf(template);
    const bare = prefix.endsWith("/") ? prefix : `${prefix}/`;
    return `${fixed}/`.startsWith(bare) || bare.startsWith(`${fixed}/`);
  });
}

/** The segments of a template before the first with a capture: `/svc` of `/svc/{sni}`. */
export function fixedPartOf(template: string): string {
  const before = template.slice(0, template.indexOf("{"));
  return before.slice(0, before.lastIndexOf("/"));
}

/** What people are told a server leads to: its `dstName`, or that rules say so. */
export function leadsTo({ dstName }: Routed): string {
  return dstName ?? "what its routes say";
}

function targetsOf({ routes, rest, otherwise }: RoutingConfig): readonly RouteTarget[] {
  const ends: readonly (OtherwiseTarget | undefined)[] = [
    otherwise.notTls,
    otherwise.noServerName,
    otherwise.noRoute,
    otherwise.silent,
  ];
  return [...routes.map(({ to }) => to), rest, ...ends].filter((target) => target !== undefined);
}
