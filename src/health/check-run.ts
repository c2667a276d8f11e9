// One check of one address: connects, lets the dialogue speak, and answers one result.
import type { Deadline, DeadlineRunner } from "../lib/deadlines.ts";
import type {
  ConnectAttempt,
  ConnectFailure,
  ConnectObserver,
  ConnectTarget,
} from "../transport/connector.ts";
import type { HandshakeOwner, Socket } from "../transport/socket.ts";
import type { CheckPlan } from "./check-plan.ts";
import type { Dialogue, Turn } from "./dialogue.ts";
import type { CheckResult, FailureCause } from "./health-state.ts";

/** More than any reply that a check has to do with. */
const MOST_REPLY_BYTES = 65_536;
const PASSED: CheckResult = { passed: true };

export class CheckRun implements ConnectObserver, HandshakeOwner, DeadlineRunner {
  readonly #plan: CheckPlan;
  readonly #target: ConnectTarget;
  readonly #onDone: (result: CheckResult) => void;
  readonly #deadline: Deadline | undefined;
  readonly #attempt: ConnectAttempt;
  #socket: Socket | undefined;
  #dialogue: Dialogue | undefined;
  #receivedBytes = 0;
  #done = false;

  /** Begins. `onDone` is called once, not from inside this; never after `abort`. */
  constructor(plan: CheckPlan, target: ConnectTarget, onDone: (result: CheckResult) => void) {
    this.#plan = plan;
    this.#target = target;
    this.#onDone = onDone;
    this.#deadline = plan.deadlines.set(this);
    this.#attempt = plan.connector.connect(target, this, plan.preamble);
  }

  abort(): void {
    if (this.#done) return;
    this.#done = true;
    this.#deadline?.clear();
    this.#attempt.abort();
    this.#socket?.terminate();
  }

  onConnected(socket: Socket): void {
    const { connector, preamble, newDialogue } = this.#plan;
    this.#socket = socket;
    socket.data = this;
    // With TLS the connector has sent it already.
    if (preamble !== undefined && connector.tls === undefined && !this.#send(preamble)) return;
    this.#dialogue = newDialogue?.(this.#target);
    if (this.#dialogue === undefined) this.#finish(PASSED);
    else this.#take(this.#dialogue.start());
  }

  onConnectFailed(failure: ConnectFailure, detail: string): void {
    this.#fail(failure === "descriptors" ? "skipped" : failure, `${failure}: ${detail}`);
  }

  onHandshake(failure: Error | undefined): void {
    if (failure !== undefined) this.#fail("tls", `tls: ${failure.message}`);
    else if (this.#dialogue?.onTls !== undefined) this.#take(this.#dialogue.onTls());
  }

  onData(bytes: Uint8Array): void {
    if (this.#done || this.#dialogue === undefined) return;
    // One read may have more, and what is asked for at its beginning.
    const heard = bytes.subarray(0, MOST_REPLY_BYTES - this.#receivedBytes);
    this.#receivedBytes += bytes.length;
    this.#take(this.#dialogue.onData(heard));
    if (this.#receivedBytes <= MOST_REPLY_BYTES) return;
    const reason = `it said more than ${MOST_REPLY_BYTES} bytes; ${this.#dialogue.soFar()}`;
    this.#fail("unexpected", reason);
  }

  onDrain(): void {}

  onEnd(): void {
    this.#fail("closed", `it closed the connection; ${this.#dialogue?.soFar() ?? ""}`);
  }

  onClose(error: Error | undefined): void {
    const how = error === undefined ? "closed" : "reset";
    this.#fail("closed", `it ${how} the connection; ${this.#dialogue?.soFar() ?? ""}`);
  }

  onDeadline(): void {
    const reason =
      this.#dialogue === undefined
        ? "timeout: no connection"
        : `timeout: ${this.#dialogue.soFar()}`;
    this.#fail("timeout", reason);
  }

  #take(turn: Turn): void {
    switch (turn.next) {
      case "wait":
        if (turn.send !== undefined) this.#send(turn.send);
        return;
      case "startTls":
        return this.#startTls();
      case "passed":
        return this.#finish(PASSED, turn.farewell);
      case "failed":
        return this.#fail(turn.cause, turn.reason, turn.farewell);
      default:
        return turn satisfies never;
    }
  }

  #startTls(): void {
    const { startTls } = this.#plan;
    if (this.#socket === undefined || startTls === undefined) {
      return this.#fail("other", "TLS is not configured");
    }
    this.#socket = startTls(this.#socket, this);
  }

  #send(bytes: Uint8Array): boolean {
    // The buffer of a new socket takes more than any check says.
    if (this.#socket?.write(bytes) === bytes.length) return true;
    this.#fail("closed", "it takes no bytes");
    return false;
  }

  #fail(cause: FailureCause, reason: string, farewell?: Uint8Array): void {
    this.#finish({ passed: false, cause, reason }, farewell);
  }

  #finish(result: CheckResult, farewell?: Uint8Array): void {
    if (this.#done) return;
    this.#done = true;
    this.#deadline?.clear();
    const socket = this.#socket;
    const isOver = !result.passed && result.cause === "timeout";
    if (socket === undefined) this.#attempt.abort();
    else if (isOver) socket.terminate();
    else {
      if (farewell !== undefined) socket.write(farewell);
      socket.shutdown();
      socket.close();
    }
    this.#onDone(result);
  }
}
