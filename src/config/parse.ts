// From text to a file that fits the schema, or to everything that is wrong with it.
import type { z } from "zod";
import { readDocument } from "./document.ts";
import { IssueReporter } from "./issues.ts";
import { jsonSchemaOf } from "./json-schema.ts";
import { childOf } from "./keys.ts";
import type { ProblemList } from "./problems.ts";
import { PrunedDocument } from "./prune.ts";
import { type File, fileSchema } from "./schema.ts";

/** The result of reading a text that should hold a `T`. */
export interface Parsed<T> {
  /** What the schema accepts; without the refused parts when there are problems; undefined when nothing is left. */
  readonly file: T | undefined;
  /** The document as it was written, as plain data. */
  readonly raw: unknown;
  /** What was found so far. Paths of `file` may be given to it, whatever was taken out. */
  readonly problems: ProblemList;
}

export type ParsedFile = Parsed<File>;

/** Where a file of 0.0.x is sent to. */
const MIGRATION_GUIDE = "docs/guide/from-linkerd-tcp.md";

const MOST_ROUNDS = 30;

/** Reads the text of `name`, YAML or JSON. Never throws, whatever the text. */
export function parseConfig(text: string, name: string): ParsedFile {
  const { raw, problems } = readDocument(text, name);
  if (raw === undefined) return { file: undefined, raw, problems };
  if (raw === null) {
    problems.error([], "the file is empty: expected an object with the key routers");
    return { file: undefined, raw, problems };
  }
  if (childOf(raw, "proxies") !== undefined) {
    problems.keyError(
      ["proxies"],
      `this is a configuration of linkerd-tcp 0.0.x; ${MIGRATION_GUIDE} says how to write it now`,
    );
    return { file: undefined, raw, problems };
  }
  if (childOf(raw, "routers") === undefined && childOf(raw, "interfaces") !== undefined) {
    problems.keyError(
      ["interfaces"],
      "this is a configuration of namerd: run it with linkerd-tcp namerd",
    );
    return { file: undefined, raw, problems };
  }
  return { file: fit(raw, fileSchema, problems), raw, problems };
}

/**
 * What `schema` accepts of a document, everything else noted as a problem; undefined when nothing is left. Paths of it may
 * be given to `problems`, whatever was taken out.
 */
export function fit<Schema extends z.ZodType>(
  raw: unknown,
  schema: Schema,
  problems: ProblemList,
): z.output<Schema> | undefined {
  const result = schema.safeParse(raw);
  if (result.success) return result.data;
  const reporter = new IssueReporter(raw, problems, () => jsonSchemaOf(schema));
  for (const issue of result.error.issues) reporter.report(issue);
  return acceptable(raw, schema, problems);
}

/** What the schema accepts of a document that it refuses as a whole. */
function acceptable<Schema extends z.ZodType>(
  raw: unknown,
  schema: Schema,
  problems: ProblemList,
): z.output<Schema> | undefined {
  const pruned = new PrunedDocument(raw);
  problems.followPruning((path) => pruned.original(path));
  // Taking out a value may leave its parent without a required key, and so on up: never further than the schema is deep.
  for (let round = 0; round < MOST_ROUNDS && pruned.value !== undefined; round += 1) {
    const result = schema.safeParse(pruned.value);
    if (result.success) return result.data;
    pruned.remove(result.error.issues);
  }
  return undefined;
}

/** Text from bytes; undefined when they are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
