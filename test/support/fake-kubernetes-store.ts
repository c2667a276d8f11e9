// The objects of a fake API server with the history of their changes: what etcd and the watch cache are to a real one.
import type { FakeObject } from "./kubernetes-objects.ts";

/** Which objects a request is about. */
export interface Query {
  /** Of the URL: `/api/v1/namespaces/default/services`. */
  readonly path: string;
  /** `key=value` of labels, joined by commas. */
  readonly labelSelector: string;
  /** `metadata.name=value`. */
  readonly fieldSelector: string;
}

/** One change; no `before`: it was made, no `after`: it was deleted. */
export interface Change {
  readonly index: number;
  readonly path: string;
  readonly before: FakeObject | undefined;
  readonly after: FakeObject | undefined;
}

/** Counts down, so that who compares versions as numbers finds everything in the wrong order. */
const FIRST_VERSION = 900_000;

/** Objects by the path of their list. */
export class FakeKubernetesStore {
  readonly #objects = new Map<string, Map<string, FakeObject>>();
  readonly #history: Change[] = [];
  #index = 0;
  #forgotten = 0;

  get version(): string {
    return versionOf(this.#index);
  }

  /** Makes or replaces an object. */
  put(path: string, object: FakeObject): Change {
    const objects = this.#objects.get(path) ?? new Map<string, FakeObject>();
    this.#objects.set(path, objects);
    const { name } = object.metadata;
    const before = objects.get(name);
    this.#index++;
    const metadata = { ...object.metadata, resourceVersion: this.version };
    const after = { ...object, metadata };
    objects.set(name, after);
    return this.#note(path, before, after);
  }

  /** Deletes an object. */
  remove(path: string, name: string): Change {
    const before = this.#objects.get(path)?.get(name);
    if (before === undefined) throw new Error(`there is no ${name} in ${path}`);
    this.#objects.get(path)?.delete(name);
    this.#index++;
    return this.#note(path, before, undefined);
  }

  /** All objects that a query is about, in the order of their names. */
  list(query: Query): readonly FakeObject[] {
    return [...(this.#objects.get(query.path)?.values() ?? [])]
      .filter((object) => matches(object, query))
      .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  }

  /** What changed after a version; undefined where that is forgotten. */
  since(version: string): readonly Change[] | undefined {
    const index = FIRST_VERSION - Number(version);
    if (!Number.isInteger(index) || index < this.#forgotten || index > this.#index)
      return undefined;
    return this.#history.filter((change) => change.index > index);
  }

  /** Moves the version on without a change here: something elsewhere in the cluster. */
  pass(): void {
    this.#index++;
  }

  /** Forgets all changes up to now, as etcd does when it is compacted. */
  forget(): void {
    this.pass();
    this.#forgotten = this.#index;
    this.#history.length = 0;
  }

  #note(path: string, before: FakeObject | undefined, after: FakeObject | undefined): Change {
    const change = { index: this.#index, path, before, after };
    this.#history.push(change);
    return change;
  }
}

/** A change as a watch tells it; undefined where it is not about the objects that are watched. */
export function eventOf(change: Change, query: Query): unknown {
  if (change.path !== query.path) return undefined;
  const { before, after } = change;
  const was = before !== undefined && matches(before, query);
  const is = after !== undefined && matches(after, query);
  if (is) return { type: was ? "MODIFIED" : "ADDED", object: after };
  if (!was) return undefined;
  // An object that does not match any more is told as deleted; so is its last state, with the version of the deletion.
  const metadata = { ...before.metadata, resourceVersion: versionOf(change.index) };
  return { type: "DELETED", object: { ...before, metadata } };
}

function matches(object: FakeObject, { labelSelector, fieldSelector }: Query): boolean {
  const { name, labels = {} } = object.metadata;
  if (fieldSelector !== "" && fieldSelector !== `metadata.name=${name}`) return false;
  return labelSelector.split(",").every((term) => {
    const [key = "", value] = term.split("=");
    return term === "" || labels[key] === value;
  });
}

function versionOf(index: number): string {
  return String(FIRST_VERSION - index);
}
