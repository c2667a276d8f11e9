// Those who watch one thing: each is told the present, once it is known, and then every change.

interface Member<T> {
  readonly signal: AbortSignal;
  readonly report: (value: T) => void;
  /** Whether its turn has come: from then on it hears values as they are told. */
  ready: boolean;
}

/**
 * Tells values to any number of members. Nobody is told anything before `add` has returned, nor after the member's signal
 * is aborted.
 */
export class Audience<T> {
  readonly #members = new Set<Member<T>>();
  #present: { readonly value: T } | undefined;

  /** How many watch now. */
  get size(): number {
    return this.#members.size;
  }

  /** Adds a member until `signal` aborts; `left` is called then. An aborted one is not added. */
  add(signal: AbortSignal, report: (value: T) => void, left: () => void): void {
    if (signal.aborted) return;
    const member: Member<T> = { signal, report, ready: false };
    this.#members.add(member);
    const leave = (): void => {
      this.#members.delete(member);
      left();
    };
    signal.addEventListener("abort", leave, { once: true });
    queueMicrotask(() => {
      member.ready = true;
      if (this.#present !== undefined) send(member, this.#present.value);
    });
  }

  /** Tells `value` to all, and to those who come later. */
  tell(value: T): void {
    this.#present = { value };
    for (const member of [...this.#members]) if (member.ready) send(member, value);
  }
}

function send<T>({ signal, report }: Member<T>, value: T): void {
  if (!signal.aborted) report(value);
}
