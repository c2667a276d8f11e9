// Why a session is refused: the close reasons that limits have (proxy/close-reason.ts says what they mean).

export type LimitReason =
  | "denied"
  | "rate_limited"
  | "source_limit"
  | "overload"
  /** No limit's: it has no address any more, as it has reset the connection already. */
  | "client_left";
