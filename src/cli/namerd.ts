// `linkerd-tcp namerd`: runs the embedded namerd until it is told to stop.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { openFilesLimit } from "../app/descriptor-limit.ts";
import { VERSION } from "../app/version.ts";
import { DEFAULTS } from "../config/defaults.ts";
import { loadNamerdConfig } from "../config/load-namerd.ts";
import type { NamerdConfig, StorageConfig } from "../config/namerd-types.ts";
import { formatProblems, redact } from "../config/problems.ts";
import { formatAddress } from "../lib/address.ts";
import { systemClock } from "../lib/clock.ts";
import { systemRng } from "../lib/rng.ts";
import { type Namerd, NamerdListenError, startNamerd } from "../namerd/namerd.ts";
import { StorageError } from "../namerd/storage-error.ts";
import { parseDtab } from "../naming/dtab.ts";
import { EXIT, exitCodeOf } from "./exit-codes.ts";
import { isTerminal, type Output } from "./output.ts";
import { systemLog } from "./system-log.ts";

/** The folder that is served without a file, as linkerd-tcp's namerd.sh had it. */
const FOLDER = "tmp.discovery";
const EXAMPLE = `# The endpoints of /svc/default: host port [* weight], one a line. Save the file and watchers are told.
127.0.0.1 8080
`;
const EXAMPLE_DTAB = "/svc => /#/io.l5d.fs;";

/** Kept free for the store, the namers' sources and the admin server. */
const RESERVED_FILES = 128;
const MOST_CONNECTIONS = 20_000;

/** Loads the file at `path`, or makes the example, and serves it. Resolves with the exit code. */
export async function runNamerd(path: string | undefined, output: Output): Promise<number> {
  if (path === undefined) return await runExample(output);
  const result = await loadNamerdConfig(path);
  if (!result.ok) {
    output.err(`${formatProblems(result.problems)}\n`);
    return exitCodeOf(result);
  }
  if (result.warnings.length > 0) output.err(`${formatProblems(result.warnings)}\n`);
  return await serve(result.config, result.source, output, () => {});
}

/** Says what is wrong with the file at `path`, and returns the exit code. Listens on nothing. */
export async function checkNamerd(path: string, output: Output): Promise<number> {
  const result = await loadNamerdConfig(path);
  if (!result.ok) {
    output.err(`${formatProblems(result.problems)}\n`);
    return exitCodeOf(result);
  }
  if (result.warnings.length > 0) output.err(`${formatProblems(result.warnings)}\n`);
  const { storage, namers, interfaces, admin } = result.config;
  const prefixes = namers.map(({ prefix }) => `/#${prefix}`).join(", ");
  output.out(
    "The configuration is good.\n" +
      `HTTP API on ${interfaces.map(formatAddress).join(", ")}; admin server on ${formatAddress(admin)}\n` +
      `dtabs ${describeStorage(storage)}; namers: ${prefixes || "none"}\n`,
  );
  return EXIT.ok;
}

function describeStorage(storage: StorageConfig): string {
  switch (storage.kind) {
    case "io.l5d.inMemory":
      return "in memory";
    case "io.l5d.sqlite":
      return `in ${storage.path}`;
    case "io.l5d.etcd":
      return `in etcd at ${storage.baseUrls.map(redact).join(", ")}, below ${storage.pathPrefix}`;
    default:
      return storage satisfies never;
  }
}

async function runExample(output: Output): Promise<number> {
  try {
    makeExample();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    output.err(`./${FOLDER} cannot be made: ${why}\n`);
    return EXIT.noInput;
  }
  const { config, source } = exampleConfig(resolve(FOLDER));
  return await serve(config, source, output, (namerd) => output.out(guide(namerd)));
}

function makeExample(): void {
  if (existsSync(FOLDER)) return;
  mkdirSync(FOLDER);
  writeFileSync(join(FOLDER, "default"), EXAMPLE);
}

/** The example's configuration; `source` is the same as a file would say it. */
function exampleConfig(rootDir: string): { config: NamerdConfig; source: unknown } {
  const { namerdServer, admin } = DEFAULTS;
  const parsed = parseDtab(EXAMPLE_DTAB);
  const config: NamerdConfig = {
    admin: { ip: admin.ip, port: namerdServer.adminPort },
    storage: {
      kind: "io.l5d.inMemory",
      namespaces: new Map([["default", parsed.ok ? parsed.dtab : []]]),
    },
    namers: [{ kind: "io.l5d.fs", prefix: "/io.l5d.fs", rootDir }],
    interfaces: [{ ip: admin.ip, port: namerdServer.port }],
  };
  const source = {
    storage: { kind: "io.l5d.inMemory", namespaces: { default: EXAMPLE_DTAB } },
    namers: [{ kind: "io.l5d.fs", rootDir }],
    interfaces: [{ kind: "io.l5d.httpController" }],
  };
  return { config, source };
}

function guide(namerd: Namerd): string {
  const [http] = namerd.interfaces.map(formatAddress);
  return `linkerd-tcp namerd, without a file: Ctrl-C ends it, and its dtabs with it.

  HTTP API   http://${http}/api/1/
  admin      http://${formatAddress(namerd.admin)}/
  names      ./${FOLDER}, a file each
  dtab       default: ${EXAMPLE_DTAB}

Follow a name, then change its file:

  curl -sN 'http://${http}/api/1/resolve/default?path=/svc/default&watch=true'
  echo '127.0.0.1 9090' >> ${FOLDER}/default

`;
}

/** Serves until it is stopped. Resolves with the exit code. */
async function serve(
  config: NamerdConfig,
  source: unknown,
  output: Output,
  started: (namerd: Namerd) => void,
): Promise<number> {
  const { logger } = systemLog();
  const { promise: exited, resolve: exit } = Promise.withResolvers<number>();
  const build = { version: VERSION, bun: process.versions.bun ?? "" };
  const maxConnections = Math.min(MOST_CONNECTIONS, Math.max(1, openFilesLimit() - RESERVED_FILES));
  const clock = systemClock;
  const parts = { config, source, clock, rng: systemRng(), logger, build, maxConnections, exit };
  try {
    const namerd = await startNamerd(parts);
    started(namerd);
    process.on("SIGHUP", () => {
      // As with the proxy: a terminal that closes ends what it ran.
      if (isTerminal(2)) namerd.stop(129);
      else logger("cli").warn("SIGHUP is ignored: only a restart loads the configuration anew");
    });
    process.on("SIGINT", () => namerd.stop(130));
    process.on("SIGTERM", () => namerd.stop(143));
  } catch (error) {
    if (error instanceof NamerdListenError || error instanceof StorageError) {
      output.err(`${error.message}\n`);
      return error instanceof StorageError ? EXIT.noInput : EXIT.cannotBind;
    }
    throw error;
  }
  return await exited;
}
