// Writes docs/reference from the tables in the code. With --check it writes nothing and exits with 1 when a page differs.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { adminPage } from "./docs/admin-page.ts";
import { cliPage } from "./docs/cli-page.ts";
import { configPage, namerdPage } from "./docs/config-page.ts";
import { metricsPage } from "./docs/metrics-page.ts";
import { configJsonSchema, jsonSchemaOf } from "../src/config/json-schema.ts";
import { namerdSchema } from "../src/config/namerd-schema.ts";

const ROOT = join(import.meta.dir, "..");

/** The pages by their path below the root of the repository. */
export function generatePages(): ReadonlyMap<string, string> {
  const pages = new Map([
    ["docs/reference/config.schema.json", JSON.stringify(configJsonSchema(), null, 2)],
    ["docs/reference/config.md", configPage()],
    ["docs/reference/namerd.schema.json", JSON.stringify(jsonSchemaOf(namerdSchema), null, 2)],
    ["docs/reference/namerd.md", namerdPage()],
    ["docs/reference/cli.md", cliPage()],
    ["docs/reference/metrics.md", metricsPage()],
    ["docs/reference/admin-api.md", adminPage()],
  ]);
  return new Map([...pages].map(([path, text]) => [path, formatted(path, text)]));
}

/** The text as `bun fmt` would leave it, so that the formatter never disagrees with this tool. */
function formatted(path: string, text: string): string {
  const { stdout, stderr, exitCode } = Bun.spawnSync(
    [process.execPath, "fmt", "--stdin-filepath", path],
    { cwd: ROOT, stdin: Buffer.from(text) },
  );
  if (exitCode !== 0) throw new Error(`bun fmt refused ${path}: ${stderr.toString()}`);
  return stdout.toString();
}

function main(isCheck: boolean): number {
  let differing = 0;
  for (const [path, text] of generatePages()) {
    const file = join(ROOT, path);
    const isSame = existsSync(file) && readFileSync(file, "utf8") === text;
    if (isSame) continue;
    differing += 1;
    if (isCheck) {
      console.error(`${path} differs from the code: run bun tools/generate-docs.ts`);
      continue;
    }
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    console.log(`wrote ${path}`);
  }
  return isCheck && differing > 0 ? 1 : 0;
}

if (import.meta.main) process.exitCode = main(process.argv.includes("--check"));
