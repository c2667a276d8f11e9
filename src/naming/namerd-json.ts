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

/** Trees of `bind` and `delegate` that are longer are not written, in characters: each leaf repeats what others say. */
export const MOST_TREE_TEXT = 16 * 2 ** 20;

/** An answer of `resolve` or `addr`, without the line's end. */
export function renderAddr(resolution: Resolution): string {
  return addr(resolution, undefined);
}

/** An answer of `bind`, without the line's end; undefined where it would be longer than `most` characters. */
export function renderBound(
  tree: BoundTree,
  addrOf: AddrOf,
  most = MOST_TREE_TEXT,
): string | undefined {
  const text = new BoundedText(most);
  boundNode(tree, addrOf, undefined, text);
  return text.whole;
}

/** An answer of `delegate`; undefined where it would be longer than `most` characters. */
export function renderDelegate(
  tree: DelegateTree,
  addrOf: AddrOf,
  most = MOST_TREE_TEXT,
): string | undefined {
  const text = new BoundedText(most);
  delegateNode(tree, addrOf, text);
  return text.whole;
}

/** A text that is made of parts. From the part on that makes it too long it takes none, and is none. */
class BoundedText {
  readonly #parts: string[] = [];
  #left: number;

  constructor(most: number) {
    this.#left = most;
  }

  get isTooLong(): boolean {
    return this.#left < 0;
  }

  get whole(): string | undefined {
    return this.isTooLong ? undefined : this.#parts.join("");
  }

  add(part: string): void {
    this.#left -= part.length;
    if (!this.isTooLong) this.#parts.push(part);
  }

  /** Adds what `write` writes of each item, with commas between, as long as there is room. */
  list<T>(items: readonly T[], write: (item: T) => void): void {
    for (const [at, item] of items.entries()) {
      if (this.isTooLong) return;
      if (at > 0) this.add(",");
      write(item);
    }
  }
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

function bound(
  name: BoundName,
  addrOf: AddrOf,
  treeWeight: number | undefined,
  text: BoundedText,
): void {
  text.add(`{"addr":${addr(addrOf(name.id), treeWeight)}`);
  text.add(`,"id":${JSON.stringify(name.id)}`);
  text.add(`,"path":${JSON.stringify(printPath(name.residual))}}`);
}

function boundNode(
  tree: BoundTree,
  addrOf: AddrOf,
  treeWeight: number | undefined,
  text: BoundedText,
): void {
  switch (tree.kind) {
    case "neg":
    case "fail":
    case "empty":
      return text.add(`{"type":"${tree.kind}"}`);
    case "leaf":
      text.add('{"type":"leaf","bound":');
      bound(tree.value, addrOf, treeWeight, text);
      return text.add("}");
    case "alt":
      text.add('{"type":"alt","alt":[');
      text.list(tree.trees, (part) => boundNode(part, addrOf, treeWeight, text));
      return text.add("]}");
    case "union":
      text.add('{"type":"union","union":[');
      text.list(tree.branches, ({ weight, tree: part }) =>
        branch(weight, text, () => boundNode(part, addrOf, weight, text)),
      );
      return text.add("]}");
    default:
      return tree satisfies never;
  }
}

function delegateNode(tree: DelegateTree, addrOf: AddrOf, text: BoundedText): void {
  text.add(`{"type":"${tree.kind}","path":${JSON.stringify(tree.path)}${dentry(tree.dentry)}`);
  const inner = (part: DelegateTree): void => delegateNode(part, addrOf, text);
  switch (tree.kind) {
    case "neg":
    case "fail":
    case "empty":
      return text.add("}");
    case "exception":
      return text.add(`${keyUnlessEmpty("message", tree.message)}}`);
    case "delegate":
      text.add(',"delegate":');
      inner(tree.next);
      return text.add("}");
    case "leaf":
      // Only binding tells the weight of a union to the addresses below it.
      text.add(',"bound":');
      bound(tree.bound, addrOf, undefined, text);
      return text.add("}");
    case "alt":
      text.add(',"alt":[');
      text.list(tree.trees, inner);
      return text.add("]}");
    case "union":
      text.add(',"union":[');
      text.list(tree.branches, ({ weight, tree: part }) => branch(weight, text, () => inner(part)));
      return text.add("]}");
    default:
      return tree satisfies never;
  }
}

function dentry(rule: Dentry | undefined): string {
  if (rule === undefined) return "";
  const { prefix, dst } = printDentryParts(rule);
  return `,"dentry":{"prefix":${JSON.stringify(prefix)},"dst":${JSON.stringify(dst)}}`;
}

function branch(weight: number, text: BoundedText, writeTree: () => void): void {
  text.add(`{"weight":${javaDouble(weight)},"tree":`);
  writeTree();
  text.add("}");
}

/** A key that namerd leaves out where it has nothing to say. */
function keyUnlessEmpty(key: string, value: string): string {
  return value === "" ? "" : `,"${key}":${JSON.stringify(value)}`;
}
