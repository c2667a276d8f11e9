// Talks to a namerd on behalf of a person: one request, one answer, and an error that says what went wrong.

const TIMEOUT_MS = 10_000;
/** Longest part of a foreign text that is shown. */
const LONGEST_QUOTE = 300;
/** What is read of an answer at most. */
const LONGEST_ANSWER_BYTES = 16 * 1_024 * 1_024;

/** Levels of JSON in an answer: printing is recursive. A delegation of namerd's 100 steps has less than half of them. */
const DEEPEST_ANSWER = 1_000;

/** A request that did not work. */
export class NamerdError extends Error {
  readonly code: "UNREACHABLE" | "NOT_FOUND" | "CONFLICT" | "REFUSED" | "GARBAGE" | "BAD_NAME";

  constructor(code: NamerdError["code"], message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "NamerdError";
    this.code = code;
  }
}

/** A dtab as namerd keeps it. */
export interface RemoteDtab {
  readonly dentries: readonly { readonly prefix: string; readonly dst: string }[];
  /** As namerd sends it; undefined where it sends none. */
  readonly version: string | undefined;
}

/** The HTTP interface of a namerd. All methods reject with NamerdError. */
export class DtabClient {
  readonly #baseUrl: string;

  /** Such as `http://127.0.0.1:4180`. */
  constructor(baseUrl: string) {
    this.#baseUrl = baseUrl;
  }

  async list(): Promise<readonly string[]> {
    const names = await json(await this.#ask("GET", "/dtabs"));
    if (!Array.isArray(names)) throw garbage("a list of namespaces", names);
    return names.map((name: unknown) => {
      if (typeof name !== "string") throw garbage("the name of a namespace", name);
      return name;
    });
  }

  async get(namespace: string): Promise<RemoteDtab> {
    const response = await this.#ask("GET", `/dtabs/${segmentsOf(namespace)}`, {
      missing: `there is no namespace ${namespace}`,
    });
    const dentries = await json(response);
    if (!Array.isArray(dentries)) throw garbage("a dtab", dentries);
    return {
      dentries: dentries.map(dentryOf),
      version: response.headers.get("etag") ?? undefined,
    };
  }

  /** Creates or replaces; only where the namespace still has `version`, when one is given. */
  async put(namespace: string, dtab: string, version: string | undefined): Promise<void> {
    await this.#ask("PUT", `/dtabs/${segmentsOf(namespace)}`, {
      headers: {
        "content-type": "application/dtab",
        ...(version !== undefined && { "if-match": version }),
      },
      body: dtab,
      missing: `there is no namespace ${namespace}`,
    });
  }

  async delete(namespace: string): Promise<void> {
    await this.#ask("DELETE", `/dtabs/${segmentsOf(namespace)}`, {
      missing: `there is no namespace ${namespace}`,
    });
  }

  /** The steps of a delegation, as namerd's JSON. */
  async delegate(namespace: string, path: string): Promise<unknown> {
    const query = `path=${encodeURIComponent(path)}`;
    return json(await this.#ask("GET", `/delegate/${segmentsOf(namespace)}?${query}`));
  }

  async #ask(
    method: string,
    path: string,
    { headers = {}, body, missing }: AskOptions = {},
  ): Promise<Response> {
    const url = `${this.#baseUrl}/api/1${path}`;
    let response: Response;
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      response = await fetch(url, { method, headers, signal, ...(body !== undefined && { body }) });
    } catch (error) {
      const why = error instanceof Error && "code" in error ? String(error.code) : String(error);
      const message = `cannot reach namerd at ${this.#baseUrl} (${why}); is it running? Start one with: linkerd-tcp namerd`;
      throw new NamerdError("UNREACHABLE", message, error);
    }
    if (response.ok) return response;
    if (response.status === 404 && missing !== undefined)
      throw new NamerdError("NOT_FOUND", missing);
    if (response.status === 412) {
      throw new NamerdError("CONFLICT", "the dtab has changed since that version: get it again");
    }
    const text = quote(await textOf(response));
    const detail = text === "" ? "; its log may say more" : `: ${text}`;
    throw new NamerdError(
      "REFUSED",
      `namerd answered with HTTP status ${response.status}${detail}`,
    );
  }
}

interface AskOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** What status 404 means. */
  readonly missing?: string;
}

/**
 * A namespace as it stands in a URL. namerd takes what stands there as it is, slashes and escapes too, so that a name is
 * sent as `list` shows it.
 */
function segmentsOf(namespace: string): string {
  const segments = namespace.split("/").map(segmentOf);
  // https://url.spec.whatwg.org/#double-dot-path-segment: such a URL would mean another one.
  if (segments.some((segment) => /^(?:\.|%2e){1,2}$/i.test(segment))) {
    throw new NamerdError(
      "BAD_NAME",
      `"${quote(namespace)}" can be no namespace: "." and ".." lead elsewhere in a URL`,
    );
  }
  return segments.join("/");
}

function segmentOf(text: string): string {
  return encodeURI(text.toWellFormed())
    .replace(/[?#]/g, encodeURIComponent)
    .replace(/%25(?=[0-9A-Fa-f]{2})/g, "%");
}

/** The text of an answer, as far as it came before the connection broke. */
async function textOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of response.body ?? []) {
      length += chunk.length;
      if (length > LONGEST_ANSWER_BYTES) break;
      chunks.push(chunk);
    }
  } catch {
    return new TextDecoder().decode(Buffer.concat(chunks));
  }
  if (length > LONGEST_ANSWER_BYTES) {
    throw new NamerdError(
      "GARBAGE",
      `namerd's answer is longer than ${LONGEST_ANSWER_BYTES} bytes: it was not read to its end`,
    );
  }
  return new TextDecoder().decode(Buffer.concat(chunks));
}

async function json(response: Response): Promise<unknown> {
  const text = await textOf(response);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new NamerdError("GARBAGE", `namerd sent no JSON: ${quote(text)}`, error);
  }
  if (isDeeper(value, DEEPEST_ANSWER)) {
    throw new NamerdError("GARBAGE", `namerd sent JSON of more than ${DEEPEST_ANSWER} levels`);
  }
  return value;
}

function isDeeper(value: unknown, levels: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; depth <= levels && level.length > 0; depth += 1) {
    level = level.flatMap((it): unknown[] =>
      typeof it === "object" && it !== null ? Object.values(it) : [],
    );
  }
  return level.length > 0;
}

function garbage(expected: string, value: unknown): NamerdError {
  return new NamerdError(
    "GARBAGE",
    `expected ${expected}, namerd sent ${quote(JSON.stringify(value))}`,
  );
}

function dentryOf(value: unknown): RemoteDtab["dentries"][number] {
  const [prefix, dst] = [field(value, "prefix"), field(value, "dst")];
  if (typeof prefix !== "string" || typeof dst !== "string") throw garbage("a dentry", value);
  return { prefix, dst };
}

function field(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}

/** A foreign text without what a terminal would obey. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]+/gu, " ");
}

/** A foreign text, cut and without what a terminal would obey. */
export function quote(text: string): string {
  const clean = printable(text.slice(0, LONGEST_QUOTE)).trim();
  return text.length > LONGEST_QUOTE ? `${clean}...` : clean;
}
