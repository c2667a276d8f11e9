// Another commit of ours as a source tree: the rule is to measure a change beside the commit before it.
import { symlinkSync } from "node:fs";
import { join } from "node:path";

/** A checked-out commit. */
export interface Worktree {
  readonly root: string;
  readonly commit: string;
  /** Takes it away again. */
  remove(): void;
}

/** Checks out `revision` of the repository at `repository` below `dir`, with the packages of the working tree. */
export function addWorktree(repository: string, revision: string, dir: string): Worktree {
  const commit = git(repository, "rev-parse", "--short", "--verify", `${revision}^{commit}`);
  const root = join(dir, `at-${commit}`);
  git(repository, "worktree", "add", "--detach", "--quiet", root, commit);
  symlinkSync(join(repository, "node_modules"), join(root, "node_modules"));
  return {
    root,
    commit,
    remove: () => void git(repository, "worktree", "remove", "--force", root),
  };
}

/** The short commit of the tree at `repository`, with a plus sign when src differs from it. */
export function commitOf(repository: string): string {
  const commit = git(repository, "rev-parse", "--short", "HEAD");
  return git(repository, "status", "--porcelain", "--", "src", "bin") === ""
    ? commit
    : `${commit}+`;
}

function git(repository: string, ...argv: readonly string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(["git", "-C", repository, ...argv]);
  if (exitCode !== 0) throw new Error(`git ${argv.join(" ")}: ${stderr.toString().trim()}`);
  return stdout.toString().trim();
}
