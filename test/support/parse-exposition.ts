// A strict reader of the Prometheus text format 0.0.4, independent of the writer in src/telemetry/prometheus.ts.
// Stricter than Prometheus: it insists on HELP and TYPE, on sorted labels and on whole histograms.

/** One sample: a line that is no comment. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface ParsedFamily {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly samples: Sample[];
}

/** Reads a whole page; throws an Error that names the line on the first thing that is not right. */
export function parseExposition(text: string): ParsedFamily[] {
  if (text === "") return [];
  if (!text.endsWith("\n")) throw new Error("no line end at the end");
  const families: ParsedFamily[] = [];
  const lines = text.slice(0, -1).split("\n");
  for (let at = 0; at < lines.length;) {
    const family = parseHead(lines[at], lines[at + 1]);
    if (families.some(({ name }) => name === family.name))
      throw new Error(`${family.name} comes twice`);
    at += 2;
    for (; at < lines.length && !lines[at]?.startsWith("#"); at++)
      family.samples.push(parseSample(lines[at] ?? "", family));
    checkFamily(family);
    families.push(family);
  }
  return families;
}

function parseHead(helpLine = "", typeLine = ""): ParsedFamily {
  const help = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) ((?:[^\\]|\\\\|\\n)*)$/.exec(helpLine);
  const type = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(typeLine);
  if (help === null) throw new Error(`not a HELP line: ${helpLine}`);
  if (type === null || type[1] !== help[1]) throw new Error(`not its TYPE line: ${typeLine}`);
  return { name: help[1] ?? "", help: unescape(help[2] ?? ""), type: type[2] ?? "", samples: [] };
}

function parseSample(line: string, family: ParsedFamily): Sample {
  const parts = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.+)\})? (\S+)$/s.exec(line);
  if (parts === null) throw new Error(`not a sample: ${line}`);
  const [, name = "", labels = "", value = ""] = parts;
  const suffixes = family.type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
  if (!suffixes.some((suffix) => name === family.name + suffix))
    throw new Error(`not of ${family.name}: ${line}`);
  return { name, labels: parseLabels(labels, line), value: parseValue(value, line) };
}

function parseLabels(text: string, line: string): Record<string, string> {
  const labels: Record<string, string> = {};
  const pair = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\\\|\\"|\\n)*)"(,(?=.)|$)/sy;
  let last = "";
  while (pair.lastIndex < text.length) {
    const found = pair.exec(text);
    if (found === null) throw new Error(`bad labels: ${line}`);
    const [, name = "", value = ""] = found;
    if (name <= last) throw new Error(`labels not sorted: ${line}`);
    labels[name] = unescape(value);
    last = name;
  }
  return labels;
}

function parseValue(text: string, line: string): number {
  if (text === "NaN") return Number.NaN;
  if (text === "+Inf") return Number.POSITIVE_INFINITY;
  if (text === "-Inf") return Number.NEGATIVE_INFINITY;
  if (!/^-?\d+(\.\d+)?(e[+-]\d+)?$/.test(text)) throw new Error(`bad value: ${line}`);
  if (Number.isInteger(Number(text)) && text.includes("e"))
    throw new Error(`an integer with an exponent: ${line}`);
  return Number(text);
}

function unescape(text: string): string {
  return text.replace(/\\(.)/gs, (_, character: string) => (character === "n" ? "\n" : character));
}

function checkFamily(family: ParsedFamily): void {
  if (family.samples.length === 0) throw new Error(`${family.name} has no samples`);
  const seen = new Set<string>();
  for (const { name, labels } of family.samples) {
    const key = JSON.stringify([name, labels]);
    if (seen.has(key)) throw new Error(`twice: ${key}`);
    seen.add(key);
  }
  if (family.type === "histogram") checkHistogram(family);
}

function checkHistogram({ name, samples }: ParsedFamily): void {
  const series = Map.groupBy(samples, ({ labels: { le: _, ...rest } }) => JSON.stringify(rest));
  for (const [key, all] of series) {
    const buckets = all.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels }) => parseValue(labels["le"] ?? "", key));
    const isRising = (numbers: readonly number[], strictly: boolean): boolean =>
      numbers.every((number, at) => {
        const before = numbers[at - 1] ?? Number.NEGATIVE_INFINITY;
        return strictly ? number > before : number >= before;
      });
    if (!isRising(bounds, true)) throw new Error(`${name} ${key}: bounds do not rise`);
    if (bounds.at(-1) !== Number.POSITIVE_INFINITY) throw new Error(`${name} ${key}: no +Inf`);
    const counts = buckets.map(({ value }) => value);
    if (!isRising(counts, false)) throw new Error(`${name} ${key}: counts fall`);
    const count = all.filter((sample) => sample.name === `${name}_count`);
    const sum = all.filter((sample) => sample.name === `${name}_sum`);
    if (sum.length !== 1) throw new Error(`${name} ${key}: not one sum`);
    if (count.length !== 1 || count[0]?.value !== counts.at(-1))
      throw new Error(`${name} ${key}: the count is not that of +Inf`);
  }
}
