// What keys there are, and where: for suggestions and for docs/reference/config.md.
import { configJsonSchema, type JsonSchema } from "./json-schema.ts";
import type { ConfigPath } from "./problems.ts";

/** One key of the configuration file. */
export interface ConfigKey {
  /** `routers[].servers[].port`; `<name>` stands for keys that the user chooses. */
  readonly path: string;
  /** The `kind` of the objects that have this key, where the kind decides. */
  readonly kind: string | undefined;
  readonly schema: JsonSchema;
  readonly required: boolean;
}

/** Every key, in the order of the schema, parents before their children. */
export function configKeys(schema: JsonSchema = configJsonSchema()): readonly ConfigKey[] {
  const keys: ConfigKey[] = [];
  collect(schema, "", undefined, keys);
  return keys;
}

/** The keys that an object may have, which stands at `path` in the document `raw`; `root` is the schema. */
export function knownKeys(path: ConfigPath, raw: unknown, root: JsonSchema): readonly string[] {
  let value = raw;
  let schema = narrow(root, value);
  for (const step of path) {
    value = childOf(value, step);
    const below =
      typeof step === "number"
        ? schema?.items
        : (schema?.properties?.[step] ?? (schema?.additionalProperties || undefined));
    if (below === undefined) return [];
    schema = narrow(below, value);
  }
  return Object.keys(schema?.properties ?? {});
}

/** What stands under `step` in an object or a list; undefined when there is no such thing. */
export function childOf(value: unknown, step: string | number): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return undefined;
  return (value as Record<string | number, unknown>)[step];
}

/** What stands at `path`; undefined when nothing does. */
export function valueAt(raw: unknown, path: ConfigPath): unknown {
  return path.reduce((value: unknown, step) => childOf(value, step), raw);
}

/** Of alternatives, the one that `value` was meant to be. */
function narrow(schema: JsonSchema, value: unknown): JsonSchema | undefined {
  if (schema.oneOf !== undefined) {
    const kind = childOf(value, "kind");
    return schema.oneOf.find((variant) => variant.properties?.["kind"]?.const === kind);
  }
  const type = Array.isArray(value) ? "array" : "object";
  return schema.anyOf?.find((variant) => variant.type === type) ?? schema;
}

function collect(
  schema: JsonSchema,
  path: string,
  kind: string | undefined,
  keys: ConfigKey[],
): void {
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const below = path === "" ? name : `${path}.${name}`;
    const required = schema.required?.includes(name) ?? false;
    // What a kind means is said of the whole alternative.
    const described = name === "kind" ? { description: schema.description, ...property } : property;
    keys.push({ path: below, kind, schema: described as JsonSchema, required });
    collect(property, below, undefined, keys);
  }
  if (schema.items !== undefined) collect(schema.items, `${path}[]`, undefined, keys);
  const values = schema.additionalProperties;
  if (values !== undefined && values !== false) collect(values, `${path}.<name>`, undefined, keys);
  for (const variant of schema.oneOf ?? schema.anyOf ?? []) {
    const ofKind = variant.properties?.["kind"]?.const;
    collect(variant, path, typeof ofKind === "string" ? ofKind : undefined, keys);
  }
}
