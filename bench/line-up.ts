// Which proxies take part in a run, ours first.
import { join } from "node:path";
import type { Options } from "./options.ts";
import type { Contender } from "./proxies/contender.ts";
import { haproxy, haproxySplice } from "./proxies/haproxy.ts";
import { nginx } from "./proxies/nginx.ts";
import { linkerdTcp } from "./proxies/ours.ts";
import { addWorktree, commitOf } from "./proxies/worktree.ts";

/** The root of the working tree. */
export const ROOT = join(import.meta.dir, "..");

const PEERS = { haproxy, "haproxy-splice": haproxySplice, nginx };

/** Ours, ours at another commit, and the peers that are installed; `missing` hears of the others. */
export function besidePeers(
  options: Options,
  dir: string,
  missing: (name: string) => void,
): Contender[] {
  const wanted = (name: string): boolean => options.proxies.includes(name);
  const found: Contender[] = [];
  if (wanted("ours")) found.push(ours(options, "ours", 1));
  if (options.oursAt !== undefined) found.push(oursAt(options, options.oursAt, dir));
  for (const [name, find] of Object.entries(PEERS)) {
    if (!wanted(name)) continue;
    const peer = find();
    if (peer === undefined) missing(name);
    else found.push(peer);
  }
  return found;
}

/** Ours, and the peers that are installed, for what other commits may not know. */
export function besideOurs(options: Options): Contender[] {
  const quiet = (): void => {};
  return besidePeers({ ...options, oursAt: undefined }, "", quiet);
}

/** Ours with two workers beside ours with one. */
export function besideOneWorker(options: Options): Contender[] {
  if (!options.proxies.includes("ours")) return [];
  return [ours(options, "2 workers", 2), ours(options, "1 worker", 1)];
}

function ours({ main }: Options, name: string, workers: number): Contender {
  const version = `linkerd-tcp at ${commitOf(ROOT)}`;
  return linkerdTcp({ name, version, root: ROOT, main, workers });
}

function oursAt({ main }: Options, revision: string, dir: string): Contender {
  const tree = addWorktree(ROOT, revision, dir);
  process.on("exit", () => tree.remove());
  return linkerdTcp({
    name: `ours@${tree.commit}`,
    version: `linkerd-tcp at ${tree.commit}`,
    root: tree.root,
    main,
    workers: 1,
  });
}
