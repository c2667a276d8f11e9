// docs/reference/config.md and namerd.md: every key of the configuration files.
import { type JsonSchema, jsonSchemaOf } from "../../src/config/json-schema.ts";
import { type ConfigKey, configKeys } from "../../src/config/keys.ts";
import { namerdSchema } from "../../src/config/namerd-schema.ts";
import { code, GENERATED, page, table } from "./markdown.ts";

/** Sections of the proxy's file. */
const SECTIONS: readonly Section[] = [
  { title: "Top level", holds: (path) => !path.includes(".") },
  { title: "Admin server", holds: (path) => path.startsWith("admin.") },
  { title: "Overload", holds: (path) => path.startsWith("overload.") },
  { title: "Namers", holds: (path) => path.startsWith("namers[].") },
  { title: "Interpreter", holds: (path) => path.startsWith("routers[].interpreter.") },
  { title: "Servers", holds: (path) => path.startsWith("routers[].servers[].") },
  { title: "Client", holds: (path) => path.startsWith("routers[].client.") },
  { title: "Routers", holds: (path) => path.startsWith("routers[].") },
];

const DIFFERENCES = `## Different from linkerd-tcp 0.1, on purpose

A file of 0.1 loads as it is, and means the same, except that:

- A server waits at most 10 seconds for an endpoint (\`connectTimeoutMs\`), and an attempt to connect to an endpoint takes
  at most 3 seconds; both waited for ever. \`0\` means no limit, for every limit of which the table says so.
- Lengths of time have no upper limit; in 0.1 what was longer than 409.6 seconds did not work.
- All keys of a client work under \`io.l5d.static\`; in 0.1 only \`tls\` and \`connectTimeoutMs\` did. Rules that fit the
  same destination are merged key by key (\`failFast\` by its own keys, \`tls\`, \`failureAccrual\` and \`slowStart\` as wholes), and later ones win.
- Keys may be PKCS#8, PKCS#1 or EC (SEC1); without \`trustCerts\` the roots of the system are trusted; \`identities\` need no
  \`defaultIdentity\`; paths of files start from the directory of the configuration file (from the working directory for
  standard input) and no longer always from the working directory.
- \`namespace\` and \`periodSecs\` have defaults.
- These are errors now: the same label or address twice, \`tls\` of a server without an identity, a list of \`trustCerts\`
  without a file, a \`baseUrl\` without \`http://\` or \`https://\`, 0 for \`bufferSizeBytes\`, \`maxConcurrency\`, \`maxWaiters\` or
  \`maxConsecutiveFailures\`, and a key without a value.
- \`metricsIntervalSecs\` has no effect: metrics are always current.`;

function syntax(command: string, schema: string): string {
  return `A file is YAML or, if its first character is \`{\`, JSON. Unknown keys are errors, and ${command} prints all
problems of a file at once. For completion in an editor, \`${schema}\` is the JSON Schema of the file; YAML names
it in its first line:

\`\`\`yaml
# yaml-language-server: $schema=./${schema}
\`\`\``;
}

interface Section {
  readonly title: string;
  readonly holds: (path: string) => boolean;
}

/** Sections of namerd's file. */
const NAMERD_SECTIONS: readonly Section[] = [
  { title: "Top level", holds: (path) => !path.includes(".") },
  { title: "Admin server", holds: (path) => path.startsWith("admin.") },
  { title: "Storage", holds: (path) => path.startsWith("storage.") },
  { title: "Namers", holds: (path) => path.startsWith("namers[].") },
  { title: "Interfaces", holds: (path) => path.startsWith("interfaces[].") },
];

/** The page of the proxy's file, as Markdown. */
export function configPage(): string {
  // The section of routers gathers what the sections below it have not, but is read before them.
  const order = [
    "Top level",
    "Admin server",
    "Overload",
    "Routers",
    "Interpreter",
    "Namers",
    "Servers",
    "Client",
  ];
  const sections = sectionsOf(configKeys(), SECTIONS);
  const sorted = order.flatMap((title) => sections.filter((known) => known.title === title));
  return page(
    GENERATED,
    "# Configuration file",
    syntax("`linkerd-tcp check`", "config.schema.json"),
    ...sorted.map(({ title, keys }) => section(title, keys)),
    DIFFERENCES,
  );
}

/** The page of namerd's file, as Markdown. */
export function namerdPage(): string {
  const sections = sectionsOf(configKeys(jsonSchemaOf(namerdSchema)), NAMERD_SECTIONS);
  return page(
    GENERATED,
    "# Configuration file of namerd",
    syntax("`linkerd-tcp namerd --check`", "namerd.schema.json"),
    ...sections.map(({ title, keys }) => section(title, keys)),
  );
}

function sectionsOf(
  all: readonly ConfigKey[],
  sections: readonly Section[],
): readonly { readonly title: string; readonly keys: readonly ConfigKey[] }[] {
  const left = new Set(all);
  const made = sections.map(({ title, holds }) => {
    const keys = [...left].filter(({ path }) => holds(path));
    for (const key of keys) left.delete(key);
    return { title, keys };
  });
  // What is left falls under no title: a new section is needed.
  const [lost] = left;
  if (lost !== undefined) throw new Error(`no section of the reference holds ${lost.path}`);
  return made;
}

function section(title: string, keys: readonly ConfigKey[]): string {
  const rows = keys.map((key) => [
    code(key.path),
    typeOf(key.schema),
    key.required ? "**required**" : defaultOf(key.schema),
    meaningOf(key),
  ]);
  return `## ${title}\n\n${table(["Key", "Type", "Default", "Meaning"], rows)}`;
}

function typeOf(schema: JsonSchema): string {
  if (schema.const !== undefined) return code(String(schema.const));
  if (schema.oneOf !== undefined) return "object, by `kind`";
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(" or ");
  switch (schema.type) {
    case "array":
      return `list of ${schema.items === undefined ? "anything" : plural(typeOf(schema.items))}`;
    case "object":
      return schema.additionalProperties ? "object, by name" : "object";
    case "integer":
      return `whole number${rangeOf(schema)}`;
    case "number":
      return `number${rangeOf(schema)}`;
    case "string":
      return "text";
    default:
      return schema.type ?? "";
  }
}

function plural(type: string): string {
  return type.replace(/^(text|object)/, "$1s");
}

function rangeOf({ minimum, maximum }: JsonSchema): string {
  if (minimum === undefined) return "";
  return maximum === undefined ? `, ${minimum} or more` : `, ${minimum} to ${maximum}`;
}

function defaultOf({ default: value }: JsonSchema): string {
  const isEmptyObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return value === undefined || isEmptyObject
    ? ""
    : code(JSON.stringify(value).replaceAll('"', ""));
}

function meaningOf({ schema, kind, path }: ConfigKey): string {
  const meaning = schema.description ?? "";
  if (kind === undefined || path.endsWith(".kind")) return meaning;
  return `${meaning} (${code(kind)})`;
}
