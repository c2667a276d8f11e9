// Owners and handlers of sockets that write down what happens, for tests of the transport.
import { type ListenHandlers, ownerHandlers } from "../../../src/transport/bun.ts";
import type { HandshakeOwner, Socket } from "../../../src/transport/socket.ts";

/** Writes down what it is told: `open`, `drain`, `data 5`, `end`, `handshake`, `close ECONNRESET`. */
export class Recorder implements HandshakeOwner {
  readonly events: string[] = [];
  readonly chunks: Uint8Array[] = [];
  socket: Socket | undefined;

  /** What came, as text. */
  get text(): string {
    return Buffer.concat(this.chunks).toString("latin1");
  }

  /** The events that are in `names`, in order: Bun adds a drain here and there. */
  only(...names: readonly string[]): readonly string[] {
    return this.events.filter((event) => names.includes(event.split(" ")[0] ?? ""));
  }

  has(event: string): boolean {
    return this.events.includes(event);
  }

  onOpen(socket: Socket): void {
    this.socket = socket;
    this.events.push("open");
  }

  onData(bytes: Uint8Array): void {
    this.chunks.push(bytes);
    this.events.push(`data ${bytes.length}`);
  }

  onDrain(): void {
    this.events.push("drain");
  }

  onEnd(): void {
    this.events.push("end");
  }

  onHandshake(failure: Error | undefined): void {
    this.events.push(failure === undefined ? "handshake" : `handshake ${codeOf(failure)}`);
  }

  onClose(error: Error | undefined): void {
    this.events.push(error === undefined ? "close" : `close ${codeOf(error)}`);
  }
}

/** The system's code of an error, or its text. */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}

/** Handlers that give each accepted socket a Recorder, in `accepted`. */
export function recordingHandlers(
  accepted: Recorder[],
  onOpen: (count: number) => void = () => {},
): ListenHandlers {
  return {
    ...ownerHandlers,
    open(socket) {
      const recorder = new Recorder();
      socket.data = recorder;
      recorder.onOpen(socket);
      accepted.push(recorder);
      onOpen(accepted.length);
    },
    error(socket, error) {
      (socket.data as Recorder).events.push(`error ${codeOf(error)}`);
    },
  };
}

/** The states of all IPv4 sockets of the system whose remote port is this, in the kernel's numbers. */
export async function statesTowards(port: number): Promise<readonly number[]> {
  return states(port, 2);
}

/** The same for the local port. */
export async function statesOf(port: number): Promise<readonly number[]> {
  return states(port, 1);
}

/** Kernel's numbers of states, as in /proc/net/tcp. */
export const TCP = { established: 1, synSent: 2, listen: 10 } as const;

async function states(port: number, column: number): Promise<readonly number[]> {
  const table = await Bun.file("/proc/net/tcp").text();
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  return table
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[column]?.endsWith(`:${hex}`))
    .map((fields) => Number.parseInt(fields[3] ?? "", 16));
}
