// One question, asked once: of one server, over one transport, with a deadline. Tells its answer from what others send.
import { type Address, formatAddress } from "../../lib/address.ts";
import type { Clock } from "../../lib/clock.ts";
import {
  encodeQuery,
  type Message,
  normalName,
  parseMessage,
  type Question,
  RCODE,
} from "./message.ts";
import type { DnsTransport } from "./transport.ts";

export interface AskParts {
  readonly transport: DnsTransport;
  readonly clock: Clock;
  /** A number from 0 to 65535 that nobody can foresee (RFC 5452 §4.3). */
  readonly randomId: () => number;
}

/** One try. */
export interface Try {
  readonly server: Address;
  readonly question: Question;
  readonly via: keyof DnsTransport;
  readonly edns: boolean;
  readonly timeoutMs: number;
}

export type Reply =
  | { readonly state: "message"; readonly message: Message }
  | {
      readonly state: "failed";
      /** A clause for people that names the server. */
      readonly cause: string;
      /** Whether the server sent something. */
      readonly answered: boolean;
    };

/**
 * Asks, and gives the first message with the id and the question of the query (RFC 5452 §9.1); others are not noticed.
 * Never rejects. When `signal` aborts it is over at once; nothing stays open afterwards.
 */
export function ask(parts: AskParts, attempt: Try, signal?: AbortSignal): Promise<Reply> {
  const { server, question, via, edns, timeoutMs } = attempt;
  const at = `the name server ${formatAddress(server)}`;
  const id = parts.randomId();
  const { promise, resolve } = Promise.withResolvers<Reply>();
  const end = (reply: Reply): void => {
    cancelDeadline();
    signal?.removeEventListener("abort", onAbort);
    close();
    resolve(reply);
  };
  const fail = (cause: string, answered = false): void => end({ state: "failed", cause, answered });
  const onAbort = (): void => fail("the question was withdrawn");
  const close = parts.transport[via](server, encodeQuery(id, question, edns), {
    message(bytes) {
      if (((bytes[0] ?? 0) << 8) + (bytes[1] ?? 0) !== id) return;
      const parsed = parseMessage(bytes);
      if (!parsed.ok) fail(`${at} sent a malformed answer (${parsed.problem})`, true);
      else if (isReplyTo(parsed.message, question)) {
        end({ state: "message", message: parsed.message });
      }
    },
    failed: (code) => fail(`${at} cannot be asked (${code})`),
  });
  const cancelDeadline = parts.clock.after(timeoutMs, () =>
    fail(`${at} did not answer within ${timeoutMs} ms`),
  );
  signal?.addEventListener("abort", onAbort);
  if (signal?.aborted === true) onAbort();
  return promise;
}

function isReplyTo({ isResponse, rcode, questions }: Message, question: Question): boolean {
  if (!isResponse) return false;
  // A server that could not read the question has nothing to repeat.
  if (questions.length === 0) return rcode !== RCODE.noError && rcode !== RCODE.nxDomain;
  const [only] = questions;
  return (
    questions.length === 1 &&
    only?.type === question.type &&
    only.name === normalName(question.name)
  );
}
