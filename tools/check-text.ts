#!/usr/bin/env bun
// Refuses text that must not be published: paths of one machine, hosts of package registries, a TODO that nobody
// follows up, names that say nothing.
import { join } from "node:path";
import { lineAt } from "./mask-source.ts";
import { type Finding, projectFiles, report, ROOT } from "./source-tree.ts";

const REGISTRIES = [
  String.raw`registry\.(?:npmjs\.org|yarnpkg\.com)|npm\.pkg\.github\.com`,
  String.raw`(?:deb|security|archive)\.debian\.org|archive\.ubuntu\.com`,
  String.raw`pypi\.org|files\.pythonhosted\.org|crates\.io|proxy\.golang\.org|repo1?\.maven\S*`,
];

const REFUSED: readonly { readonly pattern: RegExp; readonly why: string; readonly in?: RegExp }[] =
  [
    {
      pattern: /(?<![\w.~-])\/(?:work|farm)\/|(?<![\w.~-])\/tmp\/exp/g,
      why: "a path of one machine",
    },
    {
      pattern: new RegExp(String.raw`\b(?:${REGISTRIES.join("|")})`, "g"),
      why: "a registry's host",
    },
    {
      pattern: /"resolved": *"https?:/g,
      why: "an address in the lock file (npm config: omit-lockfile-registry-resolved)",
      in: /(?:^|\/)package-lock\.json$/,
    },
    {
      pattern: /(?:\/\/|\/\*|^\s*[#*]).*?\b(?:TODO|FIXME)\b(?!\(#\d+\))/gm,
      why: "needs the number of its issue: TODO(#12)",
      in: /\.(?:[cm]?[jt]s|sh|py|css|html|ya?ml|toml)$/,
    },
  ];

const NAMELESS = /(?:^|[/.-])utils?(?:[/.-]|$)/i;
// They spell what they refuse.
const EXEMPT = new Set(["tools/check-text.ts", "tools/check-text.test.ts"]);

/** What is refused in one file. */
export function textFindings(path: string, text: string): readonly Finding[] {
  if (EXEMPT.has(path)) return [];
  const findings: Finding[] = [];
  if (NAMELESS.test(path)) findings.push({ path, message: "name the file after what it owns" });
  for (const rule of REFUSED) {
    if (rule.in?.test(path) === false) continue;
    for (const match of text.matchAll(rule.pattern)) {
      const message = `"${match[0].trim()}": ${rule.why}`;
      findings.push({ path, line: lineAt(text, match.index), message });
    }
  }
  return findings;
}

/** The text of a file, or nothing when it holds a NUL, as binary files do. */
async function readText(path: string): Promise<string> {
  const text = await Bun.file(join(ROOT, path)).text();
  return text.includes("\0") ? "" : text;
}

if (import.meta.main) {
  const paths = projectFiles();
  const findings = await Promise.all(
    paths.map(async (path) => textFindings(path, await readText(path))),
  );
  report(findings.flat(), `${paths.length} files say nothing they should not`);
}
