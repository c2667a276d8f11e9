// Asks by HTTP/1.1, and looks at the status code.
import type { CheckKind, StatusRange } from "../../config/health-types.ts";
import { formatAddress } from "../../lib/address.ts";
import { showBytes } from "../../lib/byte-text.ts";
import { type Dialogue, type DialogueFactory, type Turn, unexpected, WAIT } from "../dialogue.ts";
import { Reply } from "../reply.ts";

/** `tlsName`: the name that TLS verifies, where the check speaks TLS. */
export function httpDialogues(
  { path, host, expectStatus }: Extract<CheckKind, { kind: "http" }>,
  tlsName: string | undefined,
): DialogueFactory {
  return (peer) => {
    const lines = [
      `GET ${path} HTTP/1.1`,
      `Host: ${host ?? tlsName ?? formatAddress(peer)}`,
      "User-Agent: linkerd-tcp-health-check",
      "Accept: */*",
      "Connection: close",
    ];
    const request = new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`);
    return new HttpDialogue(request, expectStatus);
  };
}

class HttpDialogue implements Dialogue {
  readonly #request: Uint8Array;
  readonly #expected: readonly StatusRange[];
  readonly #reply = new Reply();
  /** In the headers of an interim answer, after which another one follows. */
  #isInterim = false;

  constructor(request: Uint8Array, expected: readonly StatusRange[]) {
    this.#request = request;
    this.#expected = expected;
  }

  start(): Turn {
    return { next: "wait", send: this.#request };
  }

  onData(bytes: Uint8Array): Turn {
    this.#reply.push(bytes);
    for (let line = this.#reply.line(); line !== undefined; line = this.#reply.line()) {
      if (this.#isInterim) {
        this.#isInterim = line !== "";
        continue;
      }
      const turn = this.#onStatus(line);
      if (turn !== undefined) return turn;
    }
    return WAIT;
  }

  soFar(): string {
    const shown = showBytes(this.#reply.rest);
    return shown === "" ? "no status came" : `it said ${shown}`;
  }

  #onStatus(line: string): Turn | undefined {
    const [, digits] = /^HTTP\/1\.\d (\d{3})(?: |$)/.exec(line) ?? [];
    if (digits === undefined) {
      return unexpected(`no HTTP: ${showBytes(Buffer.from(line, "latin1"))}`);
    }
    const status = Number(digits);
    // 100 and 103 announce the answer; 101 would be one.
    if (status >= 100 && status < 200 && status !== 101) {
      this.#isInterim = true;
      return undefined;
    }
    const isGood = this.#expected.some(({ from, to }) => status >= from && status <= to);
    return isGood ? { next: "passed" } : unexpected(`status ${status}`);
  }
}
