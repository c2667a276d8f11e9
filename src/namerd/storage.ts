// The store that a configuration asks for.
import type { StorageConfig } from "../config/namerd-types.ts";
import type { Clock } from "../lib/clock.ts";
import type { Rng } from "../lib/rng.ts";
import type { Logger } from "../telemetry/log.ts";
import type { DtabStore } from "./store.ts";
import { memoryStore } from "./stores/memory-store.ts";

export interface StorageDeps {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
}

/** Opens the store. Rejects with StorageError when it cannot be used. */
export async function openStorage(storage: StorageConfig, deps: StorageDeps): Promise<DtabStore> {
  const { kind } = storage;
  switch (kind) {
    case "io.l5d.inMemory":
      return memoryStore(storage.namespaces);
    case "io.l5d.sqlite": {
      const { sqliteStore } = await import("./stores/sqlite-store.ts");
      return sqliteStore(storage.path, storage.namespaces, deps.log);
    }
    case "io.l5d.etcd": {
      const { EtcdStore } = await import("./stores/etcd-store.ts");
      return new EtcdStore(storage, deps);
    }
    default:
      return kind satisfies never;
  }
}
