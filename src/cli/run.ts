// `linkerd-tcp <PATH>` and the quick form: runs the proxy until it is told to stop.
import { App, type AppParts } from "../app/app.ts";
import { InheritedSocketError } from "../app/inherited.ts";
import { LimitsCode } from "../app/lazy-limits.ts";
import { ListenError } from "../app/listeners.ts";
import { surroundingsOf } from "../app/surroundings.ts";
import { ThreadLimitError } from "../app/thread-limit.ts";
import { ConfigLoaderError, loadConfigInChild } from "../config/load-in-child.ts";
import { type LoadResult, STDIN } from "../config/load-result.ts";
import { formatProblems } from "../config/problems.ts";
import { systemClock } from "../lib/clock.ts";
import { systemRng } from "../lib/rng.ts";
import type { QuickCommand } from "./args.ts";
import { EXIT, exitCodeOf } from "./exit-codes.ts";
import { type Frame, openFrame, reportingTo, unrepeatable } from "./frame.ts";
import { isTerminal, type Output } from "./output.ts";
import { PROGRAM } from "./program.ts";
import { systemLog } from "./system-log.ts";

/** A start may wait for a pipe; a reload that waits for ever would keep all others out. */
const RELOAD_WITHIN_MS = 60_000;

/** Loads the file at `path` and serves it. Resolves with the exit code. */
export async function run(path: string, output: Output): Promise<number> {
  const frame = openFrame(unrepeatable(path));
  return await reportingTo(frame, output, (reported) => load(path, reported, frame));
}

async function load(path: string, output: Output, frame: Frame): Promise<number> {
  let result: LoadResult;
  try {
    result = await loadConfigInChild(path);
  } catch (error) {
    return startFailure(error, output);
  }
  if (!result.ok) {
    output.err(`${formatProblems(result.problems)}\n`);
    return exitCodeOf(result);
  }
  if (result.warnings.length > 0) output.err(`${formatProblems(result.warnings)}\n`);
  // What a reload would take from standard input is gone.
  const origin =
    path === STDIN ? undefined : { path, load: () => loadConfigInChild(path, RELOAD_WITHIN_MS) };
  return await serve({ ...result, origin }, output, frame);
}

/** Serves one name without a file. Resolves with the exit code. */
export async function runQuick(command: QuickCommand, output: Output): Promise<number> {
  const { quickConfig } = await import("./quick.ts");
  const served = quickConfig(command);
  const frame = openFrame();
  return await reportingTo(frame, output, (reported) => serve(served, reported, frame));
}

/** What is served, and where it is from. */
export type Served = Pick<
  AppParts,
  "config" | "source" | "files" | "fingerprint" | "material" | "origin"
>;

/** Serves a configuration until the proxy is stopped. Resolves with the exit code. */
export async function serve(served: Served, output: Output, frame: Frame): Promise<number> {
  const { logger, logSettings } = systemLog();
  const { promise: exited, resolve: exit } = Promise.withResolvers<number>();
  try {
    const limitsCode = new LimitsCode();
    await limitsCode.prepare(served.config);
    const parts = {
      ...served,
      clock: systemClock,
      rng: systemRng(),
      logger,
      logSettings,
      ...surroundingsOf(frame.passed, systemClock, logger("app")),
      limitsCode,
      predecessor: frame.predecessor,
      restart: frame.restart,
      exit,
      onReloadEnd: collectGarbage,
    };
    const app = new App(parts);
    process.on("SIGUSR2", () => void upgrade(app));
    process.on("SIGHUP", () => {
      // A terminal that closes ends what it ran. Elsewhere it asks for a reload.
      if (isTerminal(2)) app.stop(129);
      else app.requestReload("SIGHUP");
    });
    for (const [signal, number] of SIGNALS) process.on(signal, () => app.stop(128 + number));
    // A start that never comes to its end can still be stopped.
    await Promise.race([app.start(), exited]);
    collectGarbage();
  } catch (error) {
    return startFailure(error, output);
  }
  return await exited;
}

/** What came of it stands in the log. */
async function upgrade(app: App): Promise<void> {
  const outcome = await app.upgrade();
  if (outcome.result === "done") app.handOver(outcome.pid);
}

/** Drops what loading left behind: 1 MB that would stay until something makes more (docs/internals/memory.md). */
function collectGarbage(): void {
  Bun.gc(true);
  Bun.shrink();
}

/** Tells why there was no start. Throws what is a fault of the program. */
function startFailure(error: unknown, output: Output): number {
  if (error instanceof ListenError || error instanceof InheritedSocketError) {
    output.err(`${error.message}\n`);
    return EXIT.cannotBind;
  }
  if (error instanceof ThreadLimitError) {
    output.err(`${PROGRAM}: ${error.message}\n`);
    return EXIT.noThreads;
  }
  if (error instanceof ConfigLoaderError && error.lacksThreads) {
    const lack = "there are no threads or no memory for the process that loads the configuration";
    return startFailure(new ThreadLimitError(lack, error), output);
  }
  throw error;
}

const SIGNALS = [
  ["SIGINT", 2],
  ["SIGTERM", 15],
] as const;
