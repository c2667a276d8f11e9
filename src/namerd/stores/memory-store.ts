// `io.l5d.inMemory`: dtabs that are lost when the process ends.
import type { Dtab } from "../../naming/dtab.ts";
import type { DtabStore } from "../store.ts";
import { type Journal, LocalStore } from "./local-store.ts";
import { countOf, versionOf } from "./versions.ts";

/** A store that begins with `namespaces`. Versions count from 1, and from 1 again after a delete. */
export function memoryStore(namespaces: ReadonlyMap<string, Dtab>): DtabStore {
  const dtabs = Array.from(
    namespaces,
    ([name, dtab]) => [name, { dtab, version: versionOf(1) }] as const,
  );
  return new LocalStore(NOWHERE, new Map(dtabs));
}

const NOWHERE: Journal = {
  nextVersion: (previous) => versionOf(previous === undefined ? 1 : countOf(previous) + 1),
  put() {},
  delete() {},
  close() {},
};
