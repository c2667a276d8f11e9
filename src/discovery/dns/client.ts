// The DNS client: asks several name servers in turn until one answers, by TCP what does not fit into a datagram.
import { type Address, formatAddress } from "../../lib/address.ts";
import { answerOf, type DnsAnswer, type MessageAnswer } from "./answer.ts";
import { ask, type AskParts, type Reply, type Try } from "./ask.ts";
import { type Question, RCODE } from "./message.ts";

/** Who is asked, and how patiently. */
export interface DnsSettings {
  /** In the order in which they are tried. */
  readonly servers: readonly Address[];
  /** How long one try may take. */
  readonly timeoutMs: number;
  /** How often each server is tried, 1 or more. */
  readonly attempts: number;
}

export interface DnsClientParts extends Omit<AskParts, "randomId"> {
  /** Asked for each question, as the servers may change. Never rejects. */
  readonly settings: () => DnsSettings | Promise<DnsSettings>;
  /** The system's secure generator when not given. */
  readonly randomId?: () => number;
}

/** Asks DNS questions; what `lookupAddresses` and the namer need of the client. */
export interface DnsQuerier {
  /** Never rejects; an abort makes it `failed` soon. */
  query(question: Question, signal?: AbortSignal): Promise<DnsAnswer>;
}

/** Questions under way at a time, each with a socket of its own; others wait for their turn. */
const MOST_AT_A_TIME = 32;

/** A client without a cache: how long an answer is good is for those to know who ask. */
export class DnsClient implements DnsQuerier {
  readonly #parts: AskParts;
  readonly #settings: DnsClientParts["settings"];
  readonly #waiting: (() => void)[] = [];
  #underWay = 0;
  /** Which server comes first: the one that answered last. */
  #first = 0;

  constructor({ transport, clock, settings, randomId = secureId }: DnsClientParts) {
    this.#parts = { transport, clock, randomId };
    this.#settings = settings;
  }

  async query(question: Question, signal?: AbortSignal): Promise<DnsAnswer> {
    await this.#turn();
    try {
      return await this.#askAll(question, signal);
    } finally {
      // The turn is handed on, so that nobody who comes right now takes it.
      const next = this.#waiting.shift();
      if (next === undefined) this.#underWay--;
      else next();
    }
  }

  async #turn(): Promise<void> {
    if (this.#underWay < MOST_AT_A_TIME) {
      this.#underWay++;
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    await promise;
  }

  async #askAll(question: Question, signal: AbortSignal | undefined): Promise<DnsAnswer> {
    const { servers, timeoutMs, attempts } = await this.#settings();
    const causes = new Map<Address, string>();
    let answered = false;
    const first = this.#first;
    for (let step = 0; step < attempts * servers.length; step++) {
      if (signal?.aborted === true) break;
      const index = (first + step) % servers.length;
      const server = servers[index];
      if (server === undefined) break;
      const answer = await this.#askOne(server, question, timeoutMs, signal);
      if (answer.state !== "failed") {
        this.#first = index;
        return answer;
      }
      causes.set(server, answer.cause);
      answered ||= answer.answered;
    }
    const cause = causes.size === 0 ? "there is no name server" : [...causes.values()].join("; ");
    return { state: "failed", cause, answered };
  }

  /** One server's word: over TCP where UDP is too small, without EDNS where it is not understood. */
  async #askOne(
    server: Address,
    question: Question,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<DnsAnswer> {
    const tell = (how: Pick<Try, "via" | "edns">): Promise<Reply> =>
      ask(this.#parts, { server, question, timeoutMs, ...how }, signal);
    let edns = true;
    let reply = await tell({ via: "udp", edns });
    // RFC 6891 §7: so answers a server that knows no EDNS.
    if (reply.state === "message" && isPuzzled(reply.message.rcode)) {
      edns = false;
      reply = await tell({ via: "udp", edns });
    }
    if (reply.state === "message" && reply.message.truncated) {
      reply = await tell({ via: "tcp", edns });
    }
    if (reply.state === "failed") return reply;
    if (reply.message.truncated) {
      const cause = `the name server ${formatAddress(server)} cut its answer off, over TCP too`;
      return { state: "failed", cause, answered: true };
    }
    return withServer(answerOf(reply.message, question), server);
  }
}

function isPuzzled(rcode: number): boolean {
  return rcode === RCODE.formErr || rcode === RCODE.notImp;
}

function withServer(answer: MessageAnswer, server: Address): DnsAnswer {
  if (answer.state !== "refused") return answer;
  const cause = `the name server ${formatAddress(server)} answered ${answer.error}`;
  return { state: "failed", cause, answered: true };
}

function secureId(): number {
  return crypto.getRandomValues(new Uint16Array(1))[0] ?? 0;
}
