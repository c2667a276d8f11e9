// The command `dtab`: what a namerd holds, for people and for scripts.
import { readFileSync } from "node:fs";
import { whyUnreadable } from "../config/surroundings.ts";
import { parseDtab, printDtab } from "../naming/dtab.ts";
import { DtabClient, NamerdError, printable, type RemoteDtab } from "./dtab-client.ts";
import { delegationLines } from "./dtab-tree.ts";
import { EXIT } from "./exit-codes.ts";
import type { Output } from "./output.ts";

/** What is asked of a namerd. */
export type DtabAction =
  | { readonly action: "list" }
  | { readonly action: "get"; readonly namespace: string }
  | {
      readonly action: "put";
      readonly namespace: string;
      /** A file, or `-` for standard input. */
      readonly file: string;
      /** Replace only this version; undefined for any. */
      readonly version: string | undefined;
    }
  | { readonly action: "delete"; readonly namespace: string }
  | { readonly action: "delegate"; readonly namespace: string; readonly path: string };

export interface DtabCommand {
  readonly baseUrl: string;
  readonly json: boolean;
  readonly action: DtabAction;
}

/** Runs the command; resolves with the exit code. */
export async function dtab(command: DtabCommand, output: Output): Promise<number> {
  try {
    return await perform(command, new DtabClient(command.baseUrl), output);
  } catch (error) {
    if (!(error instanceof NamerdError)) throw error;
    output.err(`linkerd-tcp: ${error.message}\n`);
    return error.code === "UNREACHABLE" ? EXIT.unavailable : EXIT.refused;
  }
}

async function perform(
  { action, json }: DtabCommand,
  client: DtabClient,
  output: Output,
): Promise<number> {
  switch (action.action) {
    case "list": {
      const namespaces = await client.list();
      output.out(json ? jsonLine(namespaces) : namespaces.map(lineOf).join(""));
      return EXIT.ok;
    }
    case "get": {
      const remote = await client.get(action.namespace);
      output.out(json ? jsonLine({ namespace: action.namespace, ...remote }) : dtabText(remote));
      return EXIT.ok;
    }
    case "put":
      return put(action, json, client, output);
    case "delete":
      await client.delete(action.namespace);
      output.out(json ? jsonLine({ deleted: action.namespace }) : `deleted ${action.namespace}\n`);
      return EXIT.ok;
    case "delegate": {
      const tree = await client.delegate(action.namespace, action.path);
      output.out(json ? jsonLine(tree) : `${delegationLines(tree).join("\n")}\n`);
      return EXIT.ok;
    }
    default:
      return action satisfies never;
  }
}

async function put(
  { namespace, file, version }: DtabAction & { readonly action: "put" },
  json: boolean,
  client: DtabClient,
  output: Output,
): Promise<number> {
  const name = file === "-" ? "<stdin>" : file;
  let text: string;
  try {
    text = file === "-" ? await Bun.stdin.text() : readFileSync(file, "utf8");
  } catch (error) {
    output.err(`linkerd-tcp: ${name}: ${whyUnreadable(error)}\n`);
    return EXIT.noInput;
  }
  const parsed = parseDtab(text);
  if (!parsed.ok) {
    output.err(`${name}:${parsed.line}:${parsed.column}: error: ${parsed.message}\n`);
    return EXIT.badConfig;
  }
  if (parsed.dtab.length === 0) {
    output.err(`${name}: error: there are no rules in it; dtab delete takes a namespace away\n`);
    return EXIT.badConfig;
  }
  await client.put(namespace, printDtab(parsed.dtab), version);
  const remote = await client.get(namespace);
  output.out(json ? jsonLine({ namespace, ...remote }) : dtabText(remote));
  return EXIT.ok;
}

/** A rule on each line, arrows under each other; the version as a comment, so that the text can be put again. */
function dtabText({ dentries, version }: RemoteDtab): string {
  const width = dentries.reduce((most, { prefix }) => Math.max(most, prefix.length), 0);
  const rules = dentries.map(({ prefix, dst }) => lineOf(`${prefix.padEnd(width)} => ${dst} ;`));
  const comment = version === undefined ? "" : lineOf(`# version ${version}`);
  return `${comment}${rules.join("")}`;
}

function lineOf(foreign: string): string {
  return `${printable(foreign)}\n`;
}

function jsonLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
