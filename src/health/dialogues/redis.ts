// Asks Redis for its role, by ROLE, or by INFO where ROLE is not known or not allowed. Speaks RESP2
// (https://redis.io/docs/latest/develop/reference/protocol-spec/), which every Redis does.
import type { CheckKind } from "../../config/health-types.ts";
import { showBytes } from "../../lib/byte-text.ts";
import { type Dialogue, type DialogueFactory, type Turn, unexpected, WAIT } from "../dialogue.ts";
import { Reply } from "../reply.ts";

type RedisCheck = Extract<CheckKind, { kind: "redis" }>;

const ROLE = command("ROLE");
const INFO = command("INFO", "replication");

export function redisDialogues(check: RedisCheck): DialogueFactory {
  const { user, password } = check;
  const names = user === undefined ? [] : [user];
  const auth = password === undefined ? undefined : command("AUTH", ...names, password);
  return () => new RedisDialogue(check.role, auth);
}

/** A command as RESP wants it. */
function command(...words: readonly string[]): Uint8Array {
  const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  return new TextEncoder().encode(`*${words.length}\r\n${parts.join("")}`);
}

class RedisDialogue implements Dialogue {
  readonly #wanted: RedisCheck["role"];
  readonly #auth: Uint8Array | undefined;
  readonly #reply = new Reply();
  #asked: "auth" | "role" | "info" = "role";
  /** Length of the text that follows; undefined while it is not known. */
  #bulk: number | undefined;

  constructor(wanted: RedisCheck["role"], auth: Uint8Array | undefined) {
    this.#wanted = wanted;
    this.#auth = auth;
  }

  start(): Turn {
    if (this.#auth === undefined) return this.#ask("role");
    this.#asked = "auth";
    return { next: "wait", send: this.#auth };
  }

  onData(bytes: Uint8Array): Turn {
    this.#reply.push(bytes);
    for (;;) {
      const turn = this.#bulk === undefined ? this.#readLine() : this.#readBulk(this.#bulk);
      if (turn !== undefined) return turn;
    }
  }

  soFar(): string {
    const shown = showBytes(this.#reply.rest);
    return shown === "" ? "no reply came" : `it said ${shown}`;
  }

  #ask(what: "role" | "info"): Turn {
    this.#asked = what;
    return { next: "wait", send: what === "role" ? ROLE : INFO };
  }

  /** Undefined: there is more to read. */
  #readLine(): Turn | undefined {
    const line = this.#reply.line();
    if (line === undefined) return WAIT;
    if (line.startsWith("-")) return this.#onError(line.slice(1));
    if (this.#asked === "auth") {
      if (line === "+OK") return this.#ask("role");
    } else if (/^\*[1-9]\d*$/.test(line) && this.#asked === "role") {
      // The role is the first of the list.
      return undefined;
    } else if (/^\$\d{1,9}$/.test(line)) {
      this.#bulk = Number(line.slice(1));
      return undefined;
    }
    return unexpected(`no reply of Redis: ${showBytes(Buffer.from(line, "latin1"))}`);
  }

  #readBulk(length: number): Turn {
    if (this.#reply.length < length) return WAIT;
    const text = Buffer.from(this.#reply.take(length)).toString("latin1");
    if (this.#asked === "role") return this.#verdict(text);
    const [, role] = /^role:(\w+)/m.exec(text) ?? [];
    return role === undefined ? unexpected("INFO tells no role") : this.#verdict(role);
  }

  #onError(error: string): Turn {
    const isOfCommand = /^(?:ERR unknown command|NOPERM)/i.test(error);
    if (this.#asked === "role" && isOfCommand) return this.#ask("info");
    const shown = showBytes(Buffer.from(error, "latin1"), 80);
    const hint = error.startsWith("NOAUTH") ? "; give passwordFile" : "";
    const reason = `Redis says: ${shown}${hint}`;
    const isBusy = error.startsWith("ERR max number of clients");
    return isBusy ? { next: "failed", cause: "busy", reason } : unexpected(reason);
  }

  #verdict(text: string): Turn {
    const role = text === "slave" ? "replica" : text;
    if (role !== "master" && role !== "replica") {
      return unexpected(`its role is ${showBytes(Buffer.from(role, "latin1"))}`);
    }
    if (this.#wanted === "any" || this.#wanted === role) return { next: "passed" };
    return { next: "failed", cause: "role", reason: `it is a ${role}` };
  }
}
