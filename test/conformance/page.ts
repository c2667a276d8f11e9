// The page that tells what the suite found: a table of cases and proxies, and what was seen where one failed.
import { CASES, SCENARIOS } from "./cases.ts";
import type { Trial, Verdict } from "./run.ts";
import type { Case, TlsMode } from "./script.ts";
import type { Subject } from "./subjects.ts";

export const PAGE = "docs/reference/conformance.md";

export interface TrialResult {
  readonly trial: Trial;
  readonly verdict: Verdict;
}

/** What was found of one proxy. */
export interface Column {
  readonly subject: Subject;
  readonly results: readonly TrialResult[];
}

const SHORT: Readonly<Record<TlsMode, string>> = {
  plain: "plain",
  "tls-client": "client",
  "tls-endpoint": "endpoint",
  "tls-both": "both",
};

/** The name of a case as its row begins. */
export function rowName({ name }: Case): string {
  return name;
}

/** The whole page. */
export function conformancePage(columns: readonly Column[]): string {
  return `<!-- Written by test/conformance/report.ts from a run. Edits here are lost. -->

# Conformance

What a TCP proxy owes the two ends of a connection: every byte, in order, and how the other end ended. Each case makes
connections through a proxy, with Python's sockets and \`ssl\` at both ends, and says what each end must see. The tests of
linkerd-tcp run all of them; this page has a run of the same against others.

\`\`\`sh
npm test -- test/conformance                               # linkerd-tcp
node_modules/.bin/bun test/conformance/report.ts           # all, and writes this page
node_modules/.bin/bun test/conformance/report.ts --only=HAProxy
\`\`\`

Each case is run in plain TCP, with TLS 1.3 from the client, with TLS to the endpoint, and with both. ✓: all of these
passed. ✗: none did. Otherwise those that failed are named: \`plain\`, \`client\`, \`endpoint\`, \`both\`.

| Proxy | Version | Configuration | Passed |
| --- | --- | --- | --- |
${columns.map(subjectRow).join("\n")}

A reset must be told as a reset, or, to who speaks TLS, as an end without close_notify: both say that the stream is cut
off. A good end is FIN, and with TLS close_notify. Resets are races, so that a few results of the others change from run to
run; this page has one run.

## Cases

| Case, and who begins | ${columns.map(({ subject }) => subject.name).join(" | ")} |
| --- | ${columns.map(() => "---").join(" | ")} |
${CASES.map((row) => caseRow(row, columns)).join("\n")}

## What they are

${SCENARIOS.map(({ name, says }) => `- **${name}**: ${ofEither(says)}`).join("\n")}

## What was seen where a case failed
${columns.map(failures).join("\n")}
`;
}

function subjectRow({ subject, results }: Column): string {
  const passed = results.filter(({ verdict }) => verdict.length === 0).length;
  const { name, version, configured } = subject;
  return `| ${name} | ${version} | ${configured} | ${passed} of ${results.length} |`;
}

function caseRow(row: Case, columns: readonly Column[]): string {
  const cells = columns.map(({ results }) => {
    const own = results.filter(({ trial }) => trial.case === row);
    const failed = own.filter(({ verdict }) => verdict.length > 0);
    if (failed.length === 0) return "✓";
    if (failed.length === own.length) return "✗";
    return `✗ ${failed.map(({ trial }) => SHORT[trial.mode]).join(", ")}`;
  });
  return `| ${rowName(row)} | ${cells.join(" | ")} |`;
}

function failures({ subject, results }: Column): string {
  const lines = CASES.flatMap((row) => {
    const failed = results.filter(({ trial, verdict }) => trial.case === row && verdict.length > 0);
    const byPhrase = Map.groupBy(failed, ({ verdict }) => verdict.map(steady).join("; "));
    return [...byPhrase].map(([phrase, group]) => {
      const modes = group.map(({ trial }) => SHORT[trial.mode]).join(", ");
      return `- ${rowName(row)} (${modes}): ${phrase}`;
    });
  });
  return `\n### ${subject.name}\n\n${lines.length === 0 ? "Nothing." : lines.join("\n")}`;
}

/** A scenario's sentence, whichever end begins. */
function ofEither(says: string): string {
  return says
    .replaceAll("The {by}", "One end")
    .replaceAll("the {by}", "that end")
    .replaceAll("{other}", "other");
}

/** Without what differs from run to run. */
function steady(phrase: string): string {
  return phrase
    .replace(/got (\d+) of (\d+) bytes/, (whole, got: string) =>
      got === "0"
        ? "got none of the bytes"
        : whole.includes("of 1 bytes")
          ? whole
          : "got a part of the bytes",
    )
    .replace(/ \(_ssl\.c:\d+\)/, "");
}
