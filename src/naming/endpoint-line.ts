// One endpoint on one line, as files of io.l5d.fs hold them and as a configuration may list them.
import { canonicalIp, parsePort } from "../lib/address.ts";

/** An endpoint as written. */
export interface EndpointLine {
  /** Canonical IP literal, or a host name as it was written. */
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
  /** Finite, 0 or more; 1 when the line gives none. */
  readonly weight: number;
}

export type EndpointLineResult = EndpointLine | { readonly problem: string };

const WEIGHT = /^(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const HOST_NAME = /^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?$/;

/**
 * Reads `host port`, `host:port`, `[::1]:80` or `::1 80`, each with or without ` * weight`. Comments and blank lines
 * are the caller's part. `problem` is a clause for people, without the line itself.
 */
export function parseEndpointLine(text: string): EndpointLineResult {
  const [addressPart = "", weightPart, ...more] = text.split("*");
  if (more.length > 0) return { problem: "there is more than one *" };
  const weight = weightPart === undefined ? 1 : readWeight(weightPart.trim());
  if (weight === undefined) return { problem: "the weight after * must be a number, 0 or more" };
  const words = addressPart.trim().split(/\s+/);
  if (words.length > 2) return { problem: "a weight is written after *, as in host:port * 2" };
  const [first = "", second] = words;
  if (first === "") return { problem: "the host is missing" };
  const parts = second === undefined ? splitAtColon(first) : { host: first, port: second };
  if ("problem" in parts) return parts;
  const port = parsePort(parts.port);
  if (port === undefined) return { problem: "the port must be a number from 1 to 65535" };
  const host = readHost(parts.host);
  if (host === undefined) return { problem: "the host must be an IP address or a host name" };
  return { host, port, weight };
}

/** The canonical spelling of an IP literal, a host name as it is; undefined for anything else. */
export function readHost(text: string): string | undefined {
  return canonicalIp(text) ?? (HOST_NAME.test(text) && !isWrongIp(text) ? text : undefined);
}

/**
 * Whether it is numbers and dots and yet nothing that the system's resolver takes for an address. That reads `127.1`,
 * which dtabs use, as 127.0.0.1: the last of fewer than four numbers fills what is left (inet_aton(3)).
 */
function isWrongIp(text: string): boolean {
  if (/[^0-9.]/.test(text)) return false;
  const parts = text.split(".");
  const last = Number(parts.at(-1));
  const isShort = parts.length < 4 && parts.every((part) => part !== "");
  return (
    !isShort ||
    last >= 256 ** (5 - parts.length) ||
    parts.slice(0, -1).some((part) => Number(part) > 255)
  );
}

type Split = { readonly host: string; readonly port: string } | { readonly problem: string };

function splitAtColon(word: string): Split {
  // "::1:80" may be an address without a port as well as ::1 with one.
  if (!word.startsWith("[") && canonicalIp(word)?.includes(":") === true)
    return { problem: "an IPv6 address with a port is written [::1]:80" };
  const colon = word.lastIndexOf(":");
  if (colon < 0 || word.endsWith("]")) return { problem: "the port is missing" };
  const host = word.slice(0, colon);
  if (host === "") return { problem: "the host is missing" };
  if (host.includes(":") && !host.startsWith("[")) {
    return { problem: "an IPv6 address with a port is written [::1]:80" };
  }
  return { host, port: word.slice(colon + 1) };
}

function readWeight(text: string): number | undefined {
  if (!WEIGHT.test(text)) return undefined;
  const weight = Number(text);
  return Number.isFinite(weight) ? weight : undefined;
}
