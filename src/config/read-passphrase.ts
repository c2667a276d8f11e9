// A passphrase from the text of its file: one line.
import { failure, type Pem } from "./pem.ts";

/** A newline at the end does not count, everything else does. */
export function readPassphrase(text: string): Pem<string> {
  const value = text.replace(/\r?\n$/, "");
  if (value === "") return failure("expected a passphrase in one line, and it is empty");
  if (/[\0\n\r]/.test(value)) {
    return failure("expected a passphrase in one line, and it has several, or is no text");
  }
  return { ok: true, value };
}
