// Connections of the load generator, plain or TLS, with the checks that make their rows comparable.
import type { Socket, TLSSocket } from "bun";

/** What all proxies are made to use, so that the rows compare proxies and not choices of cipher. */
export const CIPHER = "TLS_AES_128_GCM_SHA256";
const CURVE = "X25519";
/** The name in the certificate. */
export const SERVER_NAME = "bench.test";

/** Where to connect to. */
export interface Address {
  readonly port: number;
  /** The certificate to trust, PEM; a plain connection without. */
  readonly trust?: string;
  /** Whether sessions are resumed: each connection but the first offers the newest ticket. */
  readonly resume?: boolean;
}

/** What a connection tells its owner. */
export interface Handlers<Data> {
  /** It may be written to: for TLS after the handshake. */
  ready(socket: Socket<Data>): void;
  data(socket: Socket<Data>, chunk: Buffer): void;
  /** It is gone, whichever side closed it. */
  closed(socket: Socket<Data>): void;
  drain?(socket: Socket<Data>): void;
  /** It could not be made, or not as the rules want it. */
  failed(reason: string): void;
}

/** Opens connections to `address`. */
export class Dialer<Data> {
  readonly #options: Omit<Bun.TCPSocketConnectOptions<Data>, "data">;
  readonly #failed: (reason: string) => void;

  constructor(address: Address, handlers: Handlers<Data>) {
    this.#failed = (reason) => handlers.failed(reason);
    this.#options = {
      hostname: "127.0.0.1",
      port: address.port,
      ...(address.trust === undefined ? {} : { tls: clientTls(address.trust) }),
      socket: {
        ...(address.trust === undefined
          ? { open: (socket: Socket<Data>) => handlers.ready(socket) }
          : tlsHandlers(handlers, address.resume === true)),
        data: (socket, chunk) => handlers.data(socket, chunk),
        close: (socket) => handlers.closed(socket),
        error: (_, cause) => handlers.failed(String(cause)),
        connectError: (_, cause) => handlers.failed(String(cause)),
      },
    };
  }

  /** Starts one connection that carries `data`. */
  dial(data: Data): void {
    Bun.connect({ ...this.#options, data }).catch((cause: unknown) => this.#failed(String(cause)));
  }
}

function clientTls(trust: string): Bun.TLSOptions {
  // ecdhCurve is not in the types. Without it Bun offers ML-KEM, which only our own proxy would take up.
  return { ca: trust, serverName: SERVER_NAME, ecdhCurve: CURVE } as Bun.TLSOptions;
}

function tlsHandlers<Data>(handlers: Handlers<Data>, resume: boolean) {
  let session: Buffer | undefined;
  // Connections that were begun before there was a ticket are as good as the first.
  const offering = new WeakSet<Socket<Data>>();
  const handshake = (plain: Socket<Data>, ok: boolean, cause: Error | null): void => {
    const socket = plain as unknown as TLSSocket & Socket<Data>;
    const cipher = socket.getCipher().name;
    const resumed = socket.isSessionReused();
    if (!ok) handlers.failed(`handshake: ${String(cause)}`);
    else if (resumed && !resume) handlers.failed("handshake: resumed a session");
    else if (offering.has(plain) && !resumed) handlers.failed("handshake: did not resume");
    else if (cipher !== CIPHER) handlers.failed(`handshake: ${cipher} instead of ${CIPHER}`);
    else handlers.ready(socket);
  };
  if (!resume) return { handshake };
  return {
    handshake,
    // Before the hello is sent.
    open(plain: Socket<Data>): void {
      if (session === undefined) return;
      (plain as unknown as TLSSocket).setSession(session);
      offering.add(plain);
    },
    // Not in the types: a ticket has come.
    session: (_: Socket<Data>, ticket: Buffer) => void (session = ticket),
  };
}
