// Messages of PostgreSQL's protocol 3.0 (https://www.postgresql.org/docs/current/protocol-message-formats.html), as far
// as a check needs them.
import { createHash } from "node:crypto";

/** Asks for TLS; the server answers with one byte. */
export const SSL_REQUEST = concat(int32(8), int32(80_877_103));
/** Ends the connection in good order. */
export const TERMINATE = frame("X", Buffer.alloc(0));

export function startup(user: string, database: string): Buffer {
  const names = ["user", user, "database", database, "application_name", "linkerd-tcp"];
  const body = concat(int32(196_608), ...names.map(cString), Buffer.alloc(1));
  return concat(int32(body.length + 4), body);
}

export function query(sql: string): Buffer {
  return frame("Q", cString(sql));
}

export function password(text: string): Buffer {
  return frame("p", cString(text));
}

/** The password as `md5` authentication wants it. */
export function md5Password(user: string, secret: string, salt: Uint8Array): string {
  const md5 = (...parts: readonly (string | Uint8Array)[]): string => {
    const hash = createHash("md5");
    for (const part of parts) hash.update(part);
    return hash.digest("hex");
  };
  return `md5${md5(md5(secret, user), salt)}`;
}

export function saslInitial(mechanism: string, response: string): Buffer {
  const body = Buffer.from(response);
  return frame("p", concat(cString(mechanism), int32(body.length), body));
}

export function saslResponse(response: string): Buffer {
  return frame("p", Buffer.from(response));
}

/** What an error says: `FATAL: the database system is starting up (57P03)`, and its code. */
export function readError(body: Uint8Array): { readonly text: string; readonly code: string } {
  const fields = new Map<string, string>();
  for (const field of Buffer.from(body).toString("utf8").split("\0")) {
    fields.set(field.slice(0, 1), field.slice(1));
  }
  const [code = "no code"] = /^[0-9A-Z]{5}$/.exec(fields.get("C") ?? "") ?? [];
  const severity = fields.get("V") ?? fields.get("S") ?? "ERROR";
  const said = `${severity}: ${(fields.get("M") ?? "").slice(0, 200)}`;
  // One line, whoever wrote it.
  return { text: `${said.replaceAll(/\p{Cc}+/gu, " ")} (${code})`, code };
}

/** The first column of a row as text; undefined when it is NULL or there is none. */
export function firstColumn(body: Uint8Array): string | undefined {
  const row = Buffer.from(body);
  if (row.length < 6 || row.readInt16BE(0) < 1) return undefined;
  const length = row.readInt32BE(2);
  return length < 0 ? undefined : row.toString("utf8", 6, Math.min(row.length, 6 + length));
}

function frame(type: string, body: Buffer): Buffer {
  return concat(Buffer.from(type), int32(body.length + 4), body);
}

function cString(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function concat(...parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat(parts);
}
