// Loads configurations from texts, with files that exist only in the test.
import type { LoadResult } from "../../src/config/load-result.ts";
import { loadText } from "../../src/config/load.ts";
import { loadNamerdText } from "../../src/config/load-namerd.ts";
import { formatProblem } from "../../src/config/problems.ts";
import type { FolderEntry, Surroundings } from "../../src/config/surroundings.ts";
import type { Config } from "../../src/config/types.ts";

/** Loads `text` as `/etc/l5d/l5d.yml`. `files` are texts by absolute path; `/disco` is the only directory. */
export function loadConfigText(
  text: string,
  files: Readonly<Record<string, string>> = {},
  environment: Readonly<Record<string, string>> = {},
): LoadResult {
  return loadText(text, "l5d.yml", surroundingsWith(files, environment));
}

function surroundingsWith(
  files: Readonly<Record<string, string>>,
  environment: Readonly<Record<string, string>> = {},
): Surroundings {
  return {
    baseDir: "/etc/l5d",
    readFile(path) {
      const content = files[path];
      if (content === undefined) throw Object.assign(new Error(path), { code: "ENOENT" });
      return content;
    },
    isDirectory: (path) => path === "/disco",
    listFolder: (path) => folderOf(path, files),
    environment: (name) => environment[name],
    systemRoots: () => {
      const file = environment["SSL_CERT_FILE"];
      return file === undefined ? undefined : { file, pem: files[file] ?? "" };
    },
    cores: 8,
    nowMs: Date.now(),
  };
}

function folderOf(path: string, files: Readonly<Record<string, string>>): readonly FolderEntry[] {
  const below = Object.keys(files).filter((file) => file.startsWith(`${path}/`));
  if (below.length === 0) throw Object.assign(new Error(path), { code: "ENOENT" });
  const entries = below.map((file) => {
    const [name = "", ...rest] = file.slice(path.length + 1).split("/");
    return [name, { name, isFolder: rest.length > 0 }] as const;
  });
  return [...new Map(entries.toSorted(([a], [b]) => (a < b ? -1 : 1))).values()];
}

/** All problems, or all warnings of a good configuration, a line each. */
export function problemsIn(
  text: string,
  files?: Readonly<Record<string, string>>,
): readonly string[] {
  const result = loadConfigText(text, files);
  return (result.ok ? result.warnings : result.problems).map(formatProblem);
}

/** The same of a configuration of namerd. */
export function namerdProblemsIn(
  text: string,
  files: Readonly<Record<string, string>> = {},
): readonly string[] {
  const result = loadNamerdText(text, "namerd.yml", surroundingsWith(files));
  return (result.ok ? result.warnings : result.problems).map(formatProblem);
}

/** The configuration, which must be good. */
export function configFrom(text: string, files?: Readonly<Record<string, string>>): Config {
  const result = loadConfigText(text, files);
  if (!result.ok) throw new Error(result.problems.map(formatProblem).join("\n"));
  return result.config;
}
