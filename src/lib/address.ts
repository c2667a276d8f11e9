// An IP address with a port: reading, printing, comparing. Host names are not addresses.
import { formatIp, parseIp } from "./ip.ts";

/** An IP literal and a port. */
export interface Address {
  /** IPv4 or IPv6 literal without brackets, in its canonical spelling. */
  readonly ip: string;
  /** 0 to 65535. */
  readonly port: number;
}

/** `1.2.3.4:80` or `[::1]:80`. */
export function formatAddress(address: Address): string {
  return address.ip.includes(":")
    ? `[${address.ip}]:${address.port}`
    : `${address.ip}:${address.port}`;
}

const ZONED = /^[^%]+%[A-Za-z0-9_.-]+$/;

/**
 * The canonical spelling of an IP literal (RFC 5952 for IPv6), so that equal addresses are equal strings;
 * undefined when `text` is no IP literal. A zone (`fe80::1%eth0`) is kept as it is.
 */
export function canonicalIp(text: string): string | undefined {
  const bare = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text;
  const [ip = "", zone] = bare.split("%", 2);
  const bytes = parseIp(ip);
  if (bytes === undefined || zone === undefined) return bytes && formatIp(bytes);
  // Zones end up in metrics and logs: only what interfaces are called.
  const isZoned = bytes.length === 16 && ZONED.test(bare);
  return isZoned ? `${formatIp(bytes)}%${zone}` : undefined;
}

/** Reads a decimal port from 1 to 65535; undefined for anything else. */
export function parsePort(text: string): number | undefined {
  if (!/^[0-9]{1,5}$/.test(text)) return undefined;
  const port = Number(text);
  return port >= 1 && port <= 65_535 ? port : undefined;
}
