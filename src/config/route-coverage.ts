// Which rules of a server can never match, because rules before them match first.
import { coversCidr, parseCidr } from "../lib/cidr.ts";
import type { RouteMatch } from "./route-types.ts";

/** A rule, or one server name of it, that is never reached. */
export interface Unreachable {
  /** Index of the rule. */
  readonly rule: number;
  /** Index in its `sni`; undefined for the whole rule. */
  readonly name: number | undefined;
  /** The rule that takes its place; of several the first. */
  readonly by: number;
}

/** What can never match, in the order of the rules. Time grows with the number of names, not with its square. */
export function unreachable(matches: readonly RouteMatch[]): readonly Unreachable[] {
  const found: Unreachable[] = [];
  const before = new Earlier(matches);
  matches.forEach((match, rule) => {
    const { sni } = match;
    if (sni === undefined) {
      const by = before.covering(match, undefined);
      if (by !== undefined) found.push({ rule, name: undefined, by });
    } else {
      const covered = sni.map((name) => before.covering(match, name));
      const [first] = covered;
      if (first !== undefined && covered.every((by) => by !== undefined))
        found.push({ rule, name: undefined, by: first });
      else
        covered.forEach((by, name) => {
          if (by !== undefined) found.push({ rule, name, by });
        });
    }
    before.add(rule);
  });
  return found;
}

/** Rules by what they ask of the server name. */
class Earlier {
  readonly #matches: readonly RouteMatch[];
  readonly #byName = new Map<string, number[]>();
  readonly #ofAnyName: number[] = [];

  constructor(matches: readonly RouteMatch[]) {
    this.#matches = matches;
  }

  add(rule: number): void {
    const names = this.#matches[rule]?.sni;
    if (names === undefined) this.#ofAnyName.push(rule);
    for (const name of names ?? []) {
      const known = this.#byName.get(name);
      if (known === undefined) this.#byName.set(name, [rule]);
      else known.push(rule);
    }
  }

  /** The first rule that matches whatever `match` does with this name. */
  covering(match: RouteMatch, name: string | undefined): number | undefined {
    const parent =
      name?.startsWith("*.") === false ? `*${name.slice(name.indexOf("."))}` : undefined;
    const candidates = [
      ...this.#ofAnyName,
      ...((name !== undefined && this.#byName.get(name)) || []),
      ...((parent !== undefined && this.#byName.get(parent)) || []),
    ];
    const covering = candidates.filter((rule) => coversRest(this.#matches[rule], match));
    return covering.length === 0 ? undefined : Math.min(...covering);
  }
}

/** Whether `earlier` asks for no more than `later` does, server names apart. */
function coversRest(earlier: RouteMatch | undefined, later: RouteMatch): boolean {
  if (earlier === undefined) return false;
  const { alpn, clientSan, source } = earlier;
  return (
    isWithin(later.alpn, alpn, (outer, inner) => outer === inner) &&
    isWithin(later.clientSan, clientSan, (outer, inner) => outer === inner) &&
    isWithin(later.source, source, blockCovers)
  );
}

/** Whether everything of `inner` is covered by something of `outer`; no list is everything. */
function isWithin(
  inner: readonly string[] | undefined,
  outer: readonly string[] | undefined,
  covers: (outer: string, inner: string) => boolean,
): boolean {
  if (outer === undefined) return true;
  return inner?.every((value) => outer.some((wide) => covers(wide, value))) ?? false;
}

function blockCovers(outer: string, inner: string): boolean {
  const wide = parseCidr(outer);
  const narrow = parseCidr(inner);
  return wide !== undefined && narrow !== undefined && coversCidr(wide, narrow);
}
