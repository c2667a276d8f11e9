// Reads the JUnit report of `bun test`: only what the closing line and the list of skipped tests need.

/** A test that did not run. */
export interface SkippedTest {
  readonly file: string;
  readonly line: number;
  /** With the names of its suites. */
  readonly name: string;
}

/** What one report tells. */
export interface TestReport {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: readonly SkippedTest[];
  /** Every file that reported at least one test. */
  readonly files: ReadonlySet<string>;
}

const TEST_CASE = /<testcase\b([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g;
const ATTRIBUTE = /([\w:]+)="([^"]*)"/g;
const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'" };

/** Reads a report. Text that is none gives a report of no tests. */
export function parseJunit(xml: string): TestReport {
  let passed = 0;
  let failed = 0;
  const skipped: SkippedTest[] = [];
  const files = new Set<string>();
  for (const [, head = "", body = ""] of xml.matchAll(TEST_CASE)) {
    const attributes = new Map(
      [...head.matchAll(ATTRIBUTE)].map(([, key = "", value = ""]) => [key, unescape(value)]),
    );
    const file = attributes.get("file") ?? "";
    const name = [attributes.get("classname"), attributes.get("name")].filter(Boolean).join(" > ");
    files.add(file);
    if (/<(?:failure|error)\b/.test(body)) failed++;
    else if (/<skipped\b/.test(body)) {
      skipped.push({ file, line: Number(attributes.get("line") ?? 0), name });
    } else passed++;
  }
  return { passed, failed, skipped, files };
}

function unescape(text: string): string {
  return text
    .replace(/&#(?:x([\da-f]+)|(\d+));/gi, (_, hex?: string, decimal?: string) =>
      String.fromCodePoint(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16)),
    )
    .replace(/&(lt|gt|quot|apos);/g, (_, name: string) => ENTITIES[name] ?? "")
    .replaceAll("&amp;", "&");
}
