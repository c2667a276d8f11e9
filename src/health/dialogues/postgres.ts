// Logs in to PostgreSQL and asks whether the server is in recovery, that is, no primary.
import { randomBytes } from "node:crypto";
import type { CheckKind } from "../../config/health-types.ts";
import { showBytes } from "../../lib/byte-text.ts";
import { type Dialogue, type DialogueFactory, type Turn, unexpected, WAIT } from "../dialogue.ts";
import { Reply } from "../reply.ts";
import * as message from "./postgres-messages.ts";
import { ScramClient, ScramKeys } from "./scram.ts";

type PostgresCheck = Extract<CheckKind, { kind: "postgres" }>;

/** How the connection is protected: `asked` begins in plain text and goes over to TLS when the server agrees. */
export type PostgresTls = "none" | "asked" | "direct";

const QUERY = message.query("SELECT pg_is_in_recovery()");
/** Larger than any message that a check has to do with. */
const MOST_MESSAGE_BYTES = 65_536;
const SCRAM = "SCRAM-SHA-256";
/** SQLSTATE too_many_connections. */
const TOO_MANY_CONNECTIONS = "53300";

export function postgresDialogues(check: PostgresCheck, tls: PostgresTls): DialogueFactory {
  const keys = check.password === undefined ? undefined : new ScramKeys(check.password);
  return () => new PostgresDialogue(check, tls, keys);
}

class PostgresDialogue implements Dialogue {
  readonly #check: PostgresCheck;
  readonly #tls: PostgresTls;
  readonly #keys: ScramKeys | undefined;
  readonly #reply = new Reply();
  /** Begun, and not ended in good order yet. */
  #scram: ScramClient | undefined;
  #waitsFor: "tls" | "login" | "answer" = "login";

  constructor(check: PostgresCheck, tls: PostgresTls, keys: ScramKeys | undefined) {
    this.#check = check;
    this.#tls = tls;
    this.#keys = keys;
  }

  start(): Turn {
    if (this.#tls !== "asked") return this.#login();
    this.#waitsFor = "tls";
    return { next: "wait", send: message.SSL_REQUEST };
  }

  onTls(): Turn {
    return this.#login();
  }

  onData(bytes: Uint8Array): Turn {
    this.#reply.push(bytes);
    if (this.#waitsFor === "tls") return this.#onTlsAnswer();
    // One message after the other; several that call for an answer cannot come at once.
    for (;;) {
      const turn = this.#readMessage();
      if (turn !== undefined) return turn;
    }
  }

  soFar(): string {
    if (this.#waitsFor === "tls") return "it did not answer whether it speaks TLS";
    return this.#waitsFor === "login" ? "it did not let the check log in" : "it gave no answer";
  }

  #login(): Turn {
    this.#waitsFor = "login";
    return { next: "wait", send: message.startup(this.#check.user, this.#check.database) };
  }

  #onTlsAnswer(): Turn {
    const { rest } = this.#reply;
    const answer = String.fromCharCode(rest[0] ?? 0);
    if (answer === "N") return unexpected("it does not speak TLS (healthCheck.tls)");
    if (answer !== "S") return unexpected(`no PostgreSQL: ${showBytes(rest)}`);
    // Nothing may come before the handshake: it would be taken for protected (CVE-2021-23222).
    if (rest.length > 1) return unexpected("it sent plain text before TLS");
    this.#reply.take(1);
    return { next: "startTls" };
  }

  /** Undefined: the next message is to be read. */
  #readMessage(): Turn | undefined {
    const { rest } = this.#reply;
    const [type = 0] = rest;
    if (rest.length > 0 && !/^[A-Za-z]$/.test(String.fromCharCode(type))) {
      return unexpected(`no PostgreSQL: ${showBytes(rest)}`);
    }
    if (rest.length < 5) return WAIT;
    const length = Buffer.from(rest.subarray(0, 5)).readInt32BE(1);
    if (length < 4 || length > MOST_MESSAGE_BYTES) {
      return unexpected(`no PostgreSQL: ${showBytes(rest)}`);
    }
    if (rest.length < length + 1) return WAIT;
    const body = this.#reply.take(length + 1).subarray(5);
    return this.#onMessage(String.fromCharCode(type), body);
  }

  #onMessage(type: string, body: Uint8Array): Turn | undefined {
    switch (type) {
      case "E":
        return this.#onError(body);
      case "R":
        return this.#waitsFor === "login" ? this.#authenticate(Buffer.from(body)) : undefined;
      case "Z":
        if (this.#waitsFor === "answer") return unexpected("it gave no answer");
        this.#waitsFor = "answer";
        return { next: "wait", send: QUERY };
      case "D":
        return this.#waitsFor === "answer" ? this.#verdict(message.firstColumn(body)) : undefined;
      default:
        // Notices, parameters and the like.
        return undefined;
    }
  }

  #onError(body: Uint8Array): Turn {
    const { text, code } = message.readError(body);
    if (code !== TOO_MANY_CONNECTIONS) return unexpected(text);
    return { next: "failed", cause: "busy", reason: text };
  }

  #authenticate(body: Buffer): Turn | undefined {
    const kind = body.length < 4 ? -1 : body.readInt32BE(0);
    const rest = body.subarray(4);
    const { password } = this.#check;
    if (kind === 0) {
      return this.#scram && unexpected("it let the check log in without knowing the password");
    }
    if (password === undefined || this.#keys === undefined) {
      return unexpected("it asks for a password, and there is no passwordFile");
    }
    switch (kind) {
      case 3:
        if (this.#tls !== "none") return { next: "wait", send: message.password(password) };
        return unexpected("it asks for the password in clear text, which is sent over TLS only");
      case 5: {
        const hashed = message.md5Password(this.#check.user, password, rest.subarray(0, 4));
        return { next: "wait", send: message.password(hashed) };
      }
      case 10:
        return this.#beginScram(rest, this.#keys);
      case 11: {
        const step = this.#scram?.proof(rest.toString("latin1"));
        if (step?.ok === true) return { next: "wait", send: message.saslResponse(step.message) };
        return unexpected(step?.problem ?? "it does not know SCRAM-SHA-256");
      }
      case 12: {
        const knowsPassword = this.#scram?.verify(rest.toString("latin1")) ?? false;
        this.#scram = undefined;
        return knowsPassword ? undefined : unexpected("it does not know the password itself");
      }
      default:
        return unexpected(`it asks for authentication of kind ${kind}, which checks do not know`);
    }
  }

  #beginScram(mechanisms: Buffer, keys: ScramKeys): Turn {
    if (!mechanisms.toString("latin1").split("\0").includes(SCRAM)) {
      return unexpected(`it does not know ${SCRAM}`);
    }
    this.#scram = new ScramClient(keys, randomBytes(18).toString("base64"));
    return { next: "wait", send: message.saslInitial(SCRAM, this.#scram.first()) };
  }

  #verdict(inRecovery: string | undefined): Turn {
    if (inRecovery !== "t" && inRecovery !== "f") return unexpected("it gave no answer");
    const role = inRecovery === "t" ? "replica" : "primary";
    const wanted = this.#check.role;
    const farewell = message.TERMINATE;
    if (wanted === "any" || wanted === role) return { next: "passed", farewell };
    const reason = role === "replica" ? "it is a replica (in recovery)" : "it is the primary";
    return { next: "failed", cause: "role", reason, farewell };
  }
}
