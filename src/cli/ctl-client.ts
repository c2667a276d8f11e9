// Talks to the admin port of a running proxy: one request, one answer, and an error that says what went wrong.
import { isRecord, parseJson } from "../lib/json.ts";
import { quote } from "./dtab-client.ts";

/** A reload waits for files, an upgrade for a new process. */
const TIMEOUT_MS = 120_000;

/** A request that did not work. */
export class AdminError extends Error {
  readonly code: "UNREACHABLE" | "REFUSED";

  constructor(code: AdminError["code"], message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "AdminError";
    this.code = code;
  }
}

/** Any JSON, or a text where that is none. */
export type AdminAnswer = unknown;

export class AdminClient {
  readonly #baseUrl: string;

  /** Such as `http://127.0.0.1:9989`. */
  constructor(baseUrl: string) {
    this.#baseUrl = baseUrl;
  }

  /** Rejects with AdminError. */
  get(
    path: string,
    keys: Readonly<Record<string, string | boolean | null>> = {},
  ): Promise<AdminAnswer> {
    const query = new URLSearchParams(
      Object.entries(keys).map(([key, value]): [string, string] => [key, String(value)]),
    );
    const suffix = query.size === 0 ? "" : `?${query}`;
    return this.#ask("GET", `${path}${suffix}`, undefined);
  }

  /** Rejects with AdminError. */
  post(path: string, body: Readonly<Record<string, unknown>>): Promise<AdminAnswer> {
    return this.#ask("POST", path, JSON.stringify(body));
  }

  async #ask(method: string, path: string, body: string | undefined): Promise<AdminAnswer> {
    let response: Response;
    let text: string;
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const headers = { "Content-Type": "application/json" };
      response = await fetch(`${this.#baseUrl}${path}`, {
        method,
        signal,
        ...(body !== undefined && { body, headers }),
      });
      text = await response.text();
    } catch (error) {
      const why = error instanceof Error && "code" in error ? String(error.code) : String(error);
      const message = `cannot reach the admin port at ${this.#baseUrl} (${why}); --admin-addr says where it is`;
      throw new AdminError("UNREACHABLE", message, error);
    }
    const value = parseJson(text);
    if (!response.ok) throw new AdminError("REFUSED", refusal(response.status, value, text));
    return value ?? text;
  }
}

function refusal(status: number, value: unknown, text: string): string {
  const { error, message, problems } = isRecord(value) ? value : { error: text };
  const lines = [error, message, ...(Array.isArray(problems) ? problems : [])];
  const said = lines.filter((line): line is string => typeof line === "string" && line !== "");
  const shown = said.flatMap((line) => line.trim().split("\n")).map(quote);
  return shown.join("\n") || `the admin port answered with HTTP status ${status}`;
}
