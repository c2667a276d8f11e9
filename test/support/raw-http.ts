// HTTP by the byte: what a server writes to a socket, chunk frames included.
import { until } from "./until.ts";

/** A connection whose bytes, as Latin-1, are kept in the order in which they came. */
export class RawConnection {
  text = "";
  /** Whether the server has closed it. */
  closed = false;
  #socket: Bun.Socket<undefined> | undefined;
  #rest = Buffer.alloc(0);

  private constructor() {}

  static async open(port: number): Promise<RawConnection> {
    const connection = new RawConnection();
    const close = (): void => {
      connection.closed = true;
    };
    connection.#socket = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        data(_, bytes) {
          connection.text += bytes.toString("latin1");
        },
        drain: () => connection.#flush(),
        close,
        end: close,
        error: close,
      },
    });
    return connection;
  }

  /** Sends the text, the rest of it as the server takes it. */
  send(text: string): void {
    this.#rest = Buffer.concat([this.#rest, Buffer.from(text, "latin1")]);
    this.#flush();
  }

  /** Bytes that the server has not taken. */
  get unsent(): number {
    return this.#rest.length;
  }

  #flush(): void {
    const taken = this.#socket?.write(this.#rest) ?? 0;
    if (taken > 0) this.#rest = this.#rest.subarray(taken);
  }

  /** Waits until what came ends in `end`, or holds it where `anywhere` is set. */
  async ends(end: string): Promise<string> {
    try {
      await until(`the answer ends in ${JSON.stringify(end)}`, () => this.text.endsWith(end));
    } catch (error) {
      throw new Error(`it is ${JSON.stringify(this.text)}`, { cause: error });
    }
    return this.text;
  }

  /** Waits until the server closes. */
  async gone(withinMs = 10_000): Promise<string> {
    await until("the server closes", () => this.closed, withinMs);
    return this.text;
  }

  /** Reads no more, so that what is sent fills the system's buffers. */
  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  close(): void {
    this.#socket?.terminate();
  }
}

/** A request without a body. */
export function head(method: string, target: string, ...headers: readonly string[]): string {
  return [`${method} ${target} HTTP/1.1`, "Host: namerd", ...headers, "", ""].join("\r\n");
}

/** The whole answer to a request, sent on a connection of its own that the client asks to close. */
export async function ask(
  port: number,
  method: string,
  target: string,
  headers: readonly string[] = [],
  body?: string,
): Promise<string> {
  const connection = await RawConnection.open(port);
  const length = body === undefined ? [] : [`Content-Length: ${Buffer.byteLength(body, "latin1")}`];
  connection.send(head(method, target, "Connection: close", ...headers, ...length) + (body ?? ""));
  return await connection.gone();
}
