// Rules about names of certificates: `spiffe://td/ns/*`, `DNS:*.example.com`. Reading them, and asking whether a name fits.
import type { CertificateName, NameKind } from "./certificate-names.ts";
import { type Cidr, inAnyCidr, parseCidr } from "./cidr.ts";

export type NameRule =
  | { readonly kind: "dns"; readonly labels: readonly string[] }
  | {
      readonly kind: "uri";
      /** Scheme and authority, lower case, such as `spiffe://td`. */
      readonly origin: string;
      readonly segments: readonly string[];
      /** Whether one or more further segments follow: the rule ended in `**`. */
      readonly isOpen: boolean;
    }
  | { readonly kind: "ip"; readonly block: Cidr }
  | { readonly kind: "email"; readonly local: string; readonly labels: readonly string[] };

export type ParsedNameRule =
  | { readonly ok: true; readonly rule: NameRule }
  /** A clause, such as `an asterisk stands for a whole label`; may be empty. */
  | { readonly ok: false; readonly reason: string };

const PREFIX = /^(dns|uri|ip|email):/i;
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/;
const URI = /^([a-z][a-z0-9+.-]*:\/\/[^/?#]*)(?:\/(.*))?$/is;

/**
 * Reads a rule: a name with its kind before it (`DNS:`, `URI:`, `IP:`, `email:`), without which what holds `://` is a URI
 * and all else a DNS name. `*` stands for one label of a DNS name and one segment of a URI's path, `**` at a URI's end
 * for any further segments; an IP may be a block; `*@host` is everybody there.
 */
export function parseNameRule(text: string): ParsedNameRule {
  const prefix = PREFIX.exec(text)?.[1];
  const name = prefix === undefined ? text : text.slice(prefix.length + 1);
  const kind = (prefix?.toLowerCase() ?? (name.includes("://") ? "uri" : "dns")) as NameKind;
  switch (kind) {
    case "dns":
      return dnsRule(name);
    case "uri":
      return uriRule(name);
    case "ip": {
      const block = parseCidr(name);
      return block === undefined
        ? refuse("after IP: comes an address or a block of addresses")
        : { ok: true, rule: { kind, block } };
    }
    case "email":
      return emailRule(name);
    default:
      return kind satisfies never;
  }
}

/** Rules that were checked before. */
export function parseNameRules(texts: readonly string[]): readonly NameRule[] {
  return texts.flatMap((text) => {
    const parsed = parseNameRule(text);
    return parsed.ok ? [parsed.rule] : [];
  });
}

/** Whether one of `names` fits one of the rules. */
export function fitsAny(rules: readonly NameRule[], names: readonly CertificateName[]): boolean {
  return names.some((name) => rules.some((rule) => fitsName(rule, name)));
}

/** Whether the name fits the rule. */
export function fitsName(rule: NameRule, { kind, value }: CertificateName): boolean {
  if (rule.kind !== kind) return false;
  switch (rule.kind) {
    case "dns":
      return fitsLabels(rule.labels, value);
    case "uri":
      return fitsUri(rule, value);
    case "ip":
      return inAnyCidr([rule.block], value);
    case "email": {
      const at = value.lastIndexOf("@");
      const local = value.slice(0, Math.max(0, at));
      if (local === "" || (rule.local !== "*" && rule.local !== local)) return false;
      return fitsLabels(rule.labels, value.slice(at + 1));
    }
    default:
      return rule satisfies never;
  }
}

function dnsRule(name: string): ParsedNameRule {
  if (name.includes("@")) return refuse(`write email:${name}`);
  if (/^[0-9.]+$|:/.test(name) && parseCidr(name) !== undefined) return refuse(`write IP:${name}`);
  const labels = readLabels(name);
  return typeof labels === "string" ? refuse(labels) : { ok: true, rule: { kind: "dns", labels } };
}

function uriRule(name: string): ParsedNameRule {
  const [, origin, path] = URI.exec(name) ?? [];
  if (origin === undefined) return refuse("a URI begins with a scheme and ://, such as spiffe://");
  if (origin.includes("*")) return refuse("an asterisk may stand only in the path of a URI");
  const segments = path === undefined ? [] : path.split("/");
  const isOpen = segments.at(-1) === "**";
  if (isOpen) segments.pop();
  if (segments.some((segment) => segment !== "*" && segment.includes("*"))) {
    return refuse("an asterisk stands for a whole segment, and ** only at the end");
  }
  return { ok: true, rule: { kind: "uri", origin: origin.toLowerCase(), segments, isOpen } };
}

function emailRule(name: string): ParsedNameRule {
  const at = name.lastIndexOf("@");
  const local = name.slice(0, Math.max(0, at));
  if (local === "") return refuse("after email: comes an address such as joe@example.com");
  if (local !== "*" && local.includes("*"))
    return refuse("an asterisk stands for all before the @");
  const labels = readLabels(name.slice(at + 1));
  return typeof labels === "string"
    ? refuse(labels)
    : { ok: true, rule: { kind: "email", local, labels } };
}

/** The labels of a host name in lower case, or what is wrong. */
function readLabels(name: string): readonly string[] | string {
  const labels = name.toLowerCase().split(".");
  const wrong = labels.find((label) => label !== "*" && !LABEL.test(label));
  if (wrong === undefined) return labels;
  return wrong.includes("*") ? "an asterisk stands for a whole label" : "";
}

function fitsLabels(rule: readonly string[], name: string): boolean {
  const labels = name.toLowerCase().split(".");
  if (labels.length !== rule.length) return false;
  return rule.every((label, index) => {
    const own = labels[index] ?? "";
    // A certificate may be for `*.example.com` itself; what is no name of a host fits nothing.
    return label === "*" ? own === "*" || LABEL.test(own) : label === own;
  });
}

function fitsUri(rule: Extract<NameRule, { readonly kind: "uri" }>, name: string): boolean {
  const [, origin, path] = URI.exec(name) ?? [];
  if (origin === undefined || origin.toLowerCase() !== rule.origin) return false;
  const segments = path === undefined ? [] : path.split("/");
  const { length } = rule.segments;
  if (rule.isOpen ? segments.length <= length : segments.length !== length) return false;
  if (rule.isOpen && segments.includes("", length)) return false;
  return rule.segments.every((segment, index) =>
    segment === "*" ? segments[index] !== "" : segment === segments[index],
  );
}

function refuse(reason: string): ParsedNameRule {
  return { ok: false, reason };
}
