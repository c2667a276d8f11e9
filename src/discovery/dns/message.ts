// DNS messages (RFC 1035 §4): the one place where their bytes are read and written. What is read here can be relied on.
import { type Answer, decode, type DecodedPacket, encode, RECURSION_DESIRED } from "dns-packet";
import { canonicalIp } from "../../lib/address.ts";

export type QuestionType = "A" | "AAAA" | "SRV";

/** What is asked for, always in class IN. */
export interface Question {
  /** As `isDnsName` admits it. */
  readonly name: string;
  readonly type: QuestionType;
}

interface Owned {
  /** In lower case, without a dot at the end. */
  readonly name: string;
  readonly ttlMs: number;
}
export interface AddressRecord extends Owned {
  readonly type: "A" | "AAAA";
  /** Canonical IP literal. */
  readonly ip: string;
}
export interface SrvRecord extends Owned {
  readonly type: "SRV";
  /** 0 to 65535; the lowest is tried first. */
  readonly priority: number;
  /** 0 to 65535. */
  readonly weight: number;
  /** 0 to 65535. */
  readonly port: number;
  /** In lower case, without a dot at the end; `.` for the root. */
  readonly target: string;
}
export interface CnameRecord extends Owned {
  readonly type: "CNAME";
  /** In lower case, without a dot at the end. */
  readonly target: string;
}
export interface SoaRecord extends Owned {
  readonly type: "SOA";
  readonly minimumMs: number;
}
/** A record of class IN that this client has a use for; others are left out. */
export type DnsRecord = AddressRecord | SrvRecord | CnameRecord | SoaRecord;

/** A message as a server sends it. */
export interface Message {
  readonly id: number;
  readonly isResponse: boolean;
  /** Whether there was more than fits: it is to be asked for over TCP. */
  readonly truncated: boolean;
  /** With the high bits that EDNS adds (RFC 6891 §6.1.3). */
  readonly rcode: number;
  /** Names in lower case, without a dot at the end. */
  readonly questions: readonly { readonly name: string; readonly type: string }[];
  readonly answers: readonly DnsRecord[];
  readonly authorities: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
}

export type ParsedMessage =
  | { readonly ok: true; readonly message: Message }
  /** `problem` is a clause for people. */
  | { readonly ok: false; readonly problem: string };

export const RCODE = { noError: 0, formErr: 1, servFail: 2, nxDomain: 3, notImp: 4 } as const;
const RCODE_NAMES = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];

/** What people call a response code. */
export function rcodeName(rcode: number): string {
  return RCODE_NAMES[rcode] ?? `the error code ${rcode}`;
}

/** What a server is asked to keep UDP answers to, so that they are not cut up on the way (DNS flag day 2020). */
const UDP_PAYLOAD_BYTES = 1_232;

// RFC 1035 §3.1: a label has up to 63 bytes, a name 255 with its lengths and its end. Beyond host names there are
// underscores and the like; what cannot be printed or would be two labels is refused.
const LABEL = /^[!-\-/-~]{1,63}$/;
const MAX_NAME_CHARS = 253;

/** Whether `text` can be asked for: labels with dots between them, perhaps a dot at the end; not the root. */
export function isDnsName(text: string): boolean {
  const name = withoutEndDot(text);
  return name.length <= MAX_NAME_CHARS && name.split(".").every((label) => LABEL.test(label));
}

/** The form of a name in which equal names are equal strings (RFC 4343: only ASCII letters have two forms). */
export function normalName(text: string): string {
  return withoutEndDot(text).replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** A query that asks the server to find the answer by itself. `edns`: say that larger UDP answers are welcome. */
export function encodeQuery(id: number, question: Question, edns: boolean): Uint8Array {
  return encode({
    type: "query",
    id,
    flags: RECURSION_DESIRED,
    questions: [{ type: question.type, name: withoutEndDot(question.name), class: "IN" }],
    additionals: edns ? [OPT] : [],
  });
}

const OPT: Answer = {
  type: "OPT",
  name: ".",
  udpPayloadSize: UDP_PAYLOAD_BYTES,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
};

/** Reads a message. Any bytes give a message or a problem. */
export function parseMessage(bytes: Uint8Array): ParsedMessage {
  try {
    const packet = decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    // The decoder reads beyond the end without a word.
    if (decode.bytes > bytes.length) return { ok: false, problem: "a record is cut off" };
    return { ok: true, message: checked(packet) };
  } catch (error) {
    return { ok: false, problem: error instanceof Error ? error.message : "cannot be read" };
  }
}

/** Throws where the packet holds what it cannot hold. */
function checked(packet: DecodedPacket): Message {
  const { id = 0, flags = 0, questions = [], additionals = [] } = packet;
  const opt = additionals.find((record) => record.type === "OPT");
  return {
    id,
    isResponse: packet.flag_qr,
    truncated: packet.flag_tc,
    rcode: (flags & 0xf) | ((opt?.extendedRcode ?? 0) << 4),
    questions: questions.map(({ name, type }) => ({ name: normalName(name), type })),
    answers: records(packet.answers),
    authorities: records(packet.authorities),
    additionals: records(additionals),
  };
}

function records(list: readonly Answer[] = []): readonly DnsRecord[] {
  return list.map(readRecord).filter((record) => record !== undefined);
}

function readRecord(answer: Answer): DnsRecord | undefined {
  if (answer.type === "OPT" || answer.class !== "IN") return undefined;
  const owned = { name: normalName(answer.name), ttlMs: millis(answer.ttl) };
  switch (answer.type) {
    case "A":
    case "AAAA":
      return { ...owned, type: answer.type, ip: readIp(answer.data) };
    case "CNAME":
      return { ...owned, type: answer.type, target: normalName(answer.data) };
    case "SRV": {
      const { priority = 0, weight = 0, port, target } = answer.data;
      return { ...owned, type: answer.type, priority, weight, port, target: normalName(target) };
    }
    case "SOA":
      return { ...owned, type: answer.type, minimumMs: millis(answer.data.minimum) };
    default:
      return undefined;
  }
}

function readIp(text: string): string {
  const ip = canonicalIp(text);
  if (ip === undefined) throw new Error("an address is none");
  return ip;
}

/** A time to live; one with its highest bit set counts as 0 (RFC 2181 §8). */
function millis(secs = 0): number {
  return secs < 2 ** 31 ? secs * 1_000 : 0;
}

function withoutEndDot(name: string): string {
  return name.length > 1 && name.endsWith(".") ? name.slice(0, -1) : name;
}
