// The files of the project as the checks see them: what git tracks or would track, read from the disk.
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";

/** The folder of package.json. */
export const ROOT = join(import.meta.dir, "..");

/** Paths from the root, with forward slashes, sorted. Ignored files are left out; so are those just deleted. */
export function projectFiles(root = ROOT): readonly string[] {
  const { stdout, stderr, success } = Bun.spawnSync(
    ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
    { cwd: root },
  );
  if (!success) throw new Error(`cannot list the project's files: ${stderr.toString().trim()}`);
  const paths = new Set(stdout.toString().split("\0"));
  return [...paths].filter((path) => path !== "" && isFile(join(root, path))).sort();
}

/** What is wrong, and where. */
export interface Finding {
  readonly path: string;
  /** From 1; absent when it is about the whole file. */
  readonly line?: number;
  readonly message: string;
}

/** Prints findings as `path:line: message`, then a closing line, and sets the exit code. */
export function report(findings: readonly Finding[], clean: string): void {
  for (const { path, line, message } of findings) {
    console.log(line === undefined ? `${path}: ${message}` : `${path}:${line}: ${message}`);
  }
  if (findings.length === 0) return console.log(clean);
  console.log(`${findings.length} found`);
  process.exitCode = 1;
}

/** Whether the test runner, or only tests, load this file. */
export function isTest(path: string): boolean {
  return path.endsWith(".test.ts") || path.endsWith(".contract.ts");
}

function isFile(path: string): boolean {
  return existsSync(path) && statSync(path).isFile();
}
