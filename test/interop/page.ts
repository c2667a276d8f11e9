// The page with the table of what was tried, and the versions of the stacks it was tried with.
import {
  type Cell,
  CELLS,
  KEYS,
  type Problems,
  type Stack,
  STACKS,
  type Tried,
  VERSIONS,
} from "./cells.ts";

export const PAGE = "docs/reference/tls-interop.md";

/** What was found of a cell. */
export interface Result {
  readonly cell: Cell;
  readonly client: Tried;
  readonly endpoint: Tried;
}

/** The whole page. `versions`: of the stacks. */
export function interopPage(
  results: readonly Result[],
  versions: Readonly<Record<Stack, string>>,
): string {
  return `<!-- Written by test/interop/report.ts from a run. Edits here are lost. -->

# TLS with other stacks

Handshakes of linkerd-tcp with other TLS libraries, each of which is made to speak one version. The tests run all of them;
this page is from a run of the same.

\`\`\`sh
npm test -- test/interop                        # the tests
node_modules/.bin/bun test/interop/report.ts    # writes this page
\`\`\`

| Stack | Version |
| --- | --- |
${STACKS.map((stack) => `| ${stack} | ${versions[stack]} |`).join("\n")}

- **client**: of a server with a key of this type. It verifies the chain and the name, bytes go there and back through the proxy,
  and the end is told by close_notify. Then it connects again with its ticket, which is taken.
- **endpoint**: the proxy connects to it by TLS and verifies its chain and its name, bytes go there and back, and both directions
  end in order. Then the proxy connects again, and resumes the session.

✓: both connections were as they must be.

${VERSIONS.map((version) => section(version, results)).join("\n\n")}

None of these versions knows the hybrid of X25519 and ML-KEM, so that all these handshakes are over X25519 or a curve.
${failures(results)}`;
}

function section(version: Cell["version"], results: readonly Result[]): string {
  const rows = KEYS.map((key) => {
    const cells = STACKS.flatMap((stack) => {
      const found = results.find(
        ({ cell }) => cell.stack === stack && cell.version === version && cell.key === key,
      );
      return [found?.client, found?.endpoint].map(mark);
    });
    return `| ${key} | ${cells.join(" | ")} |`;
  });
  const head = STACKS.flatMap((stack) => [`${stack}: client`, "endpoint"]);
  return `## TLS ${version}

| Key | ${head.join(" | ")} |
| --- | ${head.map(() => ":-:").join(" | ")} |
${rows.join("\n")}`;
}

function mark(tried: Tried | undefined): string {
  if (tried === undefined) return "–";
  return tried.full.length + tried.resumed.length === 0 ? "✓" : "✗";
}

function failures(results: readonly Result[]): string {
  const lines = results.flatMap(({ cell, client, endpoint }) =>
    Object.entries({
      client: client.full,
      "client, resumed": client.resumed,
      endpoint: endpoint.full,
      "endpoint, resumed": endpoint.resumed,
    }).flatMap(([what, problems]: readonly [string, Problems]) =>
      problems.length === 0
        ? []
        : [`- ${cell.stack}, TLS ${cell.version}, ${cell.key}, ${what}: ${problems.join("; ")}`],
    ),
  );
  return lines.length === 0 ? "" : `\n## What was seen where one failed\n\n${lines.join("\n")}\n`;
}

/** How many cells the page has. */
export const MARKS = CELLS.length * 2;
