// Real PostgreSQL servers (Debian's postgresql), with psql as their client. They refuse to run as root, so that for root
// they run as nobody.
import {
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../until.ts";
import { freePort } from "./free-port.ts";
import { has } from "./tools.ts";

const FOLDER = "/usr/lib/postgresql";
const NOBODY = 65_534;
const PASSWORD = "of the superuser";

/** Where Debian keeps the programs of the newest version; undefined where there are none. */
function programs(): string | undefined {
  try {
    const [newest] = readdirSync(FOLDER).toSorted((a, b) => Number(b) - Number(a));
    return newest === undefined ? undefined : join(FOLDER, newest, "bin");
  } catch {
    return undefined;
  }
}

/** Whether there is a PostgreSQL to test with. */
export function hasPostgres(): boolean {
  return has("psql") && (programs() !== undefined || (process.env["CI"] ?? "") !== "");
}

export interface PostgresOptions {
  /** Lines of pg_hba.conf, before one that lets the superuser in by password. */
  readonly hba?: readonly string[];
  /** Settings of postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Files beside the data, which the settings may name as `../<name>`. */
  readonly files?: Readonly<Record<string, string>>;
}

/** A server with data of its own. Ends with the `await using` block that holds it. */
export class Postgres implements AsyncDisposable {
  readonly port = freePort();
  readonly #folder = mkdtempSync(join(tmpdir(), "l5d-postgres-"));
  readonly #options: PostgresOptions;
  #process: Bun.Subprocess | undefined;

  private constructor(options: PostgresOptions) {
    this.#options = options;
    give(this.#folder);
    for (const [name, text] of Object.entries(options.files ?? {})) {
      const path = join(this.#folder, name);
      writeFileSync(path, text, { mode: 0o600 });
      give(path);
    }
  }

  /** Makes a new cluster and starts it as a primary. */
  static async primary(options: PostgresOptions = {}): Promise<Postgres> {
    const postgres = new Postgres(options);
    const passwordFile = join(postgres.#folder, "password");
    writeFileSync(passwordFile, PASSWORD);
    give(passwordFile);
    const auth = ["--auth=scram-sha-256", "--username=postgres", `--pwfile=${passwordFile}`];
    await run("initdb", "--no-sync", "--no-instructions", ...auth, "-D", postgres.#data);
    const hba = [
      ...(options.hba ?? []),
      "host all all 127.0.0.1/32 scram-sha-256",
      "host replication all 127.0.0.1/32 scram-sha-256",
    ];
    writeFileSync(join(postgres.#data, "pg_hba.conf"), `${hba.join("\n")}\n`);
    await postgres.start();
    return postgres;
  }

  /** Copies a primary and starts the copy as its replica. */
  static async replicaOf(primary: Postgres): Promise<Postgres> {
    const postgres = new Postgres(primary.#options);
    await postgres.becomeReplicaOf(primary);
    return postgres;
  }

  /** Makes it, which does not run, a new copy and a replica of a primary. */
  async becomeReplicaOf(primary: Postgres): Promise<void> {
    rmSync(this.#data, { recursive: true, force: true });
    mkdirSync(this.#data, { mode: 0o700 });
    give(this.#data);
    const from = ["-d", primary.#conninfo, "-X", "stream", "-c", "fast"];
    await run("pg_basebackup", "--no-sync", "-R", "-D", this.#data, ...from);
    await this.start();
  }

  async start(): Promise<void> {
    const settings = {
      listen_addresses: "127.0.0.1",
      unix_socket_directories: "",
      fsync: "off",
      shared_buffers: "4MB",
      hot_standby: "on",
      ...this.#options.settings,
    };
    const options = Object.entries(settings).flatMap(([key, value]) => ["-c", `${key}=${value}`]);
    this.#process = Bun.spawn(
      asNobody("postgres", "-D", this.#data, "-p", `${this.port}`, ...options),
      { cwd: this.#folder, stdout: "ignore", stderr: "ignore" },
    );
    await until("PostgreSQL answers", async () => (await this.sql("SELECT 1")) === "1", 30_000);
  }

  /** What a query of this server itself answers; errors too. */
  sql(query: string): Promise<string> {
    return psql(this.port, query);
  }

  /** Makes a primary of a replica. */
  async promote(): Promise<void> {
    await this.sql("SELECT pg_promote()");
  }

  /** Stops all its processes where they stand, as if the machine hung. */
  hang(): void {
    this.#signal("SIGSTOP");
  }

  /** Ends it at once, whatever it does. */
  async kill(): Promise<void> {
    this.#signal("SIGKILL");
    await this.#process?.exited;
    this.#process = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #data(): string {
    return join(this.#folder, "data");
  }

  get #conninfo(): string {
    return `host=127.0.0.1 port=${this.port} user=postgres password='${PASSWORD}'`;
  }

  #signal(signal: "SIGSTOP" | "SIGKILL"): void {
    const { pid } = this.#process ?? {};
    if (pid === undefined) return;
    // The postmaster first, so that it starts no others.
    for (const each of [pid, ...childrenOf(pid)]) {
      try {
        process.kill(each, signal);
      } catch {
        // It has ended meanwhile.
      }
    }
  }
}

/** What whoever listens on `port` answers to a query of the superuser; its errors too. */
export async function psql(port: number, query: string): Promise<string> {
  const child = Bun.spawn(["psql", "-XAtq", "-h", "127.0.0.1", "-U", "postgres", "-c", query], {
    env: {
      ...process.env,
      PGPORT: `${port}`,
      PGPASSWORD: PASSWORD,
      PGDATABASE: "postgres",
      PGCONNECT_TIMEOUT: "10",
    },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  await child.exited;
  return `${out}${err}`.trim();
}

function childrenOf(pid: number): readonly number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  return children.split(" ").filter(Boolean).map(Number);
}

async function run(program: string, ...args: readonly string[]): Promise<void> {
  const child = Bun.spawn(asNobody(program, ...args), {
    cwd: "/",
    stdout: "ignore",
    stderr: "pipe",
  });
  const err = await child.stderr.text();
  if ((await child.exited) !== 0) throw new Error(`${program}: ${err}`);
}

function asNobody(program: string, ...args: readonly string[]): string[] {
  const command = [join(programs() ?? "", program), ...args];
  if (process.getuid?.() !== 0) return command;
  const user = ["--reuid", `${NOBODY}`, "--regid", `${NOBODY}`, "--clear-groups"];
  return ["setpriv", ...user, "--", ...command];
}

function give(path: string): void {
  if (process.getuid?.() === 0) chownSync(path, NOBODY, NOBODY);
}
