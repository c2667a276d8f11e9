// Talks to a namerd on behalf of a person: one request, one answer, and an error that says what went wrong.

const TIMEOUT_MS = 10_000;
/** Longest part of a foreign text that is shown. */
const LONGEST_QUOTE = 300;

/** A request that did not work. */
export class NamerdError extends Error {
  readonly code: "UNREACHABLE" | "NOT_FOUND" | "CONFLICT" | "REFUSED" | "GARBAGE";

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
    return names.map(String);
  }

  async get(namespace: string): Promise<RemoteDtab> {
    const response = await this.#ask("GET", `/dtabs/${encodeURIComponent(namespace)}`, {
      missing: `there is no namespace ${namespace}`,
    });
    const dentries = await json(response);
    if (!Array.isArray(dentries)) throw garbage("a dtab", dentries);
    return {
      dentries: dentries.map((dentry) => ({
        prefix: String(field(dentry, "prefix")),
        dst: String(field(dentry, "dst")),
      })),
      version: response.headers.get("etag") ?? undefined,
    };
  }

  /** Creates or replaces; only where the namespace still has `version`, when one is given. */
  async put(namespace: string, dtab: string, version: string | undefined): Promise<void> {
    await this.#ask("PUT", `/dtabs/${encodeURIComponent(namespace)}`, {
      headers: {
        "content-type": "application/dtab",
        ...(version !== undefined && { "if-match": version }),
      },
      body: dtab,
      missing: `there is no namespace ${namespace}`,
    });
  }

  async delete(namespace: string): Promise<void> {
    await this.#ask("DELETE", `/dtabs/${encodeURIComponent(namespace)}`, {
      missing: `there is no namespace ${namespace}`,
    });
  }

  /** The steps of a delegation, as namerd's JSON. */
  async delegate(namespace: string, path: string): Promise<unknown> {
    const query = `path=${encodeURIComponent(path)}`;
    return json(await this.#ask("GET", `/delegate/${encodeURIComponent(namespace)}?${query}`));
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
    const text = quote(await response.text().catch(() => ""));
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

async function json(response: Response): Promise<unknown> {
  const text = await response.text().catch(() => "");
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new NamerdError("GARBAGE", `namerd sent no JSON: ${quote(text)}`, error);
  }
}

function garbage(expected: string, value: unknown): NamerdError {
  return new NamerdError(
    "GARBAGE",
    `expected ${expected}, namerd sent ${quote(JSON.stringify(value))}`,
  );
}

function field(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}

/** A foreign text, cut and without what a terminal would obey. */
export function quote(text: string): string {
  const clean = text
    .slice(0, LONGEST_QUOTE)
    .replace(/[\p{Cc}\p{Cf}]+/gu, " ")
    .trim();
  return text.length > LONGEST_QUOTE ? `${clean}...` : clean;
}
