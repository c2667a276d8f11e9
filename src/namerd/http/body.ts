// Bodies of requests: whole, of bounded size, within bounded time.
import type { IncomingMessage } from "node:http";
import type { Clock } from "../../lib/clock.ts";
import { type ApiAnswer, whole } from "./exchange.ts";
import { ClientGone } from "./first.ts";

/** What namerd's server took. */
const MOST_BYTES = 5 * 2 ** 20;
const TIMEOUT_MS = 30_000;

const CLOSE = { Connection: "close" };

/** The body, or the answer to one that is too large or too slow. Rejects with ClientGone. */
export function readBody(
  message: IncomingMessage,
  clock: Clock,
  signal: AbortSignal,
): Promise<Uint8Array | ApiAnswer> {
  const { headers } = message;
  const hasBody = "content-length" in headers || "transfer-encoding" in headers;
  if (!hasBody) return Promise.resolve(new Uint8Array());
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array | ApiAnswer>();
  const parts: Uint8Array[] = [];
  let bytes = 0;
  const tooLarge = (): void => resolve(whole(413, "", CLOSE));
  if (Number(headers["content-length"] ?? 0) > MOST_BYTES) tooLarge();
  const cancel = clock.after(TIMEOUT_MS, () => resolve(whole(408, "", CLOSE)));
  message.on("data", (part: Uint8Array) => {
    bytes += part.length;
    if (bytes > MOST_BYTES) return tooLarge();
    parts.push(part);
  });
  message.on("end", () => resolve(Buffer.concat(parts)));
  signal.addEventListener("abort", () => reject(new ClientGone()), { once: true });
  return promise.finally(cancel);
}
