// The namers that every interpreter knows, below `/$/`: endpoints written in the path, and rewriting. They need no source.
import { parsePort } from "../lib/address.ts";
import { readHost } from "./endpoint-line.ts";
import { type PathLabels, printPath } from "./path.ts";
import type { LookupTree, Outcome } from "./tree.ts";

/** An endpoint that a path names. */
export interface PathEndpoint {
  /** Canonical IP literal, or a host name. */
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
  /** Whether Finagle looks the host up only once (`fixedinet`). */
  readonly fixed: boolean;
}

/** Turns the labels that follow the namer's name into another path; undefined where they have not the form it asks for. */
type Rewrite = (labels: PathLabels) => PathLabels | undefined;

// So coarse that it takes names, IPv4 and what of IPv6 a path can hold.
const HOST = /^[A-Za-z0-9.:_-]+$/;
const METHOD = /^[A-Z]+$/;
/** A DNS label (RFC 1123 §2.1) in lower case: ports may have names. */
const PORT = /^[a-z0-9][-a-z0-9]{0,62}$/;

const REWRITES: ReadonlyMap<string, Rewrite> = new Map([
  ["io.buoyant.hostportPfx", belowPrefix(hostPort((host, port) => [host, port]))],
  ["io.buoyant.porthostPfx", belowPrefix(hostPort((host, port) => [port, host]))],
  ["io.buoyant.http.anyMethod", anyMethod],
  ["io.buoyant.http.anyMethodPfx", belowPrefix(anyMethod)],
  ["io.buoyant.http.anyHost", anyHost],
  ["io.buoyant.http.anyHostPfx", belowPrefix(anyHost)],
  ["io.buoyant.http.subdomainOf", subdomainOf],
  ["io.buoyant.http.subdomainOfPfx", subdomainOfPfx],
  ["io.buoyant.http.domainToPath", domainToPath],
  ["io.buoyant.http.domainToPathPfx", belowPrefix(domainToPath)],
]);

/**
 * What a path that begins with `$` stands for, in Finagle and linkerd; undefined for other paths. A class that nobody knows
 * has failed with its name as the cause; a path that has not the form that its class asks for is `neg`.
 */
export function lookupUtility(path: PathLabels): Outcome<LookupTree> | undefined {
  const [dollar, kind, ...rest] = path;
  if (dollar !== "$") return undefined;
  switch (kind) {
    case undefined:
      return ok({ kind: "neg" });
    case "nil":
      return ok({ kind: "empty" });
    case "fail":
      return ok({ kind: "fail" });
    case "inet":
    case "fixedinet":
    case "io.buoyant.rinet":
      return ok(boundEndpoint(path));
    default: {
      const rewrite = REWRITES.get(kind);
      if (rewrite === undefined) return { state: "failed", cause: kind };
      const rewritten = rewrite(rest);
      if (rewritten === undefined) return ok({ kind: "neg" });
      return ok({ kind: "leaf", value: { kind: "path", path: rewritten } });
    }
  }
}

/**
 * The endpoint of an id that `lookupUtility` bound: `/$/inet/<host>/<port>`, `/$/inet/<port>` (which is localhost),
 * `/$/fixedinet/<host>/<port>` or `/$/io.buoyant.rinet/<port>/<host>`. What follows is ignored. Undefined for other paths.
 */
export function endpointOf(id: PathLabels): PathEndpoint | undefined {
  return endpointPath(id)?.endpoint;
}

function boundEndpoint(path: PathLabels): LookupTree {
  const found = endpointPath(path);
  if (found === undefined) return { kind: "neg" };
  const id = printPath(path.slice(0, found.length));
  const name = { id, residual: path.slice(found.length) };
  return { kind: "leaf", value: { kind: "bound", name } };
}

/** An endpoint, and how many labels of the path name it. */
function endpointPath(
  path: PathLabels,
): { readonly endpoint: PathEndpoint; readonly length: number } | undefined {
  const [dollar, kind, first = "", second = ""] = path;
  if (dollar !== "$") return undefined;
  switch (kind) {
    case "inet": {
      const endpoint = endpointAt(first, second, false);
      if (endpoint !== undefined) return { endpoint, length: 4 };
      const local = endpointAt("localhost", first, false);
      return local && { endpoint: local, length: 3 };
    }
    case "fixedinet": {
      const endpoint = endpointAt(first, second, true);
      return endpoint && { endpoint, length: 4 };
    }
    case "io.buoyant.rinet": {
      const endpoint = endpointAt(second, first, false);
      return endpoint && { endpoint, length: 4 };
    }
    default:
      return undefined;
  }
}

function endpointAt(hostText: string, portText: string, fixed: boolean): PathEndpoint | undefined {
  const host = readHost(hostText);
  const port = parsePort(portText);
  return host === undefined || port === undefined ? undefined : { host, port, fixed };
}

/** A rewrite that leaves the first label where it is. */
function belowPrefix(rewrite: Rewrite): Rewrite {
  return ([prefix, ...rest]) => {
    const rewritten = rewrite(rest);
    return prefix === undefined || rewritten === undefined ? undefined : [prefix, ...rewritten];
  };
}

function hostPort(join: (host: string, port: string) => PathLabels): Rewrite {
  return ([pair = "", ...rest]) => {
    const [host = "", port = "", ...more] = pair.split(":");
    const fits = host !== "" && PORT.test(port) && more.length === 0;
    return fits ? [...join(host, port), ...rest] : undefined;
  };
}

function anyMethod([method = "", ...rest]: PathLabels): PathLabels | undefined {
  return METHOD.test(method) ? rest : undefined;
}

function anyHost([host = "", ...rest]: PathLabels): PathLabels | undefined {
  return HOST.test(host) ? rest : undefined;
}

function subdomainOf([domain = "", host = "", ...rest]: PathLabels): PathLabels | undefined {
  if (!HOST.test(domain) || !HOST.test(host)) return undefined;
  const [name = ""] = host.split(":");
  const end = `.${domain}`;
  const isBelow = name.endsWith(end) && name.length > end.length;
  return isBelow ? [name.slice(0, -end.length), ...rest] : undefined;
}

function subdomainOfPfx([domain = "", prefix, host = "", ...rest]: PathLabels):
  PathLabels | undefined {
  const rewritten = subdomainOf([domain, host, ...rest]);
  return prefix === undefined || rewritten === undefined ? undefined : [prefix, ...rewritten];
}

function domainToPath([domain = "", ...rest]: PathLabels): PathLabels | undefined {
  if (!HOST.test(domain)) return undefined;
  // A dot at the end is the root's (RFC 1034 §3.1) and no label.
  const labels = domain.replace(/\.$/, "").split(".");
  return labels.includes("") ? undefined : [...labels.toReversed(), ...rest];
}

function ok(value: LookupTree): Outcome<LookupTree> {
  return { state: "ok", value };
}
