// What to say of a key that is not known: what it is called, what was probably meant, or where it belongs.
import { configJsonSchema, type JsonSchema } from "./json-schema.ts";
import { childOf, type ConfigKey, configKeys, knownKeys, valueAt } from "./keys.ts";
import { type ConfigPath, formatPath, show } from "./problems.ts";
import { suggest } from "./suggest.ts";

/** Names that keys had in earlier versions, or in wrong documents. */
const EARLIER_NAMES: Readonly<Record<string, string>> = {
  addr: "ip and port",
  bufferSize: "bufferSizeBytes",
  certPath: "certs",
  certPaths: "certs",
  dstPath: "dstName",
  intervalSecs: "periodSecs",
  keyPath: "privateKey",
  name: "dnsName",
  namerd: "interpreter",
  path: "dstName",
  privateKeyPath: "privateKey",
  requeueBudget: "retries",
  trustCertPaths: "trustCerts",
  url: "baseUrl",
};

/** Hints about keys of one document. Looks at the schema only when asked, and only once. */
export class KeyHints {
  readonly #raw: unknown;
  readonly #schema: () => JsonSchema;
  #lookup: { readonly schema: JsonSchema; readonly keys: readonly ConfigKey[] } | undefined;

  constructor(raw: unknown, schema: () => JsonSchema = configJsonSchema) {
    this.#raw = raw;
    this.#schema = schema;
  }

  /** A clause, with a semicolon before it, about `key` in the object at `path`; empty when there is nothing to say. */
  about(path: ConfigPath, key: string): string {
    const { schema } = this.#tables();
    const known = knownKeys(path, this.#raw, schema);
    const earlier = Object.hasOwn(EARLIER_NAMES, key) ? EARLIER_NAMES[key] : undefined;
    if (earlier !== undefined && earlier.split(" and ").every((name) => known.includes(name))) {
      return `; it is called ${earlier} now`;
    }
    const here = valueAt(this.#raw, path);
    const absent = known.filter((name) => childOf(here, name) === undefined);
    const meant = suggest(key, absent) ?? suggest(key, known);
    if (meant !== undefined) return `; did you mean ${show(meant)}?`;
    const places = this.#placesOf(key, path);
    if (places.length > 0) return `; it belongs in ${places.join(" or ")}`;
    return known.length === 0 ? "" : `; the keys here are ${known.join(", ")}`;
  }

  /** The objects that have a key of this name; only those inside the object at `path`, when there are such. */
  #placesOf(key: string, path: ConfigPath): readonly string[] {
    const all = this.#tables()
      .keys.filter((known) => known.path === key || known.path.endsWith(`.${key}`))
      .map((known) => {
        const place = known.path === key ? "the top level" : known.path.slice(0, -key.length - 1);
        return known.kind === undefined ? place : `${place} of kind ${known.kind}`;
      });
    const places = [...new Set(all)];
    const here = formatPath(path).replace(/\[\d+\]/g, "[]");
    const inside = places.filter((place) => place.startsWith(here));
    return here !== "" && inside.length > 0 ? inside : places;
  }

  #tables(): { readonly schema: JsonSchema; readonly keys: readonly ConfigKey[] } {
    if (this.#lookup !== undefined) return this.#lookup;
    const schema = this.#schema();
    this.#lookup = { schema, keys: configKeys(schema) };
    return this.#lookup;
  }
}
