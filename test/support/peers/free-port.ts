// Ports for programs that must be told one.

/** A port of 127.0.0.1 where nobody listens now. */
export function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  listener.stop(true);
  return listener.port;
}
