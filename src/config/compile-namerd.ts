// From namerd's file that fits the schema to the configuration that runs. See compile.ts.
import { canonicalIp, formatAddress } from "../lib/address.ts";
import { type Dtab, parseDtab } from "../naming/dtab.ts";
import { pathStartsWith } from "../naming/path.ts";
import { canonicalPath } from "./canonical-path.ts";
import { NamerCompiler } from "./compile-namers.ts";
import { type Bound, collide } from "./cross-checks.ts";
import type { NamerConfig } from "./namer-types.ts";
import type { NamerdFile } from "./namerd-schema.ts";
import type { NamerdConfig, StorageConfig } from "./namerd-types.ts";
import { PemFiles } from "./pem-files.ts";
import { type ConfigPath, formatPath, type ProblemList } from "./problems.ts";
import { resolvePath, type Surroundings } from "./surroundings.ts";

/** Makes the configuration. It may be used only when no errors were noted. */
export function compileNamerd(
  file: NamerdFile,
  around: Surroundings,
  problems: ProblemList,
): NamerdConfig {
  const compiler = new NamerCompiler(around, new PemFiles(around, problems), problems);
  const { admin } = file;
  const config: NamerdConfig = {
    admin: { ip: canonicalIp(admin.ip) ?? admin.ip, port: admin.port },
    storage: storageOf(file.storage, around, compiler, problems),
    namers: compiler.namers(file.namers, ["namers"]),
    interfaces: file.interfaces.map(({ ip, port }) => ({ ip: canonicalIp(ip) ?? ip, port })),
  };
  checkPrefixes(config.namers, problems);
  checkAddresses(config, problems);
  return config;
}

function storageOf(
  storage: NamerdFile["storage"],
  around: Surroundings,
  compiler: NamerCompiler,
  problems: ProblemList,
): StorageConfig {
  const { kind } = storage;
  switch (kind) {
    case "io.l5d.inMemory":
      return { kind, namespaces: dtabsOf(storage.namespaces, problems) };
    case "io.l5d.sqlite": {
      const path = resolvePath(around, storage.path);
      return { kind, path, namespaces: dtabsOf(storage.namespaces, problems) };
    }
    case "io.l5d.etcd": {
      const pathPrefix = canonicalPath(storage.pathPrefix);
      const tls = compiler.tls(storage.tls, ["storage", "tls"]);
      return { kind, baseUrls: compiler.etcdUrls(storage), pathPrefix, tls };
    }
    default:
      return kind satisfies never;
  }
}

function dtabsOf(
  namespaces: Readonly<Record<string, string>>,
  problems: ProblemList,
): ReadonlyMap<string, Dtab> {
  const dtabs = new Map<string, Dtab>();
  for (const [name, text] of Object.entries(namespaces)) {
    // The API could not name it: namespaces stand in the path of a URL, and are not decoded.
    if (!/^[\w.~-]{1,255}$/.test(name)) {
      const message = "a namespace has a name of letters, digits, - _ . and ~, at most 255 of them";
      problems.keyError(["storage", "namespaces", name], message);
    }
    const parsed = parseDtab(text);
    if (parsed.ok) dtabs.set(name, parsed.dtab);
  }
  return dtabs;
}

/** namerd does not choose between namers; linkerd does. */
function checkPrefixes(namers: readonly NamerConfig[], problems: ProblemList): void {
  namers.forEach(({ prefix }, index) => {
    const other = namers
      .slice(0, index)
      .findIndex((earlier) => covers(earlier.prefix, prefix) || covers(prefix, earlier.prefix));
    if (other < 0) return;
    const taken = placeOf(["namers", other], problems);
    const message = `the prefix ${prefix} overlaps with ${namers[other]?.prefix}, that of ${taken}`;
    problems.error(["namers", index, "prefix"], message);
  });
}

function covers(prefix: string, path: string): boolean {
  return prefix !== "/" && pathStartsWith(path, prefix);
}

function checkAddresses({ admin, interfaces }: NamerdConfig, problems: ProblemList): void {
  const all: Bound[] = [
    { ...admin, path: ["admin", "port"] },
    ...interfaces.map((one, index) => ({ ...one, path: ["interfaces", index, "port"] })),
  ];
  all.forEach((one, index) => {
    const other = all.slice(0, index).find((earlier) => collide(earlier, one));
    if (other === undefined) return;
    const taken = placeOf(other.path, problems);
    problems.error(one.path, `${formatAddress(one)} is taken by ${taken}`);
  });
}

function placeOf(path: ConfigPath, problems: ProblemList): string {
  return `${formatPath(path)} in line ${problems.lineOf(path)}`;
}
