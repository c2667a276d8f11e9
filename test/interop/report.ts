#!/usr/bin/env bun
// Tries every cell, and writes docs/reference/tls-interop.md.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../support/tls/tools.ts";
import { CELLS, type Stack } from "./cells.ts";
import { interopPage, PAGE, type Result } from "./page.ts";
import { Interop } from "./run.ts";

const ROOT = join(import.meta.dir, "../..");

const VERSION: Readonly<Record<Stack, readonly string[]>> = {
  OpenSSL: ["openssl", "version"],
  GnuTLS: ["gnutls-cli", "--version"],
  "Node.js": ["node", "-p", "`${process.version}, with OpenSSL ${process.versions.openssl}`"],
  Python: [
    "python3",
    "-c",
    "import ssl,platform;print(platform.python_version()+', with '+ssl.OPENSSL_VERSION)",
  ],
};

async function versionOf(stack: Stack): Promise<string> {
  const { stdout } = await run(VERSION[stack]);
  return (stdout.split("\n")[0] ?? "").replace(/ \(Library.*/, "").replace(/ \d+ \w+ \d{4}$/, "");
}

async function main(): Promise<number> {
  await using interop = await Interop.start();
  const results = await Promise.all(
    CELLS.map(async (cell): Promise<Result> => {
      const [tried, endpoint] = await Promise.all([interop.client(cell), interop.endpoint(cell)]);
      return { cell, client: tried, endpoint };
    }),
  );
  const versions: Record<Stack, string> = {
    OpenSSL: await versionOf("OpenSSL"),
    GnuTLS: await versionOf("GnuTLS"),
    "Node.js": await versionOf("Node.js"),
    Python: await versionOf("Python"),
  };
  const { stdout } = Bun.spawnSync([process.execPath, "fmt", "--stdin-filepath", PAGE], {
    cwd: ROOT,
    stdin: Buffer.from(interopPage(results, versions)),
  });
  writeFileSync(join(ROOT, PAGE), stdout);
  console.log(`wrote ${PAGE}`);
  const failed = results.some(({ client, endpoint }) =>
    [client.full, client.resumed, endpoint.full, endpoint.resumed].some(({ length }) => length > 0),
  );
  return failed ? 1 : 0;
}

process.exitCode = await main();
