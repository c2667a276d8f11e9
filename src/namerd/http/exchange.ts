// A request to the HTTP API and its answer, apart from the server that carries them.
import type { Params } from "./params.ts";

/** The endpoints of the API, as metrics name them. */
export type Endpoint =
  "dtabs" | "bind" | "addr" | "resolve" | "delegate" | "bound-names" | "unknown";

/** A whole request. */
export interface ApiRequest {
  readonly method: string;
  /** As it was sent, neither decoded nor normalised, without the query. */
  readonly path: string;
  readonly params: Params;
  /** The value of a header, by its name in lower case; undefined when it was not sent. */
  readonly header: (name: string) => string | undefined;
  readonly body: Uint8Array;
  /** Aborts when the client has gone, or the answer is complete. */
  readonly signal: AbortSignal;
}

/** Takes the values of a watch. Only the last of those that the client has not read yet is kept. */
export interface LineSink {
  /** A line with its newline. One that is equal to the last is not sent again. */
  send(line: Uint8Array): void;
  /** Ends the answer, after `text` as its last line where it is given. */
  end(text?: string): void;
}

export type Headers = Readonly<Record<string, string>>;

/** An answer: whole, or a watch, whose lines come until the request's signal aborts or the sink is ended. */
export type ApiAnswer =
  | {
      readonly kind: "whole";
      readonly status: number;
      readonly headers: Headers;
      readonly body: Uint8Array | string;
    }
  | {
      readonly kind: "watch";
      readonly headers: Headers;
      readonly follow: (sink: LineSink) => void;
    };

export const JSON_TYPE = "application/json";

/** A whole answer. No media type is said of most of them: clients of namerd know what they asked for. */
export function whole(
  status: number,
  body: Uint8Array | string = "",
  headers: Headers = {},
): ApiAnswer {
  return { kind: "whole", status, headers, body };
}

/** A whole answer of JSON. */
export function json(body: Uint8Array | string): ApiAnswer {
  return whole(200, body, { "Content-Type": JSON_TYPE });
}

/** What a tree is answered with that is too long to be written. */
export const TOO_LONG = "The answer would be longer than 16 MiB.";

/** Nobody could say: the cause is for the log, the answer is empty as namerd's is. */
export class SourceFailure extends Error {
  readonly code = "SOURCE_FAILED";

  constructor(cause: string) {
    super(cause);
    this.name = "SourceFailure";
  }
}
