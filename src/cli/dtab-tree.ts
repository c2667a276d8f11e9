// A delegation as a person reads it: namerd's JSON made into indented lines.
import { quote } from "./dtab-client.ts";

/** Addresses that are listed of one name. */
const MOST_ADDRESSES = 10;
/** As deep as namerd delegates. */
const MOST_LEVELS = 110;

/** The lines of a delegation. Any value gives lines: what is not understood is said to be. */
export function delegationLines(tree: unknown): readonly string[] {
  return linesOf(tree, 0, "");
}

function linesOf(node: unknown, level: number, before: string): readonly string[] {
  const indent = "  ".repeat(level);
  if (level > MOST_LEVELS) return [`${indent}...`];
  const line = (rest: string): string => `${indent}${before}${titleOf(node)}${rest}`;
  const below = (child: unknown, label = ""): readonly string[] => linesOf(child, level + 1, label);
  switch (textAt(node, "type")) {
    case "delegate":
      return [line(""), ...below(at(node, "delegate"))];
    case "alt":
      return [line("  (the first that exists)"), ...listAt(node, "alt").flatMap((it) => below(it))];
    case "union":
      return [line("  (split)"), ...unionLines(listAt(node, "union"), below)];
    case "transformation":
      return [line(`  (${textAt(node, "name")})`), ...below(at(node, "tree"))];
    case "leaf":
      return [line(""), `${indent}  = ${boundText(at(node, "bound"))}`];
    case "neg":
      return [line(": no such name")];
    case "fail":
      return [line(": fails")];
    case "empty":
      return [line(": exists, without endpoints")];
    case "exception":
      return [line(`: ${textAt(node, "message") || "an error without a message"}`)];
    default:
      return [line(`: not understood: ${quote(JSON.stringify(node) ?? "nothing")}`)];
  }
}

function unionLines(
  branches: readonly unknown[],
  below: (child: unknown, label: string) => readonly string[],
): readonly string[] {
  const weights = branches.map((branch) => numberAt(branch, "weight"));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return branches.flatMap((branch, index) => {
    const share = total > 0 ? (weights[index] ?? 0) / total : 1 / branches.length;
    return below(at(branch, "tree"), `${Math.round(share * 1_000) / 10} % `);
  });
}

function titleOf(node: unknown): string {
  const dentry = at(node, "dentry");
  const rule =
    dentry === undefined ? "" : `  by ${textAt(dentry, "prefix")} => ${textAt(dentry, "dst")}`;
  return `${textAt(node, "path")}${rule}`;
}

function boundText(bound: unknown): string {
  const residual = textAt(bound, "path");
  const rest = residual === "" || residual === "/" ? "" : `, ${residual} left over`;
  return `${textAt(bound, "id")}${rest}: ${addressText(at(bound, "addr"))}`;
}

function addressText(addr: unknown): string {
  switch (textAt(addr, "type")) {
    case "bound": {
      const all = listAt(addr, "addrs");
      if (all.length === 0) return "no addresses";
      const more = all.length > MOST_ADDRESSES ? `, and ${all.length - MOST_ADDRESSES} more` : "";
      return `${all.slice(0, MOST_ADDRESSES).map(endpointText).join(", ")}${more}`;
    }
    case "neg":
      return "no such name";
    case "failed":
      return `failed: ${textAt(addr, "cause") || "no cause was given"}`;
    case "pending":
      return "not known yet";
    default:
      return "unknown";
  }
}

function endpointText(address: unknown): string {
  const ip = textAt(address, "ip");
  const weight = at(at(address, "meta"), "endpoint_addr_weight");
  const share = typeof weight === "number" && weight !== 1 ? ` * ${weight}` : "";
  return `${ip.includes(":") ? `[${ip}]` : ip}:${numberAt(address, "port")}${share}`;
}

function at(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}

function textAt(value: unknown, key: string): string {
  const text = at(value, key);
  return typeof text === "string" ? quote(text) : "";
}

function numberAt(value: unknown, key: string): number {
  const number = at(value, key);
  return typeof number === "number" && Number.isFinite(number) ? number : 0;
}

function listAt(value: unknown, key: string): readonly unknown[] {
  const list = at(value, key);
  return Array.isArray(list) ? list : [];
}
