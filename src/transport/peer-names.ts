// The names that the certificate of a TLS peer is for, once it has been verified.
import type { San, SanKind } from "../lib/san-pattern.ts";
import type { Socket } from "./socket.ts";

/** What the engine calls the kinds of names that there are patterns for. */
const KINDS: Readonly<Record<string, SanKind>> = {
  DNS: "DNS",
  URI: "URI",
  "IP Address": "IP",
  email: "email",
};

/**
 * The subject alternative names of the peer's certificate; none where it has shown none, or one that was not verified. To
 * be asked after the handshake.
 */
export function peerNames(socket: Socket): readonly San[] {
  const peer = socket as unknown as {
    readonly authorized?: boolean;
    getPeerCertificate?(): { readonly subjectaltname?: string | undefined } | undefined;
  };
  if (peer.authorized !== true) return [];
  return parseAltNames(peer.getPeerCertificate?.()?.subjectaltname ?? "");
}

/**
 * Reads `DNS:a.example, URI:"spiffe://td/x\u002c y"`, as Node.js and Bun write it: values with characters that could be
 * mistaken for separators are in quotes, as JSON. What cannot be read is no name.
 */
export function parseAltNames(text: string): readonly San[] {
  const names: San[] = [];
  const entry = /([^:,"]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?:, |$)/y;
  while (entry.lastIndex < text.length) {
    const found = entry.exec(text);
    if (found === null) return [];
    const [, label = "", written = ""] = found;
    const kind = Object.hasOwn(KINDS, label) ? KINDS[label] : undefined;
    const value = written.startsWith('"') ? unquoted(written) : written;
    if (kind !== undefined && value !== undefined) names.push({ kind, value });
  }
  return names;
}

function unquoted(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "string" ? value : undefined;
  } catch {
    return undefined;
  }
}
