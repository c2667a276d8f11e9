// Which files of a folder belong together as certificate and key, told from their names alone.

/** A certificate's file and its key's, as tools write them. */
export interface FolderPair {
  /** Names in the folder; the key may stand in the same file. Undefined: there is no such file. */
  readonly certs: string | undefined;
  readonly key: string | undefined;
}

/** What the names in a folder say. */
export interface FolderLayout {
  readonly pairs: readonly FolderPair[];
  /** Certificates, by their names, without a file that would be the key's: with a key in them, or an authority's. */
  readonly alone: readonly string[];
  /** What is no PEM, by its name. */
  readonly others: readonly string[];
}

const PEM = /\.(?:pem|crt|cer|key)$/i;
/** What belongs to certificates, or lies beside them, and is none. */
const PASSED_OVER = /^\.|^README|~$|\.(?:csr|srl|cnf|txt|md)$/i;

/**
 * The layouts that there are: `tls.crt` and `tls.key` (kubernetes.io/tls), `<name>.crt` and `<name>.key`, `<name>.pem` and
 * `<name>.key`, `<name>.pem` and `<name>-key.pem` (cfssl, mkcert), `fullchain.pem` and `privkey.pem` (certbot, whose
 * `cert.pem` and `chain.pem` are parts of the former), and `<name>.pem` with both (HAProxy).
 */
export function layoutOf(names: readonly string[]): FolderLayout {
  const visible = names.filter((name) => !PASSED_OVER.test(name));
  const left = new Set(visible.filter((name) => PEM.test(name)));
  const others = visible.filter((name) => !PEM.test(name));
  const pairs: FolderPair[] = [];
  const take = (certs: string | undefined, key: string | undefined): void => {
    pairs.push({ certs, key });
    for (const name of [certs, key]) if (name !== undefined) left.delete(name);
  };
  if (left.has("fullchain.pem") && left.has("privkey.pem")) {
    take("fullchain.pem", "privkey.pem");
    left.delete("cert.pem");
    left.delete("chain.pem");
  }
  for (const key of [...left]) {
    const stem = /^(.+)(?:-key\.pem|\.key)$/i.exec(key)?.[1];
    if (stem === undefined || !left.has(key)) continue;
    take(certsOf(stem, left, key), key);
  }
  return { pairs, alone: [...left], others };
}

function certsOf(stem: string, names: ReadonlySet<string>, key: string): string | undefined {
  return [`${stem}.crt`, `${stem}.cer`, `${stem}.pem`].find(
    (name) => name !== key && names.has(name),
  );
}
