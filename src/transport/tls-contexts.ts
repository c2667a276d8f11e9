// The TLS contexts of one server. A context that says what one of before says is that one: sessions that were begun with
// it can still be resumed, and a certificate among thousands is replaced without parsing the others again.
import { createTlsContext, type TlsContext } from "./bun.ts";

type Options = Parameters<typeof createTlsContext>[0];

export class TlsContexts {
  readonly #byKey = new Map<string, TlsContext>();
  #before: TlsContexts | undefined;

  /** `before`: the contexts of the same server until now. */
  constructor(before?: TlsContexts) {
    this.#before = before;
  }

  /** Throws OpenSSL's error when the options do not fit together. */
  get(options: Options): TlsContext {
    // A hash, as the text holds keys and would stay in memory.
    const key = new Bun.CryptoHasher("sha256").update(JSON.stringify(options)).digest("hex");
    const before = this.#before === undefined ? undefined : this.#before.#byKey.get(key);
    const context = this.#byKey.get(key) ?? before ?? createTlsContext(options);
    this.#byKey.set(key, context);
    return context;
  }

  /** Lets go of what was there before and is not asked for any more. */
  settle(): void {
    this.#before = undefined;
  }
}
