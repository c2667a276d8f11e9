// The checked configuration of the embedded namerd: see types.ts.
import type { Dtab } from "../naming/dtab.ts";
import type { NamerConfig, NamerTlsConfig } from "./namer-types.ts";

export interface NamerdConfig {
  readonly admin: { readonly ip: string; readonly port: number };
  readonly storage: StorageConfig;
  /** No prefix covers another. */
  readonly namers: readonly NamerConfig[];
  /** Where the HTTP API is served; at least one. */
  readonly interfaces: readonly { readonly ip: string; readonly port: number }[];
}

export type StorageConfig =
  | { readonly kind: "io.l5d.inMemory"; readonly namespaces: ReadonlyMap<string, Dtab> }
  | {
      readonly kind: "io.l5d.sqlite";
      /** Absolute path of the file. */
      readonly path: string;
      /** What a new file begins with. */
      readonly namespaces: ReadonlyMap<string, Dtab>;
    }
  | {
      readonly kind: "io.l5d.etcd";
      /** http or https URLs of the members without a path, in the order in which they are tried. */
      readonly baseUrls: readonly string[];
      /** Keys are `<pathPrefix>/<namespace>`. */
      readonly pathPrefix: string;
      readonly tls: NamerTlsConfig | undefined;
    };
