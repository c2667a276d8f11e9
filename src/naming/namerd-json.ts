// Addresses, bound trees and explanations as namerd's HTTP API writes them, to the byte: order of keys, no white space.
import { formatIp, parseIp } from "../lib/ip.ts";
import type { DelegateTree } from "./delegate-tree.ts";
import { type Dentry, printDentryParts } from "./dtab.ts";
import { javaDouble } from "./java-double.ts";
import { printPath } from "./path.ts";
import type { Metadata, Resolution, WeightedAddress } from "./resolution.ts";
import type { BoundName, BoundTree } from "./tree.ts";

/** What is known of a bound name's addresses. */
export type AddrOf = (id: string) => Resolution;

const ADDRESS_WEIGHT = "endpoint_addr_weight";
/** Finagle tells the weight of a union's branch to the balancer as metadata of its addresses. */
const TREE_WEIGHT = "namer_nametree_weight";

/** An answer of `resolve` or `addr`, without the line's end. */
export function renderAddr(resolution: Resolution): string {
  return addr(resolution, undefined);
}

/** An answer of `bind`, without the line's end. */
export function renderBound(tree: BoundTree, addrOf: AddrOf): string {
  return boundNode(tree, addrOf, undefined);
}

/** An answer of `delegate`. */
export function renderDelegate(tree: DelegateTree, addrOf: AddrOf): string {
  return delegateNode(tree, addrOf);
}

function addr(resolution: Resolution, treeWeight: number | undefined): string {
  switch (resolution.state) {
    case "pending":
    case "neg":
      return `{"type":"${resolution.state}"}`;
    case "failed":
      return `{"type":"failed"${keyUnlessEmpty("cause", resolution.cause)}}`;
    case "bound": {
      const addrs = resolution.endpoints.map(address).join(",");
      const weight = treeWeight === undefined ? {} : { [TREE_WEIGHT]: treeWeight };
      return `{"type":"bound","addrs":[${addrs}],"meta":${meta({ ...resolution.meta, ...weight })}}`;
    }
    default:
      return resolution satisfies never;
  }
}

function address(endpoint: WeightedAddress): string {
  const { ip, port, weight } = endpoint;
  const saysWeight = weight !== 1 || Object.hasOwn(endpoint.meta ?? {}, ADDRESS_WEIGHT);
  const facts = saysWeight ? { ...endpoint.meta, [ADDRESS_WEIGHT]: weight } : endpoint.meta;
  return `{"ip":${JSON.stringify(javaIp(ip))},"port":${port},"meta":${meta(facts ?? {})}}`;
}

/** JSON of facts, with weights as Java doubles. A fact that is no JSON is left out. */
function meta(facts: Metadata): string {
  const parts = Object.entries(facts).flatMap(([key, value]) => {
    const isWeight = key === ADDRESS_WEIGHT || key === TREE_WEIGHT;
    const text = isWeight && typeof value === "number" ? javaDouble(value) : JSON.stringify(value);
    return text === undefined ? [] : `${JSON.stringify(key)}:${text}`;
  });
  return `{${parts.join(",")}}`;
}

/** As Java's getHostAddress: all eight groups of IPv6, and IPv4 where IPv6 only wraps it (RFC 4291 §2.5.5.2). */
function javaIp(ip: string): string {
  const [literal = "", zone] = ip.split("%", 2);
  const bytes = parseIp(literal);
  if (bytes?.length !== 16) return ip;
  const isMapped = bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 255;
  if (isMapped && bytes[11] === 255) return formatIp(bytes.subarray(12));
  const groups = Array.from({ length: 8 }, (_, at) =>
    (((bytes[at * 2] ?? 0) << 8) | (bytes[at * 2 + 1] ?? 0)).toString(16),
  );
  return `${groups.join(":")}${zone === undefined ? "" : `%${zone}`}`;
}

function bound(name: BoundName, addrOf: AddrOf, treeWeight: number | undefined): string {
  const id = JSON.stringify(name.id);
  const path = JSON.stringify(printPath(name.residual));
  return `{"addr":${addr(addrOf(name.id), treeWeight)},"id":${id},"path":${path}}`;
}

function boundNode(tree: BoundTree, addrOf: AddrOf, treeWeight: number | undefined): string {
  switch (tree.kind) {
    case "neg":
    case "fail":
    case "empty":
      return `{"type":"${tree.kind}"}`;
    case "leaf":
      return `{"type":"leaf","bound":${bound(tree.value, addrOf, treeWeight)}}`;
    case "alt": {
      const trees = tree.trees.map((part) => boundNode(part, addrOf, treeWeight));
      return `{"type":"alt","alt":[${trees.join(",")}]}`;
    }
    case "union": {
      const branches = tree.branches.map(({ weight, tree: part }) =>
        branch(weight, boundNode(part, addrOf, weight)),
      );
      return `{"type":"union","union":[${branches.join(",")}]}`;
    }
    default:
      return tree satisfies never;
  }
}

function delegateNode(tree: DelegateTree, addrOf: AddrOf): string {
  const begin = `{"type":"${tree.kind}","path":${JSON.stringify(tree.path)}${dentry(tree.dentry)}`;
  const inner = (part: DelegateTree): string => delegateNode(part, addrOf);
  switch (tree.kind) {
    case "neg":
    case "fail":
    case "empty":
      return `${begin}}`;
    case "exception":
      return `${begin}${keyUnlessEmpty("message", tree.message)}}`;
    case "delegate":
      return `${begin},"delegate":${inner(tree.next)}}`;
    case "leaf":
      // Only binding tells the weight of a union to the addresses below it.
      return `${begin},"bound":${bound(tree.bound, addrOf, undefined)}}`;
    case "alt":
      return `${begin},"alt":[${tree.trees.map(inner).join(",")}]}`;
    case "union": {
      const branches = tree.branches.map(({ weight, tree: part }) => branch(weight, inner(part)));
      return `${begin},"union":[${branches.join(",")}]}`;
    }
    default:
      return tree satisfies never;
  }
}

function dentry(rule: Dentry | undefined): string {
  if (rule === undefined) return "";
  const { prefix, dst } = printDentryParts(rule);
  return `,"dentry":{"prefix":${JSON.stringify(prefix)},"dst":${JSON.stringify(dst)}}`;
}

function branch(weight: number, tree: string): string {
  return `{"weight":${javaDouble(weight)},"tree":${tree}}`;
}

/** A key that namerd leaves out where it has nothing to say. */
function keyUnlessEmpty(key: string, value: string): string {
  return value === "" ? "" : `,"${key}":${JSON.stringify(value)}`;
}
