// Waits for programs that say in no way of their own that they listen.
import { createConnection } from "node:net";
import { until } from "../until.ts";

/** Resolves once somebody listens on `port` of 127.0.0.1. */
export function listening(port: number): Promise<void> {
  return until(`somebody listens on port ${port}`, () => accepts(port), 30_000);
}

function accepts(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = createConnection({ port, host: "127.0.0.1" });
  socket.once("connect", () => {
    socket.destroy();
    resolve(true);
  });
  socket.once("error", () => resolve(false));
  return promise;
}
