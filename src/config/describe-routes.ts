// The routing of a server in lines for people: `linkerd-tcp check`, the status page.
import type { RouteMatch, RouteTarget, RoutingConfig } from "./route-types.ts";

/** More of a list is only counted. */
const MOST_SHOWN = 5;

/** A line for each rule, then one for each case in which there is none: `sni web.example.com -> /svc/web`. */
export function describeRoutes(routing: RoutingConfig): readonly string[] {
  return [...routing.routes.map(ruleLine), ...caseLines(routing)];
}

function ruleLine({ match, to }: { readonly match: RouteMatch; readonly to: RouteTarget }): string {
  const { sni, alpn, clientSan, source } = match;
  const parts = [
    ...(sni === undefined ? [] : [`sni ${some(sni)}`]),
    ...(alpn === undefined ? [] : [`alpn ${some(alpn)}`]),
    ...(clientSan === undefined ? [] : [`client SAN ${some(clientSan)}`]),
    ...(source === undefined ? [] : [`source ${some(source)}`]),
  ];
  return `${parts.join(" and ")} -> ${targetText(to)}`;
}

function caseLines({ routes, rest, otherwise, passthrough }: RoutingConfig): readonly string[] {
  const { notTls, noServerName, noRoute, silent } = otherwise;
  const templates = [rest, ...routes.map(({ to }) => to)].map((to) =>
    to?.kind === "template" ? to.template : "",
  );
  const needsName = templates.some((template) => template.includes("{sni}"));
  const mayLackRoute =
    rest === undefined || templates.some((template) => template.includes("{alpn}"));
  const goesByName = needsName || routes.some(({ match }) => match.sni !== undefined);
  const lacksName = noServerName ?? (needsName || rest === undefined ? RESET : undefined);
  return [
    ...(passthrough === undefined ? [] : [`no TLS -> ${targetText(notTls)}`]),
    ...(goesByName && lacksName !== undefined
      ? [`no server name -> ${targetText(lacksName)}`]
      : []),
    ...(mayLackRoute ? [`no route -> ${targetText(noRoute)}`] : []),
    ...(passthrough === undefined ? [] : [`silent -> ${targetText(silent)}`]),
  ];
}

const RESET: RouteTarget = { kind: "end", how: "reset" };

function targetText(to: RouteTarget): string {
  switch (to.kind) {
    case "path":
      return to.path;
    case "template":
      return to.template;
    case "end":
      return to.how;
    default:
      return to satisfies never;
  }
}

function some(list: readonly string[]): string {
  const shown = list.slice(0, MOST_SHOWN).join(", ");
  return list.length > MOST_SHOWN ? `${shown} and ${list.length - MOST_SHOWN} more` : shown;
}
