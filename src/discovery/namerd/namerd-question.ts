// What NamerdWatch asks: a name, the ways to ask for it, and how their answers are read.

/** A question to namerd, whose answers are `T`. */
export interface NamerdQuestion<T> {
  /** In the order in which they are tried: the next one where the server does not know the one before. */
  readonly ways: readonly [NamerdWay<T>, ...NamerdWay<T>[]];
  /** What is asked for, as logs name it. */
  readonly path: string;
  /** The namerd, as logs name it; without secrets. */
  readonly namerd: string;
  /** Time between polls where the server does not stream. */
  readonly periodMs: number;
  readonly requestTimeoutMs: number;
}

/** One way to ask. */
export interface NamerdWay<T> {
  /** Where a request without `watch` goes. Has a query. */
  readonly url: string;
  /** Reads an answer: one line. */
  readonly read: (text: string) => NamerdReading<T>;
  /**
   * Where set, nothing is followed: the first answer is good for so long, and then everything is asked anew, by the first
   * way.
   */
  readonly goodForMs?: number;
}

/** What a line says. */
export type NamerdReading<T> =
  | {
      readonly ok: true;
      readonly answer: T;
      /** Addresses left out because they cannot be used. */
      readonly skipped: number;
      /** Weights that cannot be used, replaced. */
      readonly repaired: number;
    }
  | {
      /** It is no answer, such as the error line that ends a failed stream. */
      readonly ok: false;
      /** One sentence for people. */
      readonly cause: string;
      /** Whether it shows that the server does not know this way to ask. */
      readonly isUnknownWay: boolean;
    };
