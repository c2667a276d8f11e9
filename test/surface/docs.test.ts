// What the documentation says exists: links, headings, examples, metrics, configurations, the table of layers.
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { CATALOGUE } from "../../src/telemetry/catalogue.ts";
import { MAY_IMPORT } from "../../tools/check-layers.ts";
import { projectFiles, ROOT } from "../../tools/source-tree.ts";
import { issue, makeCa } from "../support/certs.ts";
import { namerdProblemsIn, problemsIn } from "../support/config-text.ts";

/** Written by `npm run bench -- --save`, which takes a machine and its time. */
const PRODUCED = new Set(["docs/benchmark.svg", "bench/results/latest.md"]);

const PAGES = projectFiles()
  .filter((path) => path.endsWith(".md"))
  .map((path) => ({ path, text: readFileSync(join(ROOT, path), "utf8") }));

interface Block {
  readonly place: string;
  /** What stands behind the three backticks. */
  readonly info: string;
  readonly text: string;
}

/** The text of a page without its code blocks, and these. Lines keep their numbers. */
function takeApart(path: string, text: string): { prose: string; blocks: readonly Block[] } {
  const blocks: Block[] = [];
  const prose = text.replace(
    /^```([^\n]*)\n([\s\S]*?)^```$/gm,
    (whole, info: string, body: string, at: number) => {
      const line = text.slice(0, at).split("\n").length;
      blocks.push({ place: `${path}:${line}`, info: info.trim(), text: body });
      return "\n".repeat(whole.split("\n").length - 1);
    },
  );
  return { prose, blocks };
}

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(text: string): ReadonlySet<string> {
  const headings = takeApart("", text).prose.matchAll(/^#+ +(.+)$/gm);
  return new Set(
    Array.from(headings, ([, heading = ""]) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\p{M} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

function brokenLinks(path: string, text: string): readonly string[] {
  const links = takeApart(path, text)
    .prose.replace(/`[^`\n]*`/g, "")
    .matchAll(/\]\(([^()\s]+)\)/g);
  return Array.from(links, ([, target = ""]) => target).filter((target) => {
    if (/^[a-z]+:/.test(target)) return false;
    const [file = "", anchor] = target.split("#");
    const to = file === "" ? path : normalize(join(dirname(path), file));
    if (PRODUCED.has(to)) return false;
    if (to.startsWith("..") || !existsSync(join(ROOT, to))) return true;
    if (anchor === undefined) return false;
    return !anchorsOf(readFileSync(join(ROOT, to), "utf8")).has(anchor);
  });
}

const METRICS = new Set(
  CATALOGUE.flatMap(({ name, kind }) =>
    kind === "histogram" ? [name, `${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
  ),
);

/** `l5d_srv_` with nothing behind it stands for all that begin so. */
function isMetric(name: string): boolean {
  return METRICS.has(name) || (name.endsWith("_") && [...METRICS].some((m) => m.startsWith(name)));
}

describe("documentation", () => {
  test("is looked at", () => {
    expect(PAGES.map(({ path }) => path)).toContain("README.md");
    expect(PAGES.length).toBeGreaterThan(25);
  });

  for (const { path, text } of PAGES) {
    test(`${path} links to what is there`, () => {
      expect(brokenLinks(path, text)).toEqual([]);
    });

    test(`${path} names examples and metrics that exist`, () => {
      const examples = text.match(/\bexamples\/[\w-]+\.(?:yml|json)\b/g) ?? [];
      expect(examples.filter((example) => !existsSync(join(ROOT, example)))).toEqual([]);
      const metrics = text.match(/\b(?:l5d|process)_[a-z0-9_]+/g) ?? [];
      expect(metrics.filter((name) => !isMetric(name))).toEqual([]);
    });
  }
});

describe("a configuration in the documentation", () => {
  const blocks = PAGES.flatMap(({ path, text }) => takeApart(path, text).blocks).filter(
    ({ info, text }) => /^ya?ml\b/.test(info) && /^[^#\s]/m.test(text),
  );
  const whole = blocks.filter(({ info }) => !info.endsWith("fragment"));

  test("is there, whole and in part", () => {
    expect(whole.length).toBeGreaterThan(5);
    expect(blocks.length).toBeGreaterThan(whole.length);
    expect(whole.some(({ info }) => info.endsWith("namerd"))).toBe(true);
  });

  for (const { place, info, text } of whole) {
    test(`${place} loads without a problem`, async () => {
      const files = await filesFor(text);
      const withFolder = text.replace(/^(\s*(?:- )?rootDir:) \S+/gm, "$1 /disco");
      const problems = info.endsWith("namerd") ? namerdProblemsIn : problemsIn;
      expect(problems(withFolder, files)).toEqual([]);
    });
  }

  for (const { place, text } of blocks) {
    test(`${place} is YAML`, () => {
      expect(Bun.YAML.parse(text)).toBeObject();
    });
  }
});

/** A certificate or a key for each PEM file that a configuration names. */
async function filesFor(text: string): Promise<Readonly<Record<string, string>>> {
  const files = text.match(/[\w/-]+\.pem\b/g) ?? [];
  if (files.length === 0) return {};
  const ca = await makeCa();
  const hosts = Array.from(
    text.matchAll(/((?:\*\.)?[\w.-]+\.example\.com)"?:/g),
    ([, host = ""]) => host,
  );
  const names = ["example.com", ...hosts];
  const [ec, rsa] = [await issue(ca, { names }), await issue(ca, { names, algorithm: "rsa" })];
  const contentOf = (name: string): string => {
    const isRsa = name.includes("rsa");
    if (name === "ca.pem") return ca.certPem;
    if (!/\bkey\b|-key/.test(name)) return isRsa ? rsa.certPem : ec.certPem;
    if (!isRsa) return ec.keyPem;
    return text.includes("passphraseFile") ? rsa.encryptedKeyPem : rsa.keyPem;
  };
  return {
    ...Object.fromEntries(files.map((name) => [`/etc/l5d/${name}`, contentOf(name)])),
    "/etc/l5d/passphrase": "secret",
    "/etc/linkerd-tcp/certs/tls.crt": ec.certPem,
    "/etc/linkerd-tcp/certs/tls.key": ec.keyPem,
  };
}

test("ARCHITECTURE.md has the table of layers as the check has it", () => {
  const page = PAGES.find(({ path }) => path === "ARCHITECTURE.md")?.text ?? "";
  const [, table = ""] = /^\| Folder +\| May import.*\n([\s\S]*?)^$/m.exec(page) ?? [];
  const rows = Array.from(table.matchAll(/^\| `([a-z]+)` +\| ([^|]*)\|$/gm), ([, name, names]) => [
    name,
    names?.trim().split(", ").filter(Boolean),
  ]);
  expect(Object.fromEntries(rows)).toEqual(
    Object.fromEntries(Object.entries(MAY_IMPORT).map(([name, list]) => [name, [...list]])),
  );
});
