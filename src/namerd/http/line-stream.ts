// The lines of a watch on their way to one client, who may read slowly or not at all.
import type { ServerResponse } from "node:http";
import { equalBytes } from "../bytes.ts";
import type { LineSink } from "./exchange.ts";

/** The part of a response that is used. */
export type LineResponse = Pick<ServerResponse, "write" | "end" | "on">;

/**
 * Writes each line as a chunk of its own. A client that does not keep up gets the last line only, so that it costs no more
 * than one line here and one in the response's buffer, however long it stays away.
 */
export class LineStream implements LineSink {
  readonly #response: LineResponse;
  #sent: Uint8Array | undefined;
  #waiting: Uint8Array | undefined;
  #full = false;
  #ended = false;

  constructor(response: LineResponse) {
    this.#response = response;
    response.on("drain", () => this.#drained());
  }

  send(line: Uint8Array): void {
    if (this.#ended) return;
    if (this.#full) this.#waiting = line;
    else this.#write(line);
  }

  end(text?: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#waiting = undefined;
    if (text === undefined) this.#response.end();
    else this.#response.end(`${text}\n`);
  }

  #write(line: Uint8Array): void {
    if (this.#sent !== undefined && equalBytes(this.#sent, line)) return;
    this.#sent = line;
    this.#full = !this.#response.write(line);
  }

  #drained(): void {
    this.#full = false;
    const line = this.#waiting;
    this.#waiting = undefined;
    if (line !== undefined && !this.#ended) this.#write(line);
  }
}
