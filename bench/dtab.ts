#!/usr/bin/env bun
// `node_modules/.bin/bun bench/dtab.ts`: the time of looking a path up in a dtab of 1,000 entries and binding it.
import { bindPath, type LookupNamer } from "../src/naming/bind.ts";
import { parseDtab } from "../src/naming/dtab.ts";
import { DtabIndex } from "../src/naming/dtab-index.ts";
import { type PathLabels, printPath } from "../src/naming/path.ts";
import { summarize } from "./statistics.ts";

const ENTRIES = 1000;
const SAMPLES = 150;
const BINDS_PER_SAMPLE = 200;

/** What each case measures: a dtab, and the paths that are bound by turns. */
interface Case {
  readonly name: string;
  readonly dtab: string;
  readonly paths: readonly PathLabels[];
}

const each = (entry: (at: number) => string): string =>
  Array.from({ length: ENTRIES }, (_, at) => entry(at)).join(";\n");
const paths = (path: (at: number) => PathLabels): readonly PathLabels[] =>
  Array.from({ length: 100 }, (_, at) => path(at * 10));

const CASES: readonly Case[] = [
  {
    name: "one entry for each service",
    dtab: each((at) => `/svc/s${at} => /#/fs/s${at}`),
    paths: paths((at) => ["svc", `s${at}`]),
  },
  {
    name: "three steps, an alternation and a split",
    dtab: `/srv => 9 * /#/fs & 1 * /#/canary;\n/svc => /host;\n${each(
      (at) => `/host/s${at} => /srv/s${at} | /srv/none`,
    )}`,
    paths: paths((at) => ["svc", `s${at}`, "rest"]),
  },
  {
    name: "wildcards in every entry",
    dtab: each((at) => `/svc/*/s${at}/* => /#/fs/s${at}`),
    paths: paths((at) => ["svc", "eu", `s${at}`, "v1"]),
  },
  {
    name: "all entries match, the first one binds",
    dtab: each((at) => (at === 0 ? "/svc => /#/fs" : `/svc => /none/s${at}`)),
    paths: paths((at) => ["svc", `s${at}`]),
  },
];

/** Binds every path but those of which the third label is `none`. */
const lookupNamer: LookupNamer = (path) => {
  const [, , name, ...residual] = path;
  if (name === undefined || name === "none") return { state: "ok", value: { kind: "neg" } };
  const bound = { id: printPath(path.slice(0, 3)), residual };
  return { state: "ok", value: { kind: "leaf", value: { kind: "bound", name: bound } } };
};

for (const { name, dtab, paths: candidates } of CASES) {
  const parsed = parseDtab(dtab);
  if (!parsed.ok) throw new Error(`line ${parsed.line}: ${parsed.message}`);
  const start = performance.now();
  const index = new DtabIndex(parsed.dtab);
  const built = performance.now() - start;
  const times = Array.from({ length: SAMPLES }, () => sample(index, candidates));
  const { median, high } = summarize(times.slice(SAMPLES / 3));
  const figures = `${median.toFixed(2)} µs a bind (third quartile ${high.toFixed(2)})`;
  console.log(`${name}: ${figures}; index built in ${built.toFixed(2)} ms`);
}

/** Microseconds a bind, over a few. */
function sample(index: DtabIndex, candidates: readonly PathLabels[]): number {
  const start = performance.now();
  for (let turn = 0; turn < BINDS_PER_SAMPLE; turn += 1) {
    const outcome = bindPath(candidates[turn % candidates.length] ?? [], index, lookupNamer);
    if (outcome.state !== "ok" || outcome.value.kind === "neg") throw new Error("nothing is bound");
  }
  return ((performance.now() - start) * 1000) / BINDS_PER_SAMPLE;
}
