// The configuration of a proxy with one server for one name: what most tests of connections need.

export interface ProxyOptions {
  /** Endpoints of the only name, ports of 127.0.0.1. */
  readonly to: readonly number[];
  /** Keys of the server beside its port and name. */
  readonly server?: Readonly<Record<string, unknown>>;
  /** Keys of the client beside its kind. */
  readonly client?: Readonly<Record<string, unknown>>;
  /** Keys of the whole file. */
  readonly top?: Readonly<Record<string, unknown>>;
}

/** A configuration with endpoints that stand in it. */
export function proxyTo({ to, server, client, top }: ProxyOptions): unknown {
  const names = { "/svc/web": to.map((port) => `127.0.0.1:${port}`) };
  return proxyWith({ kind: "io.l5d.static", names }, { server, client, top });
}

/** The same with any interpreter. */
export function proxyWith(
  interpreter: unknown,
  { server, client, top }: Partial<Record<keyof ProxyOptions, unknown>> = {},
): unknown {
  return {
    admin: { port: 0 },
    routers: [
      {
        label: "test",
        interpreter,
        servers: [{ port: 0, dstName: "/svc/web", ...asObject(server) }],
        client: { kind: "io.l5d.global", ...asObject(client) },
      },
    ],
    ...asObject(top),
  };
}

function asObject(value: unknown): object {
  return typeof value === "object" && value !== null ? value : {};
}
