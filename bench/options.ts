// The command line of the bench. Pure.
import { parseArgs } from "node:util";
import type { Effort } from "./work/workload.ts";

/** What to run. */
export interface Options {
  readonly rounds: number;
  readonly quick: boolean;
  /** Workloads by id; all of them when undefined. */
  readonly only: readonly string[] | undefined;
  /** Proxies by name. */
  readonly proxies: readonly string[];
  /** Another commit of ours to measure beside the working tree. */
  readonly oursAt: string | undefined;
  /** The program of ours, below its root. */
  readonly main: string;
  readonly save: boolean;
  /** Leaves it to the system which core anything runs on. */
  readonly unpinned: boolean;
}

export const USAGE = `Usage: npm run bench -- [options]

  --rounds N            rounds, each with one sample of every proxy in every row (9; with --quick 3)
  --quick               short samples: under 90 s, for trying out
  --only small,conn     only these workloads: WORKLOADS
  --proxies ours,nginx  these proxies: ours, haproxy, nginx (the default), haproxy-splice
  --ours-at REVISION    ours at another commit too, beside the working tree
  --main FILE           the program of ours (src/main.ts)
  --unpinned            leave it to the system which core each process runs on
  --save                write bench/results/DATE-COMMIT.md, latest.md and docs/benchmark.svg`;

const PROXIES = ["ours", "haproxy", "nginx"];
/** Only when asked for: by default HAProxy does not splice. */
const MORE_PROXIES = ["haproxy-splice"];

/** Reads the arguments; throws an Error that says what is wrong with them. "help" asks for the usage. */
export function parseOptions(
  argv: readonly string[],
  workloads: readonly string[],
): Options | "help" {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      rounds: { type: "string" },
      quick: { type: "boolean", default: false },
      only: { type: "string" },
      proxies: { type: "string" },
      "ours-at": { type: "string" },
      main: { type: "string", default: "src/main.ts" },
      save: { type: "boolean", default: false },
      unpinned: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return "help";
  const rounds = Number(values.rounds ?? (values.quick ? 3 : 9));
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new Error(`--rounds: Expected a whole number from 1: current value is ${values.rounds}`);
  }
  if (values.save && (values.quick || values.only !== undefined || values.proxies !== undefined)) {
    throw new Error("--save: Expected a full run: not with --quick, --only or --proxies");
  }
  return {
    rounds,
    quick: values.quick,
    only: list("--only", values.only, workloads),
    proxies: list("--proxies", values.proxies, [...PROXIES, ...MORE_PROXIES]) ?? PROXIES,
    oursAt: values["ours-at"],
    main: values.main,
    save: values.save,
    unpinned: values.unpinned,
  };
}

function list(
  name: string,
  text: string | undefined,
  allowed: readonly string[],
): readonly string[] | undefined {
  if (text === undefined) return undefined;
  const names = text.split(",");
  const unknown = names.find((each) => !allowed.includes(each));
  if (unknown === undefined) return names;
  throw new Error(`${name}: Expected some of ${allowed.join(", ")}: current value is ${unknown}`);
}

/** How much work each sample does, and each one before the first round. */
export function effortOf(quick: boolean): { readonly effort: Effort; readonly warmUp: Effort } {
  const held = 2_000;
  const short = { warmMs: 100, measureMs: 400, bulkBytes: 2 ** 28, held, settleMs: 1_000 };
  return quick
    ? { effort: short, warmUp: { ...short, warmMs: 0, measureMs: 200, bulkBytes: 2 ** 26 } }
    : {
        effort: { warmMs: 250, measureMs: 1_500, bulkBytes: 2 ** 30, held, settleMs: 2_500 },
        warmUp: { ...short, measureMs: 1_000 },
      };
}
