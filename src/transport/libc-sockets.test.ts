import { afterAll, describe, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PythonScript } from "../../test/support/peers/python-script.ts";
import { PythonSockets } from "../../test/support/peers/python-sockets.ts";
import { has } from "../../test/support/peers/tools.ts";
import { bind } from "./bind.ts";
import { libc } from "./libc.ts";
import { isDatagramPath, type SocketCalls, socketCalls, TRY_AGAIN } from "./libc-sockets.ts";

const withLibc = test.skipIf(libc === undefined);
const folder = mkdtempSync(join(tmpdir(), "l5d-sockets-"));

afterAll(() => rmSync(folder, { recursive: true }));

function calls(): SocketCalls {
  const loaded = socketCalls();
  if (loaded === undefined) throw new Error("no C library here");
  return loaded;
}

const O_CLOEXEC = 0o2000000;

function isClosedOnExec(fd: number): boolean {
  const info = readFileSync(`/proc/self/fdinfo/${fd}`, "utf8");
  return (Number.parseInt(/flags:\s+(\d+)/.exec(info)?.[1] ?? "", 8) & O_CLOEXEC) !== 0;
}

describe("describe()", () => {
  for (const ip of ["127.0.0.1", "0.0.0.0", "::1", "::"]) {
    withLibc(`tells where a socket listens: ${ip}`, () => {
      const bound = bind(ip, 0);
      expect(calls().describe(bound.fd ?? -1)).toEqual({ kind: "listener", ip, port: bound.port });
      bound.close();
    });
  }

  withLibc("tells what is no listening TCP socket", () => {
    const file = openSync("/dev/null", "r");
    const raw = calls().duplicateAbove(file, 50);
    expect(calls().describe(raw)).toEqual({ kind: "other", what: "a file or a pipe" });
    libc?.close(raw);
    expect(calls().describe(raw)).toEqual({ kind: "other", what: "not open" });
    closeSync(file);
    const unused = libc?.socket(2) ?? -1;
    const what = "a TCP socket that does not listen";
    expect(calls().describe(unused)).toEqual({ kind: "other", what });
    libc?.close(unused);
  });

  withLibc("knows UDP and Unix sockets", async () => {
    const udp = await Bun.udpSocket({});
    const unix = Bun.listen({ unix: join(folder, "s"), socket: { data() {} } });
    const found = Array.from(
      new Bun.Glob("*").scanSync({ cwd: "/proc/self/fd", onlyFiles: false }),
      (name) => calls().describe(Number(name)),
    );
    expect(found).toContainEqual({ kind: "other", what: "a UDP socket" });
    expect(found).toContainEqual({ kind: "other", what: "a Unix socket" });
    udp.close();
    unix.stop();
  });
});

withLibc("a copy has a number that is high enough, and programs do not get it", () => {
  const file = openSync("/dev/null", "r");
  const copy = calls().duplicateAbove(file, 200);
  expect(copy).toBeGreaterThanOrEqual(200);
  expect(isClosedOnExec(copy)).toBe(true);
  expect(calls().duplicateAbove(-1, 3)).toBe(-1);
  libc?.close(copy);
  closeSync(file);
});

withLibc("programs do not get what is closed on exec", () => {
  const fd = libc?.socket(2) ?? -1;
  calls().closeOnExec(fd);
  expect(isClosedOnExec(fd)).toBe(true);
  libc?.close(fd);
});

withLibc("an address is shared when that is allowed, with those who ask for it", () => {
  const held = bind("127.0.0.1", 0);
  const joinIt = (reusePort = true) => {
    try {
      const at = { hostname: "127.0.0.1", port: held.port, reusePort };
      const joined = Bun.listen({ ...at, socket: { data() {} } });
      joined.stop();
      return joined.port;
    } catch (error) {
      return error instanceof Error && "code" in error ? error.code : error;
    }
  };
  expect(joinIt()).toBe("EADDRINUSE");
  for (const allowed of [true, false])
    expect(calls().allowSharing(held.fd ?? -1, allowed)).toBe(true);
  expect(joinIt()).toBe("EADDRINUSE");
  expect(calls().allowSharing(held.fd ?? -1, true)).toBe(true);
  expect(joinIt()).toBe(held.port);
  expect(joinIt(false)).toBe("EADDRINUSE");
  expect(calls().allowSharing(-1, true)).toBe(false);
  held.close();
});

test.skipIf(libc === undefined || !has("python3"))(
  "of two sockets on an address the one that joined can be preferred, until the first has gone",
  async () => {
    const held = bind("127.0.0.1", 0);
    await using python = new PythonSockets();
    calls().allowSharing(held.fd ?? -1, true);
    const greeter = (text: string, at: object) =>
      Bun.listen({
        ...at,
        socket: { data() {}, open: (socket: Bun.Socket) => void socket.end(text) },
      } as never);
    // What Bun listens on closes with it: a copy each.
    const copy = calls().duplicateAbove(held.fd ?? -1, 3);
    const first = greeter("first\n", { fd: copy });
    const joined = greeter("joined\n", { hostname: "127.0.0.1", port: held.port, reusePort: true });
    const before = await python.visit(held.port, 40);
    expect(Object.keys(before.lines).toSorted()).toEqual(["first", "joined"]);
    expect(calls().preferJoined(held.fd ?? -1)).toBe(true);
    expect(await python.visit(held.port, 40)).toMatchObject({ lines: { joined: 40 } });
    (first as { stop(): void }).stop();
    held.close();
    expect(await python.visit(held.port, 40)).toMatchObject({ lines: { joined: 40 } });
    (joined as { stop(): void }).stop();
    expect(calls().preferJoined(-1)).toBe(false);
  },
);

describe("sendDatagram()", () => {
  for (const address of [join(folder, "notify"), `@l5d-${process.pid}-${performance.now()}`]) {
    test.skipIf(libc === undefined || !has("python3"))(`reaches ${address[0]}`, async () => {
      await using manager = new PythonScript("service-manager.py", address);
      await manager.report("it listens", ({ listening }) => listening === address);
      expect(calls().sendDatagram(address, "STATUS=äöü\nREADY=1")).toBe(0);
      const { pid, lines } = await manager.report("it is told", (report) => "lines" in report);
      expect({ pid, lines }).toEqual({ pid: process.pid, lines: ["STATUS=äöü", "READY=1"] });
    });
  }

  withLibc("answers the error where nobody listens", () => {
    const ENOENT = 2;
    const ECONNREFUSED = 111;
    expect(calls().sendDatagram(join(folder, "nobody"), "x")).toBe(ENOENT);
    expect(calls().sendDatagram("@l5d-nobody", "x")).toBe(ECONNREFUSED);
    expect(ENOENT).not.toBe(TRY_AGAIN);
  });

  test("is for absolute and abstract paths that fit", () => {
    expect(["/run/n", "@n", `/${"x".repeat(106)}`].every(isDatagramPath)).toBe(true);
    expect(["", "/", "@", "n", "vsock:2:1", `/${"x".repeat(107)}`].some(isDatagramPath)).toBe(
      false,
    );
  });
});

test.skipIf(libc === undefined || !has("python3"))(
  "the monotonic clock is the system's, which Python reads too",
  async () => {
    const script = "import time; print(time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000)";
    const before = calls().monotonicMicros();
    const told = BigInt((await Bun.spawn(["python3", "-c", script]).stdout.text()).trim());
    expect(told).toBeGreaterThanOrEqual(before);
    expect(told).toBeLessThanOrEqual(calls().monotonicMicros());
  },
);
