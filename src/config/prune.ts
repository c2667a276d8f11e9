// Takes out of a document what the schema refused, so that what is left can still be checked for other problems.
import type { z } from "zod";
import { childOf, valueAt } from "./keys.ts";
import { type ConfigPath, formatPath } from "./problems.ts";

/** Stand-ins for required keys that are missing or refused, so that their surroundings can be checked all the same. */
const STAND_INS: readonly (readonly [RegExp, (path: ConfigPath) => unknown])[] = [
  [/^routers\[\d+\]\.label$/, (path) => `router ${path[1]}`],
  [
    /^routers\[\d+\]\.interpreter$/,
    () => ({ kind: "io.l5d.namerd.http", baseUrl: "http://localhost" }),
  ],
  [/^routers\[\d+\]\.servers$/, () => []],
  [/^routers\[\d+\]\.servers\[\d+\]\.port$/, () => 0],
  [/^routers\[\d+\]\.servers\[\d+\]\.dstName$/, () => "/"],
  [/^storage$/, () => ({ kind: "io.l5d.inMemory" })],
  [/^interfaces$/, () => [{ kind: "io.l5d.httpController" }]],
];

interface Change {
  /** Paths, as JSON, of what is taken out. */
  readonly gone: ReadonlySet<string>;
  /** Keys and values to put into an object. */
  readonly added: ReadonlyMap<unknown, readonly (readonly [string, unknown])[]>;
}

/** A document without its refused parts, which remembers where the rest stood. */
export class PrunedDocument {
  #value: unknown;
  /** For each list that lost items: where its items stood. */
  readonly #indexes = new WeakMap<object, readonly number[]>();

  constructor(value: unknown) {
    this.#value = value;
  }

  /** What is left; undefined when nothing is. */
  get value(): unknown {
    return this.#value;
  }

  /** Takes out what the issues are about: a wrong value, or the object that lacks a key which nothing can stand in for. */
  remove(issues: readonly z.core.$ZodIssue[]): void {
    const gone = new Set<string>();
    const added = new Map<unknown, [string, unknown][]>();
    for (const issue of issues) {
      const path = issue.path as ConfigPath;
      if (issue.code === "unrecognized_keys") {
        for (const key of issue.keys) gone.add(JSON.stringify([...path, key]));
        continue;
      }
      if (valueAt(this.#value, path) !== undefined) {
        gone.add(JSON.stringify(path));
        continue;
      }
      const parentPath = path.slice(0, -1);
      const standIn = STAND_INS.find(([place]) => place.test(formatPath(path)));
      if (standIn === undefined) {
        gone.add(JSON.stringify(parentPath));
        continue;
      }
      const parent = valueAt(this.#value, parentPath);
      const entries = added.get(parent) ?? [];
      added.set(parent, [...entries, [String(path.at(-1)), standIn[1](path)]]);
    }
    this.#value = this.#copy(this.#value, [], { gone, added });
  }

  /** Where the thing at `path` stood before anything was taken out. */
  original(path: ConfigPath): ConfigPath {
    let value = this.#value;
    return path.map((step) => {
      const indexes = Array.isArray(value) ? this.#indexes.get(value) : undefined;
      value = childOf(value, step);
      return typeof step === "number" ? (indexes?.[step] ?? step) : step;
    });
  }

  #copy(value: unknown, path: ConfigPath, change: Change): unknown {
    if (change.gone.has(JSON.stringify(path))) return undefined;
    if (typeof value !== "object" || value === null) return value;
    if (!Array.isArray(value)) {
      const entries = Object.entries(value).map(
        ([key, item]) => [key, this.#copy(item, [...path, key], change)] as const,
      );
      const kept = entries.filter(([, item]) => item !== undefined);
      return Object.fromEntries([...kept, ...(change.added.get(value) ?? [])]);
    }
    const before = this.#indexes.get(value);
    const kept = value
      .map((item, at) => ({
        item: this.#copy(item, [...path, at], change),
        at: before?.[at] ?? at,
      }))
      .filter(({ item }) => item !== undefined);
    const items = kept.map(({ item }) => item);
    this.#indexes.set(
      items,
      kept.map(({ at }) => at),
    );
    return items;
  }
}
