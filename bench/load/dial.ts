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
          : { handshake: handshakeOf(handlers) }),
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

function handshakeOf<Data>(handlers: Handlers<Data>) {
  return (plain: Socket<Data>, ok: boolean, cause: Error | null): void => {
    const socket = plain as unknown as TLSSocket & Socket<Data>;
    const cipher = socket.getCipher().name;
    if (!ok) handlers.failed(`handshake: ${String(cause)}`);
    else if (socket.isSessionReused()) handlers.failed("handshake: resumed a session");
    else if (cipher !== CIPHER) handlers.failed(`handshake: ${cipher} instead of ${CIPHER}`);
    else handlers.ready(socket);
  };
}
