// Why a session ended: a closed list, the label values of l5d_srv_close_reason_total.

interface Meaning {
  /** How linkerd-tcp 0.1 counts it: a close in good order, or a failure. */
  readonly outcome: "close" | "failure";
  /** The label `cause` of 0.1's failure counters. */
  readonly cause: "timeout" | "other";
  readonly help: string;
}

const close = (help: string): Meaning => ({ outcome: "close", cause: "other", help });
const failure = (help: string): Meaning => ({ outcome: "failure", cause: "other", help });
const timeout = (help: string): Meaning => ({ outcome: "failure", cause: "timeout", help });

/** All reasons with their meaning. */
export const CLOSE_REASONS = {
  eof: close("Both sides ended their direction; everything was delivered."),
  client_left: close("The client left before an endpoint was in hand."),
  client_reset: failure("The client reset the connection; the endpoint saw a reset."),
  upstream_reset: failure("The endpoint reset the connection; the client saw a reset."),
  client_truncated: failure(
    "The client ended TLS without close_notify, which the server's closeNotify requires; the endpoint saw a reset.",
  ),
  upstream_truncated: failure(
    "The endpoint ended TLS without close_notify, which closeNotify requires; the client saw a reset.",
  ),
  proxy_header_invalid: failure(
    "No PROXY header came, or one that is not valid, from an address that must send one.",
  ),
  proxy_header_timeout: timeout("The PROXY header did not come within timeoutMs."),
  proxy_untrusted: failure("Only trusted addresses may connect, and the client's is none."),
  denied: failure("The client's address may not use the server: limits.allow, limits.deny."),
  rate_limited: failure(
    "More connections a second than the server, the client's network or its source may make.",
  ),
  source_limit: failure("More connections at a time than the client's network or source may have."),
  overload: failure("The process bore too much to serve one more connection."),
  handshake_failed: failure("The TLS handshake with the client failed."),
  client_not_allowed: failure(
    "The client's certificate is good, and no rule of clientAuth.allow is for its names.",
  ),
  handshake_timeout: timeout("The TLS handshake with the client took too long."),
  not_tls: failure(
    "The client's first bytes are no TLS, or no hello, on a server that passes TLS on.",
  ),
  hello_timeout: timeout("The client's TLS hello did not come within helloTimeoutMs."),
  no_server_name: failure(
    "The client asked for no server name that a destination could be found by.",
  ),
  no_route: failure("No rule of the server's routes matched, and there is no dstName."),
  route_refused: failure("A rule of the server's routes ends such connections."),
  connect_timeout: timeout("No endpoint was in hand within the server's connectTimeoutMs."),
  no_endpoint: failure("The destination has no endpoints, or its name does not exist."),
  queue_full: failure("maxWaiters sessions were waiting already."),
  idle_timeout: timeout("No byte came from either side for idleTimeoutSecs."),
  lifetime: timeout("The connection reached connectionLifetimeSecs."),
  half_closed_timeout: timeout(
    "One direction had ended, and nothing moved in the other for halfClosedTimeoutSecs.",
  ),
  client_lost: timeout(
    "The client answered neither probes nor data: TCP keepalive or the user timeout gave it up.",
  ),
  upstream_lost: timeout(
    "The endpoint answered neither probes nor data: TCP keepalive or the user timeout gave it up.",
  ),
  drained: close("A drain ended both directions in order; what had been read was delivered."),
  drain_deadline: failure("The deadline of a drain had come, and the connection was reset."),
  killed: failure("An operator ended the connection."),
  endpoint_removed: failure(
    "The endpoint left its name, or a reload removed the server or the destination, and onRemoval is cut.",
  ),
  endpoint_unhealthy: failure("The endpoint was found unhealthy, and its connections are cut."),
  shutdown: failure("The process ended before the connection did."),
  internal: failure("A defect of linkerd-tcp; the log says more."),
} as const satisfies Readonly<Record<string, Meaning>>;

export type CloseReason = keyof typeof CLOSE_REASONS;
