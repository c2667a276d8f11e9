// Name servers for tests, in place of sockets: each query waits for the test, or for `answering`.
import { type Answer, decode, encode } from "dns-packet";
import type { DnsTransport, MessageListener } from "../../src/discovery/dns/transport.ts";
import type { Address } from "../../src/lib/address.ts";

/** What a server says. */
export interface FakeReply {
  readonly answers?: readonly Answer[];
  readonly authorities?: readonly Answer[];
  readonly additionals?: readonly Answer[];
  readonly rcode?: number;
  readonly truncated?: boolean;
  /** Instead of those of the query. */
  readonly id?: number;
  readonly questions?: readonly { readonly name: string; readonly type: "A" | "AAAA" | "SRV" }[];
}

/** A query as it came. */
export class FakeQuery {
  readonly via: keyof DnsTransport;
  readonly server: Address;
  readonly id: number;
  /** As in `A web.test`. */
  readonly question: string;
  readonly edns: boolean;
  open = true;
  readonly #listener: MessageListener;
  readonly #asked: ReturnType<typeof decode>;

  constructor(
    via: keyof DnsTransport,
    server: Address,
    message: Uint8Array,
    listener: MessageListener,
  ) {
    this.via = via;
    this.server = server;
    this.#asked = decode(Buffer.from(message));
    this.#listener = listener;
    this.id = this.#asked.id ?? 0;
    const [asked] = this.#asked.questions ?? [];
    this.question = `${asked?.type} ${asked?.name}`;
    this.edns = (this.#asked.additionals ?? []).length > 0;
  }

  /** The message that `reply` makes. */
  encode({ rcode = 0, truncated = false, ...reply }: FakeReply): Uint8Array {
    return encode({
      type: "response",
      id: reply.id ?? this.id,
      flags: rcode | (truncated ? 0x200 : 0),
      questions: [...(reply.questions ?? this.#asked.questions ?? [])],
      answers: [...(reply.answers ?? [])],
      authorities: [...(reply.authorities ?? [])],
      additionals: [...(reply.additionals ?? [])],
    });
  }

  reply(reply: FakeReply): void {
    this.send(this.encode(reply));
  }

  send(bytes: Uint8Array): void {
    if (this.open) this.#listener.message(bytes);
  }

  fail(code: string): void {
    if (this.open) this.#listener.failed(code);
  }
}

/** All name servers there are. */
export class FakeDns implements DnsTransport {
  readonly queries: FakeQuery[] = [];
  /** Called for each query, in a later turn. */
  answering: (query: FakeQuery) => void = () => {};

  readonly udp = this.#send("udp");
  readonly tcp = this.#send("tcp");

  /** How many sockets are open. */
  get open(): number {
    return this.queries.filter((query) => query.open).length;
  }

  /** The last query. */
  get last(): FakeQuery {
    const query = this.queries.at(-1);
    if (query === undefined) throw new Error("nobody has asked");
    return query;
  }

  /** Answers from now on with these, by question; `no data` to others. */
  serve(replies: Readonly<Record<string, FakeReply>>): void {
    this.answering = (query) => query.reply(replies[query.question] ?? {});
  }

  #send(via: keyof DnsTransport): DnsTransport["udp"] {
    return (server, message, listener) => {
      const query = new FakeQuery(via, server, message, listener);
      this.queries.push(query);
      queueMicrotask(() => {
        if (query.open) this.answering(query);
      });
      return () => {
        query.open = false;
      };
    };
  }
}

/** Lets whatever is ready happen. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

export const a = (name: string, data: string, ttl = 60): Answer => ({ type: "A", name, data, ttl });
export const aaaa = (name: string, data: string, ttl = 60): Answer => ({
  type: "AAAA",
  name,
  data,
  ttl,
});
export const cname = (name: string, data: string, ttl = 60): Answer => ({
  type: "CNAME",
  name,
  data,
  ttl,
});
export const srv = (
  name: string,
  target: string,
  { port = 80, priority = 0, weight = 0, ttl = 60 } = {},
): Answer => ({ type: "SRV", name, ttl, data: { target, port, priority, weight } });
export const soa = (name: string, ttl: number, minimum: number): Answer => ({
  type: "SOA",
  name,
  ttl,
  data: { mname: "ns.test", rname: "root.test", minimum },
});
