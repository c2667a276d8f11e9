// Reads the command line: argv in, a command out. Knows the file system only through its argument.
import { extname } from "node:path";
import { parseArgs as tokenize } from "node:util";
import { type Address, canonicalIp, formatAddress, parsePort } from "../lib/address.ts";
import { readHost } from "../naming/endpoint-line.ts";
import { parsePath, printPath } from "../naming/path.ts";
import { suggest } from "../config/suggest.ts";
import type { DtabAction, DtabCommand } from "./dtab.ts";
import type { CommandSpec, OptionSpec } from "./command-spec.ts";
import type { CtlCommand } from "./ctl.ts";
import { readCtl } from "./ctl-args.ts";
import {
  COMMANDS,
  COMMON_OPTIONS,
  type DTAB_OPTIONS,
  commandNamed,
  QUICK_OPTIONS,
  usageHint,
} from "./help.ts";
import { PROGRAM } from "./program.ts";

/** What the command line asks for. */
export type Command =
  | { readonly command: "run"; readonly path: string }
  | QuickCommand
  | { readonly command: "check"; readonly path: string }
  | { readonly command: "demo" }
  | ({ readonly command: "dtab" } & DtabCommand)
  | ({ readonly command: "ctl" } & CtlCommand)
  /** Without a path namerd serves the folder ./tmp.discovery. `check` only reads the file. */
  | { readonly command: "namerd"; readonly path: string | undefined; readonly check: boolean }
  /** `topic` is the name of a command, for the help of that one. */
  | { readonly command: "help"; readonly topic: string | undefined }
  | { readonly command: "version" }
  /** `message` is complete: what is wrong and how it is used, on several lines. */
  | { readonly command: "usage-error"; readonly message: string };

/** The form without a configuration file. */
export interface QuickCommand {
  readonly command: "quick";
  readonly listen: Address;
  readonly namerd: { readonly host: string; readonly port: number };
  readonly admin: Address;
  readonly intervalSecs: number;
  readonly namespace: string;
  readonly windowKb: number;
  /** A path in its canonical form. */
  readonly target: string;
  /** Whether the operand was taken for a name because it can be no file: worth a line in the log. */
  readonly isGuess: boolean;
}

/** What `parseArgs` asks about the file system, to tell a file from a name. */
export interface FileSystemView {
  /** Whether there is something other than a directory: a file, a pipe. */
  readonly isFile: (path: string) => boolean;
  readonly isDirectory: (path: string) => boolean;
}

/** Reads the arguments after the program's name. Never throws. */
export function parseArgs(argv: readonly string[], files: FileSystemView): Command {
  const words = readWords(argv);
  const [first] = words.operands;
  const spec = commandNamed(first);
  if (words.options.has("help")) return { command: "help", topic: spec?.name };
  if (words.options.has("version")) return { command: "version" };
  const wrong = complaint(words, spec?.options ?? QUICK_OPTIONS);
  if (wrong !== undefined) return usageError(wrong);
  if (spec !== undefined) return readCommand(spec, words);
  const isQuick = QUICK_OPTIONS.some(({ long }) => words.options.has(long));
  if (first === undefined) {
    const missing = isQuick
      ? "the target is missing, a name such as /svc/web"
      : "a configuration file is missing";
    return usageError(missing);
  }
  if (words.operands.length > 1) return usageError(tooMany(first, words.operands));
  if (isQuick && files.isFile(first)) {
    return usageError(`${first} is a file; options are for a name, such as /svc/web, in its place`);
  }
  if (isQuick) return readQuick(first, words.options, false);
  if (first === "-" || files.isFile(first)) return { command: "run", path: first };
  if (isNameOnly(first)) return readQuick(first, words.options, true);
  const meant = /^[a-z]+$/.test(first) ? suggest(first, commandNames()) : undefined;
  if (meant !== undefined && !files.isDirectory(first)) {
    return usageError(`there is no file ${first}; did you mean the command ${meant}?`);
  }
  return { command: "run", path: first };
}

interface Words {
  readonly operands: readonly string[];
  /** By long name; the values of all times it was given. A switch has the value undefined. */
  readonly options: ReadonlyMap<string, readonly (string | undefined)[]>;
  /** Options as they were written, which are in no table. */
  readonly unknown: readonly string[];
}

function readWords(argv: readonly string[]): Words {
  const specs = [...COMMANDS.flatMap(({ options }) => options), ...COMMON_OPTIONS];
  const { tokens } = tokenize({
    args: [...argv],
    options: Object.fromEntries(specs.map((spec) => [spec.long, tokenSpec(spec)])),
    strict: false,
    tokens: true,
  });
  const operands: string[] = [];
  const unknown: string[] = [];
  const options = new Map<string, (string | undefined)[]>();
  for (const token of tokens) {
    if (token.kind === "positional") operands.push(token.value);
    if (token.kind !== "option") continue;
    const isKnown = specs.some(({ long }) => long === token.name);
    if (isKnown) options.set(token.name, [...(options.get(token.name) ?? []), token.value]);
    else unknown.push(token.rawName);
  }
  return { operands, options, unknown };
}

function tokenSpec({ short, value }: OptionSpec): { type: "string" | "boolean"; short?: string } {
  const type = value === undefined ? "boolean" : "string";
  return short === undefined ? { type } : { type, short };
}

/** What is wrong with the options, whatever their values mean. */
function complaint(words: Words, allowed: readonly OptionSpec[]): string | undefined {
  const [unknown] = words.unknown;
  if (unknown !== undefined) {
    const known = [...allowed, ...COMMON_OPTIONS].map(({ long }) => `--${long}`);
    const meant = unknown.startsWith("--") ? suggest(unknown, known) : undefined;
    return `unknown option ${unknown}${meant === undefined ? "" : `; did you mean ${meant}?`}`;
  }
  for (const [name, values] of words.options) {
    const spec = allowed.find(({ long }) => long === name);
    if (spec === undefined) return `--${name} does not go with ${words.operands[0]}`;
    if (values.length > 1) return `--${name} is given more than once`;
    const [value] = values;
    if (spec.value === undefined) continue;
    if (value === undefined || value === "" || value.startsWith("-")) {
      return `--${name} needs a value, ${spec.value}`;
    }
  }
  return undefined;
}

function readCommand(spec: CommandSpec, { operands, options }: Words): Command {
  if (spec.name === "dtab") return readDtab(operands.slice(1), options);
  if (spec.name === "ctl") return readControl(operands.slice(1), options);
  const [, path, ...more] = operands;
  const expected = spec.operands.length;
  const extra = expected === 0 ? path : more[0];
  if (extra !== undefined) return usageError(`unexpected ${extra} after ${spec.name}`);
  if (spec.name === "demo") return { command: "demo" };
  const isCheck = options.has("check");
  if (spec.name === "namerd" && !(isCheck && path === undefined)) {
    return { command: "namerd", path, check: isCheck };
  }
  if (path === undefined) return usageError(`${spec.name} needs a configuration file`);
  return { command: "check", path };
}

function readDtab(operands: readonly string[], options: Words["options"]): Command {
  const text = (name: (typeof DTAB_OPTIONS)[number]["long"]): string | undefined =>
    options.get(name)?.[0];
  const [action, ...rest] = operands;
  if (action === undefined) {
    return usageError("dtab needs one of list, get, put, delete and delegate");
  }
  const namerd = parseHostPort(text("namerd-addr") ?? QUICK_OPTIONS[1].default);
  if (namerd === undefined) return wrongValue("namerd-addr", "a host and a port");
  const read = readDtabAction(action, rest, text("namerd-ns"), text("if-version"));
  if (typeof read === "string") return usageError(read);
  return {
    command: "dtab",
    baseUrl: `http://${formatAddress({ ip: namerd.host, port: namerd.port })}`,
    json: options.has("json"),
    action: read,
  };
}

function readControl(operands: readonly string[], options: Words["options"]): Command {
  const values = new Map(Array.from(options, ([name, [value]]) => [name, value]));
  const admin = parseHostPort(values.get("admin-addr") ?? QUICK_OPTIONS[5].default);
  if (admin === undefined) return wrongValue("admin-addr", "a host and a port");
  const read = readCtl(operands, values, admin);
  return typeof read === "string" ? usageError(read) : { command: "ctl", ...read };
}

/** What is asked for, or what is wrong with it. */
function readDtabAction(
  action: string,
  rest: readonly string[],
  option: string | undefined,
  version: string | undefined,
): DtabAction | string {
  const actions: readonly string[] = ["list", "get", "put", "delete", "delegate"];
  if (!actions.includes(action)) {
    const meant = suggest(action, actions);
    return `dtab knows no ${action}${meant === undefined ? "" : `; did you mean ${meant}?`}`;
  }
  if (version !== undefined && action !== "put") return `--if-version goes with put only`;
  const [first, second, ...more] = rest;
  const extra = action === "put" ? more[0] : action === "list" ? first : second;
  if (extra !== undefined) return `unexpected ${extra} after dtab ${action}`;
  const namespace = option ?? "default";
  if (action === "list") return { action };
  if (action === "get") return { action, namespace: first ?? namespace };
  if (action === "delegate") {
    const path = parsePath(first ?? "");
    if (!path.ok) return `dtab delegate needs a path such as /svc/web`;
    return { action, namespace, path: printPath(path.labels) };
  }
  if (action === "delete") {
    return first === undefined ? "dtab delete needs a namespace" : { action, namespace: first };
  }
  if (first === undefined || second === undefined) return "dtab put needs a namespace and a file";
  return { action: "put", namespace: first, file: second, version };
}

function tooMany(first: string, operands: readonly string[]): string {
  const meant = suggest(first, commandNames());
  if (meant !== undefined) return `unknown command ${first}; did you mean ${meant}?`;
  return `unexpected ${operands[1]} after ${first}`;
}

function commandNames(): readonly string[] {
  return COMMANDS.flatMap(({ name }) => (name === undefined ? [] : [name]));
}

/** Whether a name must be meant, as it begins the way names do and would make an odd file. */
function isNameOnly(operand: string): boolean {
  return /^\/(svc|\$|#)\//.test(operand) && parsePath(operand).ok && extname(operand) === "";
}

function readQuick(operand: string, options: Words["options"], isGuess: boolean): Command {
  const text = (name: (typeof QUICK_OPTIONS)[number]["long"]): string =>
    options.get(name)?.[0] ?? QUICK_OPTIONS.find(({ long }) => long === name)?.default ?? "";
  const target = parsePath(operand);
  if (!target.ok || !operand.startsWith("/")) {
    return usageError(`the target must be a name such as /svc/web, not ${operand}`);
  }
  const listen = parseListenAddress(text("listen-addr"));
  if (listen === undefined) return wrongValue("listen-addr", "an IP address and a port");
  const namerd = parseHostPort(text("namerd-addr"));
  if (namerd === undefined) return wrongValue("namerd-addr", "a host and a port");
  const admin = parseListenAddress(text("admin-addr"));
  if (admin === undefined) return wrongValue("admin-addr", "an IP address and a port");
  const intervalSecs = parseCount(text("namerd-interval"));
  if (intervalSecs === undefined) return wrongValue("namerd-interval", "a whole number, 1 or more");
  const windowKb = parseCount(text("window-size-kb"));
  if (windowKb === undefined) return wrongValue("window-size-kb", "a whole number, 1 or more");
  const namespace = text("namerd-ns");
  return {
    command: "quick",
    ...{ listen, namerd, admin, intervalSecs, namespace, windowKb },
    target: printPath(target.labels),
    isGuess,
  };
}

function wrongValue(option: string, expected: string): Command {
  const fallback = QUICK_OPTIONS.find(({ long }) => long === option)?.default;
  return usageError(`--${option} must be ${expected}, such as ${fallback}`);
}

const HOST_AND_PORT = /^(\[[^\]]+\]|[^:]+):(\d{1,5})$/;

/** `ip:port`, where the port may be 0 for a free one. */
function parseListenAddress(text: string): Address | undefined {
  const [, host = "", digits] = HOST_AND_PORT.exec(text) ?? [];
  const ip = canonicalIp(host);
  const port = Number(digits);
  return ip === undefined || port > 65_535 ? undefined : { ip, port };
}

function parseHostPort(text: string): QuickCommand["namerd"] | undefined {
  const [, name = "", digits = ""] = HOST_AND_PORT.exec(text) ?? [];
  const host = readHost(name);
  const port = parsePort(digits);
  return host === undefined || port === undefined ? undefined : { host, port };
}

function parseCount(text: string): number | undefined {
  return /^[1-9][0-9]{0,8}$/.test(text) ? Number(text) : undefined;
}

function usageError(message: string): Command {
  return { command: "usage-error", message: `${PROGRAM}: ${message}\n\n${usageHint()}` };
}
