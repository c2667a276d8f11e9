#!/usr/bin/env bun
// `npm run bench`: our proxy beside HAProxy and nginx on one machine, in one interleaved run.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeIdentities } from "./certificate.ts";
import { Children, Ports } from "./children.ts";
import { besideOneWorker, besideOurs, besidePeers, ROOT } from "./line-up.ts";
import { load, machineFacts, QUIET_LOAD } from "./machine.ts";
import { effortOf, type Options, parseOptions, USAGE } from "./options.ts";
import { pinSelf, placementOn, usableCores } from "./placement.ts";
import type { Contender, Variant } from "./proxies/contender.ts";
import { commitOf } from "./proxies/worktree.ts";
import { report, type Run } from "./report.ts";
import { type Entry, runRounds } from "./rounds.ts";
import { save } from "./save.ts";
import { Stage } from "./stage.ts";
import { WORKLOADS } from "./work/all.ts";
import type { Field } from "./work/workload.ts";

await main();

async function main(): Promise<never> {
  const options = readOptions();
  const children = new Children();
  const dir = mkdtempSync(join(tmpdir(), "linkerd-tcp-bench-"));
  process.on("exit", () => rmSync(dir, { recursive: true, force: true }));
  process.on("SIGINT", () => process.exit(130));
  process.on("SIGTERM", () => process.exit(143));
  try {
    const run = await bench(options, dir, children);
    await children.stopAll();
    console.log(report(run));
    if (options.save) say(`written: ${(await save(run, ROOT)).join(", ")}`);
    const failed = run.results.some(({ columns }) => columns.some(({ failure }) => failure));
    process.exit(failed ? 1 : 0);
  } catch (cause) {
    say(message(cause));
    process.exit(1);
  }
}

function readOptions(): Options {
  const ids = WORKLOADS.map(({ id }) => id);
  try {
    const options = parseOptions(Bun.argv.slice(2), ids);
    if (options !== "help") return options;
    console.log(USAGE.replace("WORKLOADS", ids.join(", ")));
  } catch (cause) {
    say(message(cause));
    process.exit(2);
  }
  process.exit(0);
}

async function bench(options: Options, dir: string, children: Children): Promise<Run> {
  if (load() > QUIET_LOAD) say(`the load of this machine is ${load()}: figures will be rough`);
  const placement = placementOn(usableCores(), canPin(options));
  const known = { commit: commitOf(ROOT), placement: placement.summary };
  const workloads = WORKLOADS.filter(({ id }) => options.only?.includes(id) ?? true);
  const peers = besidePeers(options, dir, (name) => say(`${name} is not installed: left out`));
  const versions = [`Bun ${Bun.version}`, ...peers.map(({ version }) => version)];
  const facts = machineFacts({ ...known, versions }, new Date());
  const identity = await makeIdentities(dir);
  const stage = await Stage.open(dir, identity, children, new Ports(), placement);
  pinSelf(placement.generator);
  const start = async (
    field: Field,
    contenders: () => readonly Contender[],
    variant: Variant = "ecdsa",
  ): Promise<Entry[]> => {
    if (!workloads.some((each) => each.field === field)) return [];
    const cores = field === "workers" ? placement.pair : placement.proxy;
    return await entries(stage, contenders(), cores, variant);
  };
  const results = await runRounds(
    {
      rounds: options.rounds,
      ...effortOf(options.quick),
      workloads,
      entries: {
        peers: await start("peers", () => peers),
        rsa: await start("rsa", () => peers, "rsa"),
        passthrough: besideRelaying(
          await start("passthrough", () => besideOurs(options), "passthrough"),
        ),
        workers: await start("workers", () => besideOneWorker(options)),
      },
      progress: say,
    },
    stage,
  );
  const command = ["npm run bench --", ...Bun.argv.slice(2)].join(" ");
  return { facts, rounds: options.rounds, quick: options.quick, command, results };
}

function canPin({ unpinned }: Options): boolean {
  return !unpinned && Bun.which("taskset") !== null;
}

async function entries(
  stage: Stage,
  contenders: readonly Contender[],
  cores: string | undefined,
  variant: Variant,
): Promise<Entry[]> {
  const started: Entry[] = [];
  for (const contender of contenders) {
    started.push({ contender, proxy: await stage.start(contender, cores, variant), cores });
  }
  return started;
}

/** Each passing TLS on, and the first of them, ours, relaying beside that in the same process. */
function besideRelaying(started: readonly Entry[]): readonly Entry[] {
  const passing = started.map((entry) => ({
    ...entry,
    proxy: { ...entry.proxy, plainPort: entry.proxy.tlsPort },
  }));
  const [ours] = started;
  if (ours === undefined) return [];
  const relaying = { ...ours, contender: { ...ours.contender, name: "plain" } };
  return [...passing.slice(0, 1), relaying, ...passing.slice(1)];
}

function say(line: string): void {
  console.error(`bench: ${line}`);
}

function message(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
