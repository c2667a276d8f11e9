// The status page: the state of the program as HTML for people, without scripts. Reads well as plain text too.
import { certificateSection } from "./status-certificates.ts";
import { duration, escape, more, plural, table } from "./status-html.ts";
import type { OverrideStatus } from "./control-port.ts";
import type {
  ConfigurationStatus,
  DestinationStatus,
  DrainStatus,
  EjectionStatus,
  EndpointStatus,
  NamerStatus,
  RefusalStatus,
  ServerStatus,
  Status,
} from "./admin-port.ts";

const STYLE = `
body{font:1rem/1.5 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1rem}
:root{color-scheme:light dark}
table{border-collapse:collapse;width:100%;margin-bottom:1.5rem}
th,td{padding:.25rem .5rem;text-align:left;border-bottom:1px solid #8886;overflow-wrap:anywhere}
.n{text-align:right;font-variant-numeric:tabular-nums}
h2{margin-top:2rem}h3{margin-bottom:0;overflow-wrap:anywhere}
nav a{margin-right:1rem}
.ejected,.unhealthy{color:#c22;font-weight:bold}.retired{opacity:.6}.disabled{color:#95f;font-weight:bold}
@media(prefers-color-scheme:dark){.ejected,.unhealthy{color:#f88}.disabled{color:#c9f}}
`;

/** SHA-256 of STYLE; a test keeps it right. Written down because node:crypto would cost 1 MB of memory. */
const STYLE_HASH = "bFB6+z3cWfwTfwzk9aGT+UexVU8lKxWvVg5FIEUN9GQ=";

/** The Content-Security-Policy of the page: its own style and nothing else, in no frame. */
export const STATUS_PAGE_POLICY =
  `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; ` +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** How many are listed, so that a page stays a page: /status.json has all. */
const MOST_DESTINATIONS = 200;
const MOST_ENDPOINTS = 100;
/** The same for the rules of a server. */
const MOST_ROUTES = 20;

/** The page. Whatever stands in the status stays text. */
export function statusPage(status: Status): string {
  const { version, pid, state, uptimeSeconds, workers, servers, destinations } = status;
  const { namers, drains, overrides, refusals = [] } = status;
  const listed = destinations.slice(0, MOST_DESTINATIONS);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>linkerd-tcp: ${escape(state)}</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>linkerd-tcp</h1>
<p>State: <strong>${escape(state)}</strong>. Version ${escape(version)}, process ${pid}, up for ${duration(uptimeSeconds)}, ${plural(workers, "worker")}.</p>
${configurationLine(status.configuration)}
${upgradeNote(status)}
<nav><a href="/metrics">Metrics</a> <a href="/config.json">Configuration</a> <a href="/status.json">This page as JSON</a></nav>
</header>
<main>
${drains.length === 0 ? "" : `<h2>Drains</h2>\n${drainTable(drains)}`}
${overrides.length === 0 ? "" : `<h2>Overrides</h2>\n${overrideTable(overrides)}`}
<h2>Servers</h2>
${serverTable(servers)}
<h2>Destinations</h2>
${listed.length === 0 ? "<p>None: no server is configured.</p>" : listed.map(destinationSection).join("\n")}
${more(destinations.length - listed.length, "more destination")}
${refusals.length === 0 ? "" : `<h2>Limits</h2>\n${refusals.map(refusalSection).join("\n")}`}
${certificateSection(status)}
${namers.length === 0 ? "" : `<h2>Namers</h2>\n${namerTable(namers)}`}
</main>
</body>
</html>
`;
}

function upgradeNote({ upgrade }: Status): string {
  switch (upgrade?.state) {
    case undefined:
      return "";
    case "starting":
      return `<p>Upgrade: process ${upgrade.pid} starts.</p>`;
    case "done":
      return `<p>Upgrade: process ${upgrade.pid} has taken over.</p>`;
    case "failed":
      return `<p class="ejected">The last upgrade failed: ${escape(upgrade.message)}</p>`;
    default:
      return upgrade satisfies never;
  }
}

function configurationLine({
  generation,
  fingerprint,
  loadedAt,
  lastReload,
}: ConfigurationStatus): string {
  const which = fingerprint === undefined ? `${generation}` : `${generation} (${fingerprint})`;
  const last =
    lastReload === undefined ? "" : ` Last reload: ${lastReload.result}, ${lastReload.at}.`;
  return `<p>Configuration ${escape(which)}, loaded ${escape(loadedAt)}.${escape(last)}</p>`;
}

function serverTable(servers: readonly ServerStatus[]): string {
  if (servers.length === 0) return "<p>None.</p>";
  const rows = servers.map(
    ({ router, address, dstName, tls, passthrough = false, routes = [], ...server }) =>
      `<tr><th scope="row">${escape(address)}${server.accepts ? "" : ' <span class="disabled">closed</span>'}</th>` +
      `<td>${tls ? "TLS" : passthrough ? "TLS, passed through" : "TCP"}</td>` +
      `<td>${routeLines(dstName, routes).map(escape).join("<br>")}</td><td>${escape(router)}</td>` +
      numberCells([server.connections, server.waiting, server.acceptQueue ?? "?"]) +
      "</tr>",
  );
  return table(
    headCells(["Address", "Protocol", "Destination", "Router"]) +
      numberHeads(["Connections", "Waiting", "Not accepted"]),
    rows,
  );
}

/** What operators have said, beside what the names say. */
function overrideTable(overrides: readonly OverrideStatus[]): string {
  const rows = overrides.map(
    ({ endpoint, router, dst, weight, enabled, expiresInSeconds, applies }) => {
      const where = [router, dst].filter((one) => one !== undefined).join(" ");
      const state = enabled === undefined || enabled ? "enabled" : "disabled";
      const said = weight === undefined ? state : `weight ${weight}`;
      const named = applies.map((one) => `${one.dst} weight ${one.resolvedWeight}`).join(", ");
      return (
        `<tr><th scope="row">${escape(endpoint)}</th><td>${escape(where || "everywhere")}</td>` +
        `<td class="${enabled === false ? "disabled" : ""}">${escape(said)}</td>` +
        `<td>${expiresInSeconds === undefined ? "never" : `in ${duration(expiresInSeconds)}`}</td>` +
        `<td>${escape(named || "it is in no destination now")}</td></tr>`
      );
    },
  );
  return table(headCells(["Endpoint", "Where", "Override", "Expires", "The name says"]), rows);
}

function routeLines(dstName: string, routes: readonly string[]): readonly string[] {
  const left = routes.length - MOST_ROUTES;
  return [dstName, ...routes.slice(0, MOST_ROUTES), ...(left > 0 ? [`and ${left} more`] : [])];
}

function drainTable(drains: readonly DrainStatus[]): string {
  const rows = drains.map(
    ({ what, reason, ageSeconds, total, left, deadlineSeconds }) =>
      `<tr><th scope="row">${escape(what)}</th><td>${escape(reason)}</td><td>${duration(ageSeconds)}</td>` +
      `<td class="n">${left}</td><td class="n">${total}</td>` +
      `<td>${deadlineSeconds === undefined ? "none" : `in ${duration(deadlineSeconds)}`}</td></tr>`,
  );
  const head = ["Connections of", "Reason", "Since", "Left", "Of", "Deadline"];
  return table(headCells(head), rows);
}

function namerTable(namers: readonly NamerStatus[]): string {
  const rows = namers.map((namer) => {
    const { prefix, kind, names, oldestConfirmedSeconds: age } = namer;
    const confirmed = age === undefined ? "never" : `${duration(age)} ago`;
    const trouble = troubleOf(namer);
    return (
      `<tr><th scope="row">${escape(prefix)}</th><td>${escape(kind)}</td><td class="n">${names}</td>` +
      `<td>${confirmed}</td><td${trouble === "" ? "" : ' class="ejected"'}>${escape(trouble || "none")}</td></tr>`
    );
  });
  const head = ["Prefix", "Kind", "Names followed", "Oldest confirmed", "Trouble"];
  return table(headCells(head), rows);
}

/** What is wrong with a source, as clauses; empty when nothing is. */
function troubleOf({ failing, emptied, silent }: NamerStatus): string {
  const clauses = [
    failing ?? "",
    emptied === 0 ? "" : `${plural(emptied, "name")} lost all endpoints`,
    silent === 0 ? "" : `silent about ${plural(silent, "name")}`,
  ];
  return clauses.filter((clause) => clause !== "").join("; ");
}

function destinationSection(destination: DestinationStatus): string {
  const { router, path, resolution, ageSeconds, endpoints, waiting, retryBudget } = destination;
  const age =
    ageSeconds === undefined ? "never confirmed" : `confirmed ${duration(ageSeconds)} ago`;
  const listed = endpoints.length > MOST_ENDPOINTS ? busiest(endpoints) : endpoints;
  return `<section>
<h3>${escape(path)}</h3>
<p>Router ${escape(router)}. Resolution: ${escape(resolution)}, ${age}. ${plural(endpoints.length, "endpoint")}. Waiting for an endpoint: ${waiting}. Retry budget: ${retryBudget ?? "none"}.</p>
${branchList(destination)}
${listed.length === 0 ? "" : endpointTable(listed)}
${more(endpoints.length - listed.length, "less busy endpoint")}
</section>`;
}

/** The split of the traffic, where there is more to it than the path itself. */
function branchList({ path, branches }: DestinationStatus): string {
  const [only, ...others] = branches;
  if (only === undefined || (others.length === 0 && only.id === path)) return "";
  const total = branches.reduce((sum, { weight }) => sum + weight, 0);
  const items = branches.map(({ id, weight, endpoints }) => {
    const share = total > 0 ? Math.round((weight / total) * 10_000) / 100 : 0;
    return `<li>${share} % to ${escape(id)}, ${plural(endpoints, "endpoint")}</li>`;
  });
  return `<ul>${items.join("")}</ul>`;
}

function endpointTable(endpoints: readonly EndpointStatus[]): string {
  const rows = endpoints.map(
    ({ address, weight, connections, connects, failures, state, ejection, reason }) =>
      `<tr><th scope="row">${escape(address)}</th><td class="${escape(state)}">` +
      `${escape(state + ejectionText(ejection))}${reason === undefined ? "" : `: ${escape(reason)}`}</td>` +
      numberCells([weight, connections, connects, failures]) +
      "</tr>",
  );
  const numbers = numberHeads(["Weight", "Connections", "Connects", "Failures"]);
  return table(headCells(["Endpoint", "State"]) + numbers, rows);
}

function headCells(names: readonly string[]): string {
  return names.map((name) => `<th scope="col">${name}</th>`).join("");
}

function numberHeads(names: readonly string[]): string {
  return names.map((name) => `<th scope="col" class="n">${name}</th>`).join("");
}

function numberCells(numbers: readonly (number | string)[]): string {
  return numbers.map((number) => `<td class="n">${escape(String(number))}</td>`).join("");
}

/** What is done about an endpoint that fails, and why, as a clause in brackets. */
function ejectionText(ejection: EjectionStatus | undefined): string {
  if (ejection === undefined) return "";
  const { kind, reason, probeInSeconds, workers } = ejection;
  const why = workers > 1 ? `${reason}, ${workers} workers` : reason;
  switch (kind) {
    case "ejected":
      return ` (${why}, probe in ${duration(probeInSeconds)})`;
    case "dry_run":
      return ` (dry run: would be ejected, ${why})`;
    case "withheld":
      return ` (fails, not ejected: ${why})`;
    default:
      return kind satisfies never;
  }
}

/** Who is refused by a server with limits, and who has most of its connections. */
function refusalSection(status: RefusalStatus): string {
  const { address, dryRun, refusals, refused, connected } = status;
  const counts = Object.entries(refusals).map(([rule, count]) => `${rule} ${count}`);
  const sum = counts.length === 0 ? "nobody" : escape(counts.join(", "));
  const said = dryRun ? "Would have refused (dryRun)" : "Refused";
  return `<section>
<h3>${escape(address)}</h3>
<p>${said} since the start: ${sum}. <a href="/offenders.json">As JSON</a>.</p>
${sourceTable(
  ["Refused most lately", "Last rule", "Refusals"],
  refused.map(({ source, rule, refusals: count, uncertain }) => [
    source,
    rule,
    uncertain === 0 ? String(count) : `${count - uncertain} to ${count}`,
  ]),
)}
${sourceTable(
  ["Most connections", "Connections"],
  connected.map(({ source, connections }) => [source, String(connections)]),
)}
</section>`;
}

/** The first column is the source, the last one a number. */
function sourceTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return "";
  const cell = (text: string, at: number): string => {
    if (at === 0) return `<th scope="row">${escape(text)}</th>`;
    return at === head.length - 1
      ? `<td class="n">${escape(text)}</td>`
      : `<td>${escape(text)}</td>`;
  };
  return table(
    headCells(head),
    rows.map((row) => `<tr>${row.map(cell).join("")}</tr>`),
  );
}

function busiest(endpoints: readonly EndpointStatus[]): EndpointStatus[] {
  return endpoints
    .toSorted((a, b) => b.connections - a.connections || b.connects - a.connects)
    .slice(0, MOST_ENDPOINTS);
}
