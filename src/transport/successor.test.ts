import { describe, expect, test } from "bun:test";
import { until } from "../../test/support/until.ts";
import { bind } from "./bind.ts";
import { libc } from "./libc.ts";
import { startSuccessor, type Successor } from "./successor.ts";

/** What a process said over its channel. */
interface Told {
  readonly successor: Successor;
  readonly lines: string[];
  closed: boolean;
}

function startShell(script: string, sockets: readonly number[] = [], env = {}): Told {
  const lines: string[] = [];
  const told = { lines, closed: false };
  const successor = startSuccessor({
    command: ["/bin/sh", "-c", script],
    env,
    sockets,
    observer: {
      onLine: (line) => lines.push(line),
      onClosed() {
        told.closed = true;
      },
    },
  });
  if (typeof successor === "string") throw new Error(successor);
  return Object.assign(told, { successor });
}

describe.skipIf(libc === undefined)("a successor", () => {
  test("has the sockets as descriptors from 3 on, in their order, whatever their numbers here", async () => {
    const bound = Array.from({ length: 6 }, () => bind("127.0.0.1", 0));
    const inode = (fd: number | undefined) => `/proc/${process.pid}/fd/${fd}`;
    // The last one first, so that numbers here and there cross.
    const sockets = bound.map(({ fd }) => fd ?? -1).toReversed();
    const script = `for fd in 3 4 5 6 7 8; do readlink /proc/$$/fd/$fd >&9; done`;
    const told = startShell(script, sockets, { PATH: process.env["PATH"] });
    expect(await told.successor.ended).toBe("exit code 0");
    await until("all is said", () => told.closed);
    const expected = await Promise.all(
      sockets.map(async (fd) => (await Bun.$`readlink ${inode(fd)}`.text()).trim()),
    );
    expect(told.lines).toEqual(expected);
    for (const socket of bound) socket.close();
  });

  test("hears and says lines, whole, and large ones too", async () => {
    const told = startShell(
      "read a <&3; echo $a >&3; head -c 700000 /dev/zero | tr '\\0' x >&3; echo >&3",
      [],
      {
        PATH: process.env["PATH"],
      },
    );
    told.successor.channel.send("hello");
    await until("it has answered", () => told.closed);
    expect(told.lines.map((line) => line.slice(0, 5))).toEqual(["hello", "xxxxx"]);
    expect(told.lines[1]).toHaveLength(700_000);
  });

  test("is told more than fits into the channel at once", async () => {
    const told = startShell("read a <&3; echo ${#a} >&3");
    told.successor.channel.send("y".repeat(900_000));
    await until("it has answered", () => told.closed);
    expect(told.lines).toEqual(["900000"]);
  });

  test("has the given environment and no other", async () => {
    const told = startShell("echo $A$HOME >&3", [], { A: "given", LISTEN_PID: undefined });
    await until("it has ended", () => told.closed);
    expect(told.lines).toEqual(["given"]);
  });

  test("tells how it has ended", async () => {
    expect(await startShell("exit 7").successor.ended).toBe("exit code 7");
    const { successor } = startShell("read a <&3");
    successor.kill("SIGKILL");
    expect(await successor.ended).toBe("signal SIGKILL");
    successor.channel.send("to nobody");
    successor.channel.close();
  });

  test("that cannot be started is a text that says why", () => {
    const observer = { onLine() {}, onClosed() {} };
    const start = { env: {}, sockets: [], observer };
    expect(startSuccessor({ ...start, command: ["/no/such/program"] })).toContain("ENOENT");
    expect(startSuccessor({ ...start, command: ["/bin/sh"], sockets: [-1] })).toContain(
      "ulimit -n",
    );
  });
});
