// Identities from directories: which file is whose key follows from names, which server names they are for from the
// certificates.
import { join } from "node:path";
import { nameOf } from "./certificate-checks.ts";
import { type FolderPair, layoutOf } from "./identity-folder.ts";
import type { IdentityReader, ReadPair } from "./identities.ts";
import type { KeyType } from "./pem-key.ts";
import type { PemFiles } from "./pem-files.ts";
import type { ConfigPath, ProblemList } from "./problems.ts";
import { whyUnreadable } from "./surroundings.ts";
import type { IdentityConfig, NamedIdentity } from "./tls-types.ts";

/** How many files of one directory a warning names. */
const MOST_NAMED = 5;

/** A pair, or half of one, in a directory; paths begin with the directory's. */
interface Found extends FolderPair {
  /** Of the certificate, or else of the key, below the directory: who the pair is. */
  readonly name: string;
}

/** A file of certificates without a file that would be the key's. */
type Listed = { readonly pairs: readonly Found[]; readonly alone: readonly string[] };

export class IdentityDirectories {
  readonly #files: PemFiles;
  readonly #reader: IdentityReader;
  readonly #problems: ProblemList;

  constructor(files: PemFiles, reader: IdentityReader, problems: ProblemList) {
    this.#files = files;
    this.#reader = reader;
    this.#problems = problems;
  }

  /** All identities of these directories, by the names in their certificates. */
  identities(directories: readonly string[], path: ConfigPath): readonly NamedIdentity[] {
    const byName = new Map<string, Map<KeyType, ReadPair>>();
    for (const [index, directory] of directories.entries()) {
      const at = [...path, index];
      for (const pair of this.#pairsOf(directory, at)) {
        if (pair.names.length === 0) {
          const message = `${pair.file}: the certificate has no DNS name, so no client is shown it`;
          this.#problems.warning(at, message);
        }
        for (const name of pair.names) this.#add(byName, name, pair, at);
      }
    }
    const made = new Map<string, IdentityConfig>();
    return Array.from(byName, ([serverName, types]) => {
      const pairs = [...types.values()];
      const key = pairs.map(({ file }) => file).join("\n");
      const identity = made.get(key) ?? { pairs: pairs.map(({ pair }) => pair) };
      made.set(key, identity);
      return { serverName, identity };
    });
  }

  #add(
    byName: Map<string, Map<KeyType, ReadPair>>,
    name: string,
    pair: ReadPair,
    path: ConfigPath,
  ): void {
    const types = byName.get(name) ?? new Map<KeyType, ReadPair>();
    byName.set(name, types);
    const other = types.get(pair.keyType);
    if (other === undefined) {
      types.set(pair.keyType, pair);
      return;
    }
    const [used, passed] = pair.notAfterMs > other.notAfterMs ? [pair, other] : [other, pair];
    types.set(pair.keyType, used);
    const message = `${passed.file} is not used for ${name}: ${used.file} has a key of the same type and is valid for longer`;
    this.#problems.warning(path, message);
  }

  #pairsOf(directory: string, path: ConfigPath): readonly ReadPair[] {
    const listed = this.#files.unit(path, () => this.#list(directory, path));
    const found = (listed?.pairs ?? []).map((pair) =>
      this.#files.unit([...path, pair.name], () => this.#read(pair, [...path, pair.name])),
    );
    const alone = (listed?.alone ?? []).map((name) =>
      this.#files.unit([...path, name], () => this.#readAlone(directory, name, [...path, name])),
    );
    // Null: an authority's certificate, which is no identity.
    return [...found, ...alone].filter((pair) => pair !== undefined && pair !== null);
  }

  /** What lies in a directory and in the folders right below it. */
  #list(directory: string, path: ConfigPath): Listed | undefined {
    const pairs: Found[] = [];
    const alone: string[] = [];
    const ignored: string[] = [];
    const listFolder = (below: string): readonly string[] => {
      const entries = this.#files.folder(join(directory, below));
      const names = entries.filter(({ isFolder }) => !isFolder).map(({ name }) => name);
      const layout = layoutOf(names);
      const at = (name: string | undefined): string | undefined =>
        name === undefined ? undefined : join(directory, below, name);
      for (const { certs, key } of layout.pairs) {
        const name = join(below, certs ?? key ?? "");
        pairs.push({ name, certs: at(certs), key: at(key) });
      }
      alone.push(...layout.alone.map((name) => join(below, name)));
      ignored.push(...layout.others.map((name) => join(below, name)));
      return entries.filter(({ isFolder }) => isFolder).map(({ name }) => name);
    };
    try {
      const folders = listFolder("").filter((name) => !name.startsWith("."));
      for (const folder of folders) listFolder(folder);
    } catch (error) {
      const why = whyUnreadable(error).replace("no such file", "no such directory");
      this.#problems.error(path, `${directory}: ${why}`);
      return undefined;
    }
    if (ignored.length > 0) {
      const more = ignored.length > MOST_NAMED ? ` and ${ignored.length - MOST_NAMED} more` : "";
      const names = ignored.slice(0, MOST_NAMED).join(", ");
      const message = `${directory}: ignored, as they do not end in .pem, .crt, .cer or .key: ${names}${more}`;
      this.#problems.warning(path, message);
    }
    if (pairs.length + alone.length > 0) return { pairs, alone };
    this.#problems.error(path, `${directory}: there is no certificate with its key in it`);
    return undefined;
  }

  #read({ certs, key }: Found, path: ConfigPath): ReadPair | undefined {
    if (key !== undefined && certs !== undefined) return this.#pair(certs, key, path);
    const stem = (key ?? "").replace(/(?:-key\.pem|\.key)$/i, "");
    const message = `${key}: there is no certificate for this key; expected ${stem}.crt or ${stem}.pem`;
    this.#problems.error(path, message);
    return undefined;
  }

  /** A certificate and its key in one file; null for one of an authority. */
  #readAlone(directory: string, name: string, path: ConfigPath): ReadPair | undefined | null {
    const file = join(directory, name);
    if (this.#files.hasPrivateKey(file)) return this.#pair(file, file, path);
    const certificates = this.#files.certificates(file, path);
    if (certificates === undefined) return undefined;
    if (certificates.every(({ ca }) => ca)) return null;
    const stem = file.replace(/\.[^.]+$/, "");
    const message = `${file}: there is no key for the certificate of ${certificates.map(nameOf)[0]}; expected ${stem}.key or ${stem}-key.pem`;
    this.#problems.error(path, message);
    return undefined;
  }

  #pair(certs: string, privateKey: string, path: ConfigPath): ReadPair | undefined {
    const places = { certs: () => path, privateKey: path, passphraseFile: path, whole: path };
    return this.#reader.read({ certs: [certs], privateKey }, places, "server");
  }
}
