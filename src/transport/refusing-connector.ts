// Makes no connections: for destinations whose settings allow none, so that nothing is ever sent in their place.
import type { TlsOptions } from "./bun.ts";
import type { ConnectAttempt, Connector, ConnectObserver, ConnectTarget } from "./connector.ts";

export class RefusingConnector implements Connector {
  readonly tls: TlsOptions = {};
  readonly #reason: string;

  /** `reason`: for people. */
  constructor(reason: string) {
    this.#reason = reason;
  }

  connect(_target: ConnectTarget, observer: ConnectObserver): ConnectAttempt {
    let isAborted = false;
    // Observers are never called from inside `connect`.
    queueMicrotask(() => {
      if (!isAborted) observer.onConnectFailed("tls", this.#reason);
    });
    return {
      abort: () => {
        isAborted = true;
      },
    };
  }
}
