import { describe, expect, test } from "bun:test";
import { silentLogger } from "../telemetry/log.ts";
import { libc } from "../transport/libc.ts";
import type { Description, SocketCalls } from "../transport/libc-sockets.ts";
import { Inherited, InheritedSocketError } from "./inherited.ts";
import type { PassedSocket } from "./passed-sockets.ts";

/** Numbers that are not open, so that closing them hurts nobody. */
const FIRST_FD = 60_000;

/** Inherited sockets as they are described; `*` before an address says that the system had chosen its port. */
function inherited(...described: readonly (string | Description)[]): Inherited {
  const descriptions = described.map((one): Description => {
    if (typeof one !== "string") return one;
    const [, ip = "", port = ""] = /^\*?(.*):(\d+)$/.exec(one) ?? [];
    return { kind: "listener", ip, port: Number(port) };
  });
  const passed = described.map((one, index): PassedSocket => ({
    fd: FIRST_FD + index,
    name: `s${index}`,
    anyPort: typeof one === "string" && one.startsWith("*"),
  }));
  const calls: Pick<SocketCalls, "describe" | "closeOnExec"> = {
    describe: (fd) => descriptions[fd - FIRST_FD] ?? { kind: "other", what: "missing" },
    closeOnExec() {},
  };
  return new Inherited(passed, calls as SocketCalls);
}

/** Which socket each of the addresses gets, by its place, and with what address. */
function assigned(sockets: Inherited, ...wanted: readonly string[]): readonly unknown[] {
  const addresses = wanted.map((text) => {
    const [, ip = "", port = ""] = /^(.*):(\d+)$/.exec(text) ?? [];
    return { ip, port: Number(port) };
  });
  return sockets
    .assign(addresses)
    .map((socket) => socket && `${(socket.fd ?? 0) - FIRST_FD} ${socket.ip}:${socket.port}`);
}

describe("inherited sockets", () => {
  test("go to the servers with their addresses, in whatever order", () => {
    const sockets = inherited("127.0.0.1:80", "::1:80", "127.0.0.1:81");
    expect(assigned(sockets, "127.0.0.1:81", "127.0.0.1:82", "::1:80", "127.0.0.1:80")).toEqual([
      "2 127.0.0.1:81",
      undefined,
      "1 ::1:80",
      "0 127.0.0.1:80",
    ]);
  });

  test("are not taken for another address, be it wider", () => {
    expect(assigned(inherited("0.0.0.0:80", ":::80"), "127.0.0.1:80")).toEqual([undefined]);
  });

  test("go to servers with port 0 in their order, where that was configured before", () => {
    const sockets = inherited("127.0.0.1:70", "*127.0.0.1:4001", "*::1:4003", "*127.0.0.1:4002");
    const wanted = ["127.0.0.1:0", "127.0.0.1:4001", "127.0.0.1:0", "::1:0"];
    expect(assigned(sockets, ...wanted)).toEqual([
      "3 127.0.0.1:4002",
      "1 127.0.0.1:4001",
      undefined,
      "2 ::1:4003",
    ]);
  });

  test("have no zone in what the system says of them", () => {
    expect(assigned(inherited("fe80::1:80"), "fe80::1%eth0:80")).toEqual(["0 fe80::1%eth0:80"]);
  });

  test("that are something else are an error that names the descriptor", () => {
    const other: Description = { kind: "other", what: "a UDP socket" };
    expect(() => inherited("127.0.0.1:80", other)).toThrow(InheritedSocketError);
    expect(() => inherited("127.0.0.1:80", other)).toThrow('60001 (name "s1"): it is a UDP socket');
  });

  test("explain why an address of their port is in use", () => {
    const sockets = inherited(":::80");
    expect(sockets.hint({ ip: "0.0.0.0", port: 80 })).toContain("[::]:80");
    expect(sockets.hint({ ip: "0.0.0.0", port: 81 })).toBeUndefined();
  });

  test.skipIf(libc === undefined)(
    "that are left over are closed, once, each with a warning",
    () => {
      const sockets = inherited("127.0.0.1:80", "127.0.0.1:81");
      assigned(sockets, "127.0.0.1:80");
      const warnings: unknown[] = [];
      const log = {
        ...silentLogger,
        warn: (_: string, fields?: () => unknown) => warnings.push(fields?.()),
      };
      sockets.closeLeft(log);
      sockets.closeLeft(log);
      expect(warnings).toEqual([{ address: "127.0.0.1:81", name: "s1" }]);
    },
  );
});
