// `io.l5d.sqlite`: dtabs in one file, for one namerd. A write that was answered outlives a kill and a loss of power.
import { Database, type Statement } from "bun:sqlite";
import { statSync } from "node:fs";
import { type Dtab, parseDtab, printDtab } from "../../naming/dtab.ts";
import { type Logger, silentLogger } from "../../telemetry/log.ts";
import { StorageError } from "../storage-error.ts";
import type { DtabStore, StoredDtab } from "../store.ts";
import { type Journal, LocalStore } from "./local-store.ts";
import { countOf, versionOf } from "./versions.ts";

/** The shape of the tables, kept in the file; a file with another number is of another program, or a later one. */
const SCHEMA_VERSION = 1;

/**
 * Opens the file at `path`, or makes it with `initial`. Versions are those of `versions.ts` from a counter of the whole
 * file that never goes back, so that no version comes twice, not even after a delete. While another file stands at
 * `path`, or none, all writes fail, and `log` is told once: what a file without a name keeps is gone with the process.
 * @throws {StorageError} when it is no such file, when another process has it, or when it cannot be written.
 */
export function sqliteStore(
  path: string,
  initial: ReadonlyMap<string, Dtab>,
  log: Logger = silentLogger,
): DtabStore {
  let database: Database | undefined;
  try {
    database = new Database(path, { create: true, strict: true });
    prepare(database, path, initial);
    const journal = new SqliteJournal(database, new OwnFile(path, log));
    return new LocalStore(journal, readAll(database, path));
  } catch (error) {
    database?.close();
    if (error instanceof StorageError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new StorageError(`${path}: ${hint(reason)}`, error);
  }
}

const TABLES = [
  "CREATE TABLE dtabs (namespace TEXT PRIMARY KEY, dtab TEXT NOT NULL, version INTEGER NOT NULL) STRICT",
  "CREATE TABLE counter (last INTEGER NOT NULL) STRICT",
];

/** Makes what a new file lacks, all of it or nothing. */
function prepare(database: Database, path: string, initial: ReadonlyMap<string, Dtab>): void {
  // One process owns the file, from the first read on: two would not see each other's writes.
  database.run("PRAGMA locking_mode = EXCLUSIVE");
  database.run("PRAGMA journal_mode = WAL");
  // Each commit is on the disk before it is answered: https://www.sqlite.org/pragma.html#pragma_synchronous
  database.run("PRAGMA synchronous = FULL");
  const make = database.transaction(() => {
    const [version] = database.query<{ user_version: number }, []>("PRAGMA user_version").all();
    if (version?.user_version === SCHEMA_VERSION) return;
    const [tables] = database
      .query<{ n: number }, []>("SELECT count(*) n FROM sqlite_schema")
      .all();
    if (version?.user_version !== 0 || tables?.n !== 0) {
      throw new StorageError(
        `${path}: this is a database of another program, or of a later version`,
      );
    }
    for (const table of TABLES) database.run(table);
    const insert = database.query(
      "INSERT INTO dtabs (namespace, dtab, version) VALUES (?1, ?2, ?3)",
    );
    let count = 0;
    for (const [namespace, dtab] of initial) insert.run(namespace, printDtab(dtab), ++count);
    database.run("INSERT INTO counter (last) VALUES (?1)", [count]);
    database.run(`PRAGMA user_version = ${SCHEMA_VERSION}`);
  });
  make.exclusive();
}

interface Row {
  readonly namespace: string;
  readonly dtab: string;
  readonly version: number;
}

function readAll(database: Database, path: string): ReadonlyMap<string, StoredDtab> {
  const rows = database.query<Row, []>("SELECT namespace, dtab, version FROM dtabs").all();
  return new Map(
    rows.map(({ namespace, dtab, version }) => {
      const parsed = parseDtab(dtab);
      if (!parsed.ok) {
        throw new StorageError(
          `${path}: the dtab of ${namespace} cannot be read: ${parsed.message}`,
        );
      }
      return [namespace, { dtab: parsed.dtab, version: versionOf(version) }] as const;
    }),
  );
}

function hint(reason: string): string {
  if (/locked|busy/.test(reason))
    return "another process has this file open; a namerd needs its own";
  return `it cannot be used as storage: ${reason}`;
}

/** The file that was opened, as long as its path leads to it. */
class OwnFile {
  readonly #path: string;
  readonly #log: Logger;
  readonly #identity: string | undefined;
  #told = false;

  constructor(path: string, log: Logger) {
    this.#path = path;
    this.#log = log;
    this.#identity = identityOf(path);
  }

  /** @throws {Error} when the path leads elsewhere by now. */
  check(): void {
    if (identityOf(this.#path) === this.#identity) return;
    if (!this.#told) {
      this.#told = true;
      this.#log.error("the file of the dtabs is gone", () => ({ path: this.#path }));
    }
    throw new Error(
      `${this.#path} was deleted or replaced while this namerd had it open: nothing is kept any more; ` +
        "put the file back, or save the dtabs and start namerd again",
    );
  }
}

function identityOf(path: string): string | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? undefined : `${found.dev} ${found.ino}`;
}

class SqliteJournal implements Journal {
  readonly #database: Database;
  readonly #file: OwnFile;
  readonly #put: Statement;
  readonly #delete: Statement;
  readonly #count: Statement;
  #last: number;

  constructor(database: Database, file: OwnFile) {
    this.#database = database;
    this.#file = file;
    this.#put = database.prepare(
      "INSERT INTO dtabs (namespace, dtab, version) VALUES (?1, ?2, ?3) " +
        "ON CONFLICT (namespace) DO UPDATE SET dtab = ?2, version = ?3",
    );
    this.#delete = database.prepare("DELETE FROM dtabs WHERE namespace = ?1");
    this.#count = database.prepare("UPDATE counter SET last = ?1");
    const [counter] = database.query<{ last: number }, []>("SELECT last FROM counter").all();
    this.#last = counter?.last ?? 0;
  }

  nextVersion(): Uint8Array {
    return versionOf(this.#last + 1);
  }

  put(namespace: string, { dtab, version }: StoredDtab): void {
    this.#file.check();
    const count = countOf(version);
    this.#database.transaction(() => {
      this.#put.run(namespace, printDtab(dtab), count);
      this.#count.run(count);
    })();
    this.#last = count;
  }

  delete(namespace: string): void {
    this.#file.check();
    this.#delete.run(namespace);
  }

  close(): void {
    this.#put.finalize();
    this.#delete.finalize();
    this.#count.finalize();
    this.#database.close();
  }
}
