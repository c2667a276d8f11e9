// Sends a text, where there is one, and looks at the reply.
import type { CheckKind, Expectation } from "../../config/health-types.ts";
import { BytePattern } from "../../lib/byte-pattern.ts";
import { showBytes } from "../../lib/byte-text.ts";
import { type Dialogue, type DialogueFactory, type Turn, unexpected, WAIT } from "../dialogue.ts";

/** So much of a reply is shown when it was not as expected. */
const SHOWN_BYTES = 60;

export function exchangeDialogues({
  send,
  expect,
}: Extract<CheckKind, { kind: "exchange" }>): DialogueFactory {
  const newMatcher = matcherFactory(expect);
  return () => new Exchange(send, newMatcher());
}

interface Matcher {
  feed(bytes: Uint8Array): "open" | "matched" | "impossible";
}

function matcherFactory(expect: Expectation): () => Matcher {
  if (expect.kind === "prefix") return () => new PrefixMatcher(expect.bytes);
  const compiled = BytePattern.compile(expect.source, expect.ignoreCase);
  // The configuration has compiled it already.
  if (!compiled.ok) return () => ({ feed: () => "impossible" });
  return () => compiled.pattern.matcher();
}

class PrefixMatcher implements Matcher {
  readonly #expected: Uint8Array;
  #seen = 0;

  constructor(expected: Uint8Array) {
    this.#expected = expected;
  }

  feed(bytes: Uint8Array): "open" | "matched" | "impossible" {
    for (const byte of bytes) {
      if (this.#seen === this.#expected.length) break;
      if (byte !== this.#expected[this.#seen]) return "impossible";
      this.#seen += 1;
    }
    return this.#seen === this.#expected.length ? "matched" : "open";
  }
}

class Exchange implements Dialogue {
  readonly #send: Uint8Array | undefined;
  readonly #matcher: Matcher;
  /** The beginning of the reply, for people. */
  #said = Buffer.alloc(0);

  constructor(send: Uint8Array | undefined, matcher: Matcher) {
    this.#send = send;
    this.#matcher = matcher;
  }

  start(): Turn {
    return { next: "wait", send: this.#send };
  }

  onData(bytes: Uint8Array): Turn {
    if (this.#said.length <= SHOWN_BYTES) {
      this.#said = Buffer.concat([this.#said, bytes.subarray(0, SHOWN_BYTES + 1)]);
    }
    const state = this.#matcher.feed(bytes);
    if (state === "matched") return { next: "passed" };
    return state === "open" ? WAIT : unexpected(this.soFar());
  }

  soFar(): string {
    const shown = showBytes(this.#said, SHOWN_BYTES);
    return shown === "" ? "it said nothing" : `it said ${shown}`;
  }
}
