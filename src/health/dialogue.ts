// The port of what is said in a check: bytes in, bytes out, and a verdict. No sockets, no time.

/** What a dialogue does next. */
export type Turn =
  /** Says something, or nothing, and waits for more. */
  | { readonly next: "wait"; readonly send?: Uint8Array | undefined }
  /** Has the connection go over to TLS; `onTls` follows. */
  | { readonly next: "startTls" }
  /** The endpoint is as it should be. `farewell` is for its log's sake. */
  | { readonly next: "passed"; readonly farewell?: Uint8Array | undefined }
  | {
      readonly next: "failed";
      /**
       * `unexpected`: another reply than hoped for. `role`: the endpoint says that it has another role, which is no
       * matter of trying again. `busy`: it lives, and has no place for the check.
       */
      readonly cause: "unexpected" | "role" | "busy";
      /** For people. */
      readonly reason: string;
      readonly farewell?: Uint8Array | undefined;
    };

/** One conversation with an endpoint. Must not throw, whatever is said to it. */
export interface Dialogue {
  /** The connection stands. */
  start(): Turn;
  /** The endpoint has said more; never called after a verdict. */
  onData(bytes: Uint8Array): Turn;
  /** TLS stands, which was asked for by `startTls`. */
  onTls?(): Turn;
  /** What had been said when the endpoint ended the connection without a verdict, as a clause. */
  soFar(): string;
}

/** Makes the dialogue of each check. */
export type DialogueFactory = (peer: { readonly ip: string; readonly port: number }) => Dialogue;

export const WAIT: Turn = { next: "wait" };

export function unexpected(reason: string, farewell?: Uint8Array): Turn {
  return { next: "failed", cause: "unexpected", reason, farewell };
}
