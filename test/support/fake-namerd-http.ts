// What FakeNamerd reads and writes: requests, its misbehaviours, and their bytes in HTTP/1.1.

/** What happens to the next requests, in place of an ordinary answer. */
export type Behaviour =
  /** As namerd does. */
  | { readonly kind: "normal" }
  /** The request is taken and never answered. */
  | { readonly kind: "hang" }
  /** The head of a stream, and nothing after it. */
  | { readonly kind: "headOnly" }
  /** The connection is reset instead of an answer. */
  | { readonly kind: "reset" }
  /** This status for all requests, or for those with `watch` only. */
  | {
      readonly kind: "status";
      readonly status: number;
      readonly headers?: string;
      readonly body?: string;
      readonly watchOnly?: boolean;
    }
  /** A 200 answer that promises its whole length and ends, or just stops, after `bytes` of the body. */
  | { readonly kind: "truncate"; readonly bytes: number; readonly then: "close" | "stall" }
  /** An ordinary answer in HTTP chunks of `bytes` each, every one in a packet of its own. */
  | { readonly kind: "split"; readonly bytes: number }
  /** This body in place of the value: chunked, and clean at its end if it ends. */
  | { readonly kind: "body"; readonly body: string | Uint8Array; readonly then: "end" | "keep" }
  /** These bytes in place of an HTTP answer. */
  | { readonly kind: "raw"; readonly bytes: string; readonly then: "close" | "keep" | "reset" };

/** A request as it came. */
export interface FakeRequest {
  readonly method: string;
  /** As on the request line. */
  readonly target: string;
  /** What follows `/api/1/`: `bind`, `addr`, `resolve`; empty for anything else. */
  readonly call: string;
  readonly namespace: string;
  readonly path: string;
  readonly watch: boolean;
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
}

/** What is sent at the head of a stream. */
export const STREAM_HEAD =
  "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";

/** What ends a chunked body. */
export const STREAM_END = "0\r\n\r\n";

/** A text as UTF-8. */
export function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** One HTTP chunk. */
export function chunk(body: string | Uint8Array): Uint8Array {
  const bytes = typeof body === "string" ? encode(body) : body;
  return Buffer.concat([encode(`${bytes.length.toString(16)}\r\n`), bytes, encode("\r\n")]);
}

/** A 200 answer with its length. */
export function wholeAnswer(body: string): Uint8Array {
  const length = encode(body).length;
  return encode(
    `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n${body}`,
  );
}

/** An answer with another status. */
export function statusAnswer(status: number, body = "", headers = ""): Uint8Array {
  const length = encode(body).length;
  return encode(
    `HTTP/1.1 ${status} Scripted\r\n${headers}Content-Length: ${length}\r\n\r\n${body}`,
  );
}

/** Reads the head of a request. */
export function parseRequest(head: string): FakeRequest {
  const [requestLine = "", ...headerLines] = head.split("\r\n");
  const [method = "", target = ""] = requestLine.split(" ");
  const known = /^\/api\/1\/(bind|addr|resolve)\/([^?]*)/.exec(target);
  const [, call = "", namespace = ""] = known ?? [];
  const query = new URL(target, "http://namerd").searchParams;
  const headers = new Map<string, string>();
  for (const line of headerLines) {
    const colon = line.indexOf(":");
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  // True for 1, t and true in any case (reference/namerd-and-linkerd.md 1.2).
  const watch = /^(1|t|true)$/i.test(query.get("watch") ?? "");
  return { method, target, call, namespace, path: query.get("path") ?? "", watch, headers };
}
