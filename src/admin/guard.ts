// Who may not ask: web pages that a browser makes ask in its user's name. Pure; programs such as curl pass.
import { type Address, canonicalIp, formatAddress } from "../lib/address.ts";

/** What the guard looks at. */
export interface GuardedRequest {
  readonly method: string;
  readonly headers: { get(name: string): string | null };
}

/** How many characters of a header a message repeats. */
const LONGEST_QUOTE = 100;

/**
 * Why a request is refused, as a message that says what to do; undefined when it is not. `bound` is where the server
 * listens, with its real port.
 *
 * - Bound to loopback, every request must name us: a foreign name that leads to 127.0.0.1 is an attack, DNS rebinding.
 *   A request without `Host` (HTTP/1.0) comes from no browser and passes.
 * - What changes something must not come from a foreign page: `Origin` and `Sec-Fetch-Site` are set by browsers alone.
 */
export function refusalOf({ method, headers }: GuardedRequest, bound: Address): string | undefined {
  const host = headers.get("host");
  if (isLoopback(bound.ip) && host !== null && !isOwnLoopbackName(host, bound.port))
    return foreignHost(host, bound);
  if (method === "GET" || method === "HEAD") return undefined;
  const site = headers.get("sec-fetch-site");
  const origin = headers.get("origin");
  if (site !== null && site !== "same-origin" && site !== "none")
    return foreignPage("Sec-Fetch-Site", site);
  if (origin !== null && !isOwnOrigin(origin, host)) return foreignPage("Origin", origin);
  return undefined;
}

/** Whether only this machine reaches an address: 127.0.0.0/8, ::1, and the former written as IPv6. */
export function isLoopback(ip: string): boolean {
  const canonical = canonicalIp(ip) ?? "";
  return /^(127\.|::1$|::ffff:7f[0-9a-f]{2}:)/.test(canonical);
}

interface Authority {
  /** Lower case, IPv6 without brackets. */
  readonly name: string;
  readonly port: number;
}

function parseAuthority(text: string): Authority | undefined {
  const parts = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::([0-9]{1,5}))?$/.exec(text.toLowerCase());
  if (parts === null) return undefined;
  const [, ipv6, name, port] = parts;
  return { name: ipv6 ?? name ?? "", port: port === undefined ? 80 : Number(port) };
}

function isOwnLoopbackName(host: string, port: number): boolean {
  const authority = parseAuthority(host);
  if (authority === undefined || authority.port !== port) return false;
  return authority.name === "localhost" || isLoopback(authority.name);
}

/**
 * Our own pages have the origin that their requests name as host. A name other than localhost is not trusted even then:
 * elsewhere than on loopback we cannot know our names, and a rebound name would be the same in both headers.
 */
function isOwnOrigin(origin: string, host: string | null): boolean {
  if (host === null || origin.toLowerCase() !== `http://${host.toLowerCase()}`) return false;
  const name = parseAuthority(host)?.name ?? "";
  return name === "localhost" || canonicalIp(name) !== undefined;
}

function foreignHost(host: string, bound: Address): string {
  const { port } = bound;
  return (
    `Refused: the admin server listens on ${formatAddress(bound)} and answers only requests for localhost:${port}, ` +
    `127.0.0.1:${port} or [::1]:${port}, so that no web page reaches it under a name of its own; the Host of this ` +
    `request is ${quote(host)}. Use one of these addresses (a forwarded port must have the same number), or set ` +
    "admin.ip to an address that others may reach.\n"
  );
}

function foreignPage(header: string, value: string): string {
  return (
    `Refused: this request comes from a web page that is not the admin server's own (${header}: ${quote(value)}). ` +
    "Send it from a program such as curl, which sends no such header.\n"
  );
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, LONGEST_QUOTE));
}
