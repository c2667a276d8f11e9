// How a log entry becomes one line. Whatever stands in it, it stays one line, and no part can pass for another.
import type { LogFields, LogLevel } from "./log.ts";

/** What a line says. */
export interface LogEntry {
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  readonly level: LogLevel;
  readonly module: string;
  readonly message: string;
  readonly fields: LogFields;
}

/** `json` for programs, `text` for people, `colour` for people at a terminal. */
export type LogStyle = "json" | "text" | "colour";

/** The longest line in bytes: PIPE_BUF, up to which a pipe takes lines of several threads whole, pipe(7). */
export const MAX_LINE_BYTES = 4096;

/** The lengths that texts are cut to, one after another, until the line is short enough. */
const CUTS = [MAX_LINE_BYTES, 512, 64];

/** Control and format characters (such as those that turn the direction of writing), other line ends, half surrogates. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

const ESCAPES: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

const COLOURS: Readonly<Record<LogLevel, number>> = {
  error: 31,
  warn: 33,
  info: 32,
  debug: 34,
  trace: 90,
};

/** JSON's own names in a line; fields of these names get a `_` behind. */
const RESERVED: ReadonlySet<string> = new Set(["ts", "level", "module", "msg"]);

/** The entry as one line with its newline, at most MAX_LINE_BYTES long: longer texts are cut, then fields left out. */
export function logLine(entry: LogEntry, style: LogStyle): string {
  const format = style === "json" ? jsonLine : textLine;
  for (const cut of CUTS) {
    const line = format(entry, cut, style);
    if (Buffer.byteLength(line) <= MAX_LINE_BYTES) return line;
  }
  return format({ ...entry, fields: { truncated: true } }, 64, style);
}

function jsonLine(entry: LogEntry, cut: number): string {
  const pairs = [
    `"ts":"${isoTime(entry.timeMs)}"`,
    `"level":"${entry.level}"`,
    `"module":${quoted(entry.module, cut)}`,
    `"msg":${quoted(entry.message, cut)}`,
  ];
  for (const [name, value] of Object.entries(entry.fields)) {
    if (value === undefined) continue;
    pairs.push(`${quoted(RESERVED.has(name) ? `${name}_` : name, cut)}:${jsonValue(value, cut)}`);
  }
  return `{${pairs.join(",")}}\n`;
}

function textLine(entry: LogEntry, cut: number, style: LogStyle): string {
  const colour = (code: number, text: string): string =>
    style === "colour" ? `\u001b[${code}m${text}\u001b[0m` : text;
  const parts = [
    colour(2, isoTime(entry.timeMs)),
    colour(COLOURS[entry.level], entry.level.toUpperCase().padEnd(5)),
    colour(1, escaped(shortened(entry.module, cut))),
    escaped(shortened(entry.message, cut)),
  ];
  for (const [name, value] of Object.entries(entry.fields)) {
    if (value !== undefined) parts.push(`${colour(2, `${bare(name, cut)}=`)}${bare(value, cut)}`);
  }
  return `${parts.join(" ")}\n`;
}

function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

function jsonValue(value: string | number | boolean, cut: number): string {
  if (typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value)))
    return String(value);
  return quoted(String(value), cut);
}

/** As it is where nothing can be misread, else in quotes. */
function bare(value: string | number | boolean, cut: number): string {
  const text = String(value);
  return /^[^\s"=\\]+$/.test(text) && text.search(UNSAFE) < 0 && text.length <= cut
    ? text
    : quoted(text, cut);
}

function quoted(text: string, cut: number): string {
  return escaped(JSON.stringify(shortened(text, cut)));
}

function shortened(text: string, cut: number): string {
  return text.length <= cut ? text : `${text.slice(0, cut)}…`;
}

function escaped(text: string): string {
  return text.replace(UNSAFE, (character) => ESCAPES[character] ?? hexEscapes(character));
}

function hexEscapes(character: string): string {
  // In UTF-16 units, as JSON has it: a character beyond U+FFFF takes two.
  return character.replace(
    /[^]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
