// Reads the JUnit report of `bun test`: only what the closing lines need.

/** A test, or a hook that failed. */
export interface TestCase {
  readonly file: string;
  /** 0 where the report does not say it: of hooks. */
  readonly line: number;
  /** With the names of its suites. */
  readonly name: string;
}

/** What one report tells. */
export interface TestReport {
  readonly passed: number;
  readonly failed: readonly TestCase[];
  readonly skipped: readonly TestCase[];
  /** Every file that reported at least one test. */
  readonly files: ReadonlySet<string>;
}

const TEST_CASE = /<testcase\b([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g;
const ATTRIBUTE = /([\w:]+)="([^"]*)"/g;
const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'" };

/** Reads a report. Text that is none gives a report of no tests. */
export function parseJunit(xml: string): TestReport {
  let passed = 0;
  const failed: TestCase[] = [];
  const skipped: TestCase[] = [];
  const files = new Set<string>();
  for (const [, head = "", body = ""] of xml.matchAll(TEST_CASE)) {
    const attributes = new Map(
      [...head.matchAll(ATTRIBUTE)].map(([, key = "", value = ""]) => [key, unescape(value)]),
    );
    const file = attributes.get("file") ?? "";
    const name = [attributes.get("classname"), attributes.get("name")].filter(Boolean).join(" > ");
    const testCase = { file, line: Number(attributes.get("line") ?? 0), name };
    files.add(file);
    if (/<(?:failure|error)\b/.test(body)) failed.push(testCase);
    else if (/<skipped\b/.test(body)) skipped.push(testCase);
    else passed++;
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
