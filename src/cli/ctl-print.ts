// What the admin port answers, as lines for people. The answer is foreign text: it may come from another version.
import { isRecord } from "../lib/json.ts";
import { printable } from "./dtab-client.ts";

/** The list of connections, as a table. */
export function connectionLines(answer: unknown): readonly string[] {
  const rows = listOf(answer, "connections");
  const total = numberOf(answer, "total");
  const missing = numberOf(answer, "missingWorkers");
  const note =
    missing === 0 ? [] : [`${missing} of the workers did not answer: theirs are not here`];
  if (rows.length === 0) return ["no connections", ...note];
  const lines = table(
    ["ID", "CLIENT", "SERVER", "DESTINATION", "ENDPOINT", "STATE", "AGE", "IDLE", "RX", "TX"],
    rows.map((row) => [
      ...["id", "client", "server", "dst", "endpoint", "state"].map((key) => textOf(row, key)),
      duration(numberOf(row, "ageSeconds")),
      duration(numberOf(row, "idleSeconds")),
      size(numberOf(row, "rxBytes")),
      size(numberOf(row, "txBytes")),
    ]),
  );
  const more = total > rows.length ? [`${total - rows.length} more; see --limit`] : [];
  return [...lines, ...more, ...note];
}

/** What became of a request to end connections. */
export function endingLine(answer: unknown): string {
  const total = numberOf(answer, "total");
  const left = numberOf(answer, "left");
  const what = total === 1 ? "1 connection" : `${total} connections`;
  return left === 0 ? `${what} ended` : `${what} are being ended, ${left} left`;
}

/** The overrides, as a table beside what names say. */
export function overrideLines(answer: unknown): readonly string[] {
  const rows = Array.isArray(answer) ? answer : [];
  if (rows.length === 0) return ["no overrides: everything is as the names say"];
  return table(
    ["ENDPOINT", "WHERE", "WEIGHT", "ENABLED", "EXPIRES", "THE NAME SAYS"],
    rows.map((row: unknown) => [
      textOf(row, "endpoint"),
      where(row),
      textOf(row, "weight"),
      textOf(row, "enabled"),
      expiry(row),
      listOf(row, "applies")
        .map((at) => `${textOf(at, "dst")} weight ${textOf(at, "resolvedWeight")}`)
        .join(", ") || "the endpoint is in no destination now",
    ]),
  );
}

/** What a reload changes, or has changed. */
export function planLines(answer: unknown): readonly string[] {
  const lines = [...listOf(answer, "problems"), ...listOf(answer, "summary")];
  const result = `${textOf(answer, "result")}: ${textOf(answer, "message")}`;
  return [result, ...lines.map((line) => printable(String(line)))];
}

function where(row: unknown): string {
  const parts = [textOf(row, "router"), textOf(row, "dst")].filter((text) => text !== "-");
  return parts.join(" ") || "everywhere";
}

function expiry(row: unknown): string {
  const seconds = isRecord(row) ? row["expiresInSeconds"] : undefined;
  return typeof seconds === "number" ? `in ${duration(seconds)}` : "never";
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const all = [head, ...rows];
  const widths = head.map((_, at) => Math.max(...all.map((row) => (row[at] ?? "").length)));
  return all.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

/** Such as `4s`, `12m` and `3h`. */
function duration(seconds: number): string {
  if (seconds < 60) return `${Math.floor(seconds)}s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3_600)}h` : `${Math.floor(seconds / 86_400)}d`;
}

/** Such as `512`, `4.0K` and `1.5G`. */
function size(bytes: number): string {
  const units = ["", "K", "M", "G", "T"];
  let value = bytes;
  let unit = 0;
  while (value >= 1_024 && unit < units.length - 1) {
    value /= 1_024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)}${units[unit]}`;
}

function listOf(value: unknown, key: string): readonly unknown[] {
  const list = isRecord(value) ? value[key] : undefined;
  return Array.isArray(list) ? list : [];
}

function textOf(value: unknown, key: string): string {
  const field = isRecord(value) ? value[key] : undefined;
  return field === undefined || field === null ? "-" : printable(String(field));
}

function numberOf(value: unknown, key: string): number {
  const field = isRecord(value) ? value[key] : undefined;
  return typeof field === "number" ? field : 0;
}
