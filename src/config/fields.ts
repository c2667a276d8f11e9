// The kinds of values a configuration is made of. Each says what it expects in words; issues.ts adds what stands there.
import { parseNameRule } from "../lib/name-rule.ts";
import { z } from "zod";
import { canonicalIp } from "../lib/address.ts";
import { formatCidr, parseCidr } from "../lib/cidr.ts";
import { parseEndpointLine, readHost } from "../naming/endpoint-line.ts";
import { parseDtab } from "../naming/dtab.ts";
import { parsePath } from "../naming/path.ts";
import { PathMatcher } from "../naming/path-matcher.ts";
import { redact } from "./problems.ts";

/** A whole number. The error texts of all fields are completions of "expected …". */
export function whole(expected: string, min: number, max: number = Number.MAX_SAFE_INTEGER) {
  const error = expected;
  return z.number({ error }).int({ error }).min(min, { error }).max(max, { error });
}

/** A length of time, or a limit, of which 0 switches the limit off. */
export function limitOf(unit: "milliseconds" | "seconds") {
  return whole(`a whole number of ${unit}, or 0 for no limit`, 0);
}

/** A length of time. */
export function duration(unit: "milliseconds" | "seconds", min: 0 | 1) {
  return whole(`a whole number of ${unit}, ${min} or more`, min);
}

/** A number of things. */
export function count(min: 0 | 1) {
  return whole(`a whole number, ${min} or more`, min);
}

export function text(expected: string) {
  const error = expected;
  return z.string({ error }).min(1, { error });
}

/** A string that `complaint` finds nothing wrong with; a complaint is a clause such as `it must begin with /`. */
export function checkedText(expected: string, complaint: (value: string) => string | undefined) {
  return z.string({ error: expected }).check((context) => {
    const reason = complaint(context.value);
    if (reason === undefined) return;
    const input = context.value;
    context.issues.push({ code: "custom", message: expected, params: { reason }, input });
  });
}

/** A protocol as ALPN has it (RFC 7301 §3.1). */
export function protocol() {
  return checkedText("a protocol name such as h2", (name) =>
    name === "" || Buffer.byteLength(name) > 255 ? "" : undefined,
  );
}

export function ip() {
  return checkedText("an IP address such as 127.0.0.1, 0.0.0.0 or ::1", (value) => {
    if (canonicalIp(value) !== undefined) return undefined;
    return value === "localhost" ? "a host name is not enough; write 127.0.0.1" : "";
  });
}

/** A block of addresses. */
export function cidr() {
  return checkedText("a block of addresses such as 10.0.0.0/8 or fd00::/8", cidrComplaint);
}

/** What is wrong with a block, as a clause. Bits beyond its length are more often a slip than not. */
export function cidrComplaint(value: string): string | undefined {
  const parsed = parseCidr(value);
  if (parsed === undefined) return "";
  const written = parseCidr(value.split("/", 1)[0] ?? "");
  const isWhole = written?.bytes.every((byte, index) => byte === parsed.bytes[index]) ?? false;
  return isWhole ? undefined : `it has bits beyond its length; write ${formatCidr(parsed)}`;
}

/** A path, such as `/svc/web`. */
export function path() {
  return checkedText("a path such as /svc/web", pathComplaint);
}

/** A path that may also end in `/`, to mean what lies below it. */
export function prefix() {
  return checkedText("a prefix of paths such as /svc", (value) =>
    pathComplaint(value.length > 1 && value.endsWith("/") ? value.slice(0, -1) : value),
  );
}

/** A prefix in which `*` may stand for a label, and `{name}` captures one. */
export function rulePrefix() {
  return checkedText("a prefix of paths such as /svc", (value) => {
    if (!/[*{]/.test(value))
      return pathComplaint(value.length > 1 && value.endsWith("/") ? value.slice(0, -1) : value);
    const parsed = PathMatcher.parse(value);
    return parsed.ok ? undefined : `column ${parsed.column} of it: ${parsed.message}`;
  });
}

/** The path of a PEM file. */
export function pemFile() {
  return pathOfFile("the path of a PEM file");
}

/** The path of a file that holds, or may hold, what must not stand in the configuration itself. */
export function pathOfFile(expected: string) {
  return checkedText(expected, (value) => {
    if (value === "") return "";
    const isKeyItself = value.includes("-----") || value.includes("\n");
    return isKeyItself ? "put it in a file and name the file here" : undefined;
  });
}

/** A name that TLS can ask for. */
export function hostName() {
  return checkedText("a host name such as web.example.com", (value) => {
    if (canonicalIp(value) !== undefined) return "TLS sends names, not IP addresses, as SNI";
    return readHost(value) === undefined ? "" : undefined;
  });
}

/** An absolute http or https URL. */
export function baseUrl() {
  return checkedText("an http or https URL such as http://localhost:4180", urlComplaint);
}

/** `host:port`, `host port`, either with ` * weight`. */
export function endpointLine() {
  return checkedText("an endpoint such as 10.0.0.1:80 or web.local:80 * 0.5", (value) => {
    const result = parseEndpointLine(value);
    return "problem" in result ? result.problem : undefined;
  });
}

/** A share, relative to others. */
export function weight() {
  const error = "a weight, 0 or more";
  return z.number({ error }).min(0, { error });
}

/** `=>` rules, as text. */
export function dtab() {
  return checkedText("a dtab such as /svc => /#/io.l5d.fs;", (value) => {
    const parsed = parseDtab(value);
    if (parsed.ok) return undefined;
    return `line ${parsed.line}, column ${parsed.column} of it: ${parsed.message}`;
  });
}

/** Whether it is an IP address, alone or with a port. */
export function isNameServer(value: string): boolean {
  if (canonicalIp(value) !== undefined) return true;
  const line = parseEndpointLine(value);
  return !("problem" in line) && canonicalIp(line.host) !== undefined;
}

export function host() {
  return checkedText("an IP address or a host name", (value) =>
    readHost(value) === undefined ? "" : undefined,
  );
}

/** What is wrong with a path, as a clause. */
export function pathComplaint(value: string): string | undefined {
  const parsed = parsePath(value);
  if (parsed.ok) return value.trim() === value ? undefined : "white space surrounds it";
  if (value === "") return "";
  if (!value.startsWith("/")) return "it must begin with /";
  if (value.endsWith("/")) return "it must not end in /";
  return `column ${parsed.column} of it: ${parsed.message}`;
}

function urlComplaint(value: string): string | undefined {
  const url = URL.parse(value);
  if (url === null || !["http:", "https:"].includes(url.protocol)) {
    const mended = `http://${value}`;
    const misses = !value.includes("://") && URL.parse(mended) !== null;
    return misses ? `the scheme is missing: write ${redact(mended)}` : "";
  }
  if (url.search !== "" || url.hash !== "") return "it must not have a query or a fragment";
  return undefined;
}

/** A rule about names of certificates: see lib/name-rule.ts. */
export function nameRule() {
  return checkedText("a name such as DNS:web.example.com or spiffe://domain/path", (rule) => {
    const parsed = parseNameRule(rule);
    return parsed.ok ? undefined : parsed.reason;
  });
}
