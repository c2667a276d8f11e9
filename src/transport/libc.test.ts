import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { Peer } from "../../test/support/tls/peer.ts";
import { has } from "../../test/support/tls/tools.ts";
import { until } from "../../test/support/until.ts";
import { formatIp } from "../lib/ip.ts";
import { bind } from "./bind.ts";
import { type Libc, libc, socketAddress } from "./libc.ts";

const AF_INET = 2;
const AF_INET6 = 10;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const EBADF = 9;
const withLibc = test.skipIf(libc === undefined);
const withPeer = test.skipIf(libc === undefined || !has("python3"));

let peer: Peer;
beforeAll(() => {
  peer = new Peer();
});
afterAll(async () => peer[Symbol.asyncDispose]());

function calls(): Libc {
  if (libc === undefined) throw new Error("no C library here");
  return libc;
}

function flagsOf(fd: number): number {
  const info = readFileSync(`/proc/self/fdinfo/${fd}`, "utf8");
  return Number.parseInt(/flags:\s+(\d+)/.exec(info)?.[1] ?? "", 8);
}

/** A connected descriptor and the other end of the connection. */
async function connected() {
  const server = await peer.listen();
  const address = socketAddress("127.0.0.1", server.port);
  if (address === undefined) throw new Error("no address");
  const fd = calls().socket(AF_INET);
  expect(calls().connect(fd, address)).toBe(0);
  return { fd, stream: await server.accept() };
}

// Any code units; what fast-check calls binary text takes seconds to prepare.
const anyText = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 60 })
  .map((units) => String.fromCharCode(...units));

describe("socketAddress", () => {
  test("spells IPv4 as the kernel reads it", () => {
    const address = socketAddress("192.0.2.254", 0x1f90);
    expect(address?.family).toBe(AF_INET);
    expect(Array.from(address?.bytes ?? [])).toEqual([
      ...[2, 0, 0x1f, 0x90, 192, 0, 2, 254],
      ...[0, 0, 0, 0, 0, 0, 0, 0],
    ]);
  });

  for (const [ip, hex] of [
    ["::", "00000000000000000000000000000000"],
    ["::1", "00000000000000000000000000000001"],
    ["1::", "00010000000000000000000000000000"],
    ["2001:db8::8:0:0:1", "20010db8000000000008000000000001"],
    ["2001:DB8:0:0:8:800:200C:417A", "20010db80000000000080800200c417a"],
    ["fe80::1:2", "fe800000000000000000000000010002"],
    ["1:2:3:4:5:6:7::", "00010002000300040005000600070000"],
    ["::2:3:4:5:6:7:8", "00000002000300040005000600070008"],
    ["::ffff:192.0.2.128", "00000000000000000000ffffc0000280"],
    ["64:ff9b::192.0.2.33", "0064ff9b0000000000000000c0000221"],
  ] as const) {
    test(`spells ${ip} as the kernel reads it`, () => {
      const address = socketAddress(ip, 443);
      const bytes = Buffer.from(address?.bytes ?? []);
      expect(address?.family).toBe(AF_INET6);
      expect(bytes).toHaveLength(28);
      // Family, port, flow label; at the end the scope.
      expect(bytes.subarray(0, 8).toString("hex")).toBe("0a0001bb00000000");
      expect(bytes.subarray(8, 24).toString("hex")).toBe(hex);
      expect(bytes.subarray(24).toString("hex")).toBe("00000000");
    });
  }

  test("takes back any bytes that are spelled out", () => {
    const port = fc.integer({ min: 0, max: 65_535 });
    const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
    fc.assert(
      fc.property(fc.oneof(bytes(4), bytes(16)), port, (ip, port) => {
        const address = socketAddress(formatIp(ip), port);
        const at = ip.length === 4 ? 4 : 8;
        expect(Array.from(address?.bytes.subarray(at, at + ip.length) ?? [])).toEqual(
          Array.from(ip),
        );
        expect(((address?.bytes[2] ?? 0) << 8) | (address?.bytes[3] ?? 0)).toBe(port);
      }),
    );
  });

  test("answers undefined for a zone, a name and nonsense, and throws for no text at all", () => {
    for (const text of ["fe80::1%eth0", "localhost", "", "1.2.3", "1.2.3.256", "::1::", "[::1]"])
      expect(socketAddress(text, 80)).toBeUndefined();
    fc.assert(
      fc.property(anyText, (text) => {
        socketAddress(text, 80);
      }),
    );
  });
});

describe("the calls", () => {
  withLibc("a new socket does not block and is not inherited by other programs", () => {
    for (const family of [AF_INET, AF_INET6]) {
      const fd = calls().socket(family);
      expect(fd).toBeGreaterThan(2);
      expect(flagsOf(fd) & (O_NONBLOCK | O_CLOEXEC)).toBe(O_NONBLOCK | O_CLOEXEC);
      expect(calls().close(fd)).toBe(0);
      expect(calls().close(fd)).toBe(-1);
    }
    expect(calls().socket(12_345)).toBe(-1);
  });

  withLibc("a copy is another descriptor, which is not inherited either", () => {
    const fd = calls().socket(AF_INET);
    const copy = calls().dup(fd);
    expect(copy).toBeGreaterThan(2);
    expect(copy).not.toBe(fd);
    expect(flagsOf(copy) & O_CLOEXEC).toBe(O_CLOEXEC);
    calls().close(fd);
    expect(calls().close(copy)).toBe(0);
    expect(calls().dup(copy)).toBe(-1);
  });

  withLibc("connect answers the error number", () => {
    const address = socketAddress("127.0.0.1", 1);
    const other = socketAddress("::1", 1);
    if (address === undefined || other === undefined) throw new Error("no address");
    const EAFNOSUPPORT = 97;
    const fd = calls().socket(AF_INET);
    expect(calls().connect(fd, other)).toBe(EAFNOSUPPORT);
    calls().close(fd);
    expect(calls().connect(fd, address)).toBe(EBADF);
  });

  withPeer("listen sets how many may wait", async () => {
    const fd = calls().socket(AF_INET);
    expect(calls().listen(fd, 7)).toBe(0);
    expect(calls().listen(fd, 4096)).toBe(0);
    calls().close(fd);
    expect(calls().listen(fd, 7)).toBe(-1);
  });
});

describe("peerHasClosed", () => {
  withPeer("is false while the connection stands, whether or not bytes wait", async () => {
    const { fd, stream } = await connected();
    expect(calls().peerHasClosed(fd)).toBe(false);
    await stream.sendText("x");
    expect(calls().peerHasClosed(fd)).toBe(false);
    expect(calls().peerHasClosed(fd)).toBe(false);
    calls().close(fd);
  });

  for (const end of ["shutdown", "close", "reset"] as const) {
    withPeer(`is true after the peer's ${end}`, async () => {
      const { fd, stream } = await connected();
      await stream[end]();
      await until("it is noticed", () => calls().peerHasClosed(fd));
      calls().close(fd);
    });
  }

  withLibc("is true of a descriptor that is not open", () => {
    expect(calls().peerHasClosed(-1)).toBe(true);
  });
});

describe("writes that do not wait", () => {
  withPeer("sendNow sends what there is room for, and no more", async () => {
    const { fd, stream } = await connected();
    const text = new TextEncoder().encode("x".repeat(5_000));
    expect(calls().sendNow(fd, text.subarray(0, 5))).toBe(5);
    let taken = 5;
    for (let sent = 0; sent >= 0; taken += Math.max(0, sent)) sent = calls().sendNow(fd, text);
    expect(taken).toBeGreaterThan(4096);
    await stream.close();
    calls().close(fd);
  });

  withLibc("writeNow writes at most 4096 bytes, and none where there is no room", () => {
    const path = `${mkdtempSync(join(tmpdir(), "libc-"))}/fifo`;
    Bun.spawnSync(["mkfifo", path]);
    // Blocking, and read by nobody: one page too many would be waited for until the test run is killed.
    const fd = openSync(path, "r+");
    const text = new TextEncoder().encode("x".repeat(5_000));
    expect(calls().writeNow(fd, text.subarray(0, 5))).toBe(5);
    const written: number[] = [];
    for (let more = 0; more >= 0; written.push(more)) more = calls().writeNow(fd, text);
    expect(written.length).toBeGreaterThan(1);
    expect(new Set(written)).toEqual(new Set([4096, -1]));
    closeSync(fd);
    rmSync(dirname(path), { recursive: true });
  });

  withLibc("neither writes to a descriptor that is not open", () => {
    const bytes = new Uint8Array(1);
    expect([calls().sendNow(-1, bytes), calls().writeNow(-1, bytes)]).toEqual([-1, -1]);
  });
});

describe("what the system tells", () => {
  withLibc("acceptQueue counts connections that nobody has accepted", async () => {
    const bound = bind("127.0.0.1", 0);
    const fd = bound.fd ?? -1;
    expect(calls().listen(fd, 7)).toBe(0);
    expect(calls().acceptQueue(fd)).toEqual({ length: 0, limit: 7 });
    const address = socketAddress("127.0.0.1", bound.port);
    if (address === undefined) throw new Error("no address");
    const clients = Array.from({ length: 3 }, () => calls().socket(AF_INET));
    for (const client of clients) expect(calls().connect(client, address)).toBe(0);
    await until("three wait", () => calls().acceptQueue(fd)?.length === 3);
    for (const client of clients) {
      expect(calls().acceptQueue(client)).toBeUndefined();
      calls().close(client);
    }
    bound.close();
    for (const other of [fd, -1]) expect(calls().acceptQueue(other)).toBeUndefined();
  });

  withLibc("monotonicMs is the time since the machine began, on every thread", () => {
    const upMs = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) * 1000;
    const nowMs = calls().monotonicMs();
    // The file counts time asleep too, and hundredths of a second only.
    expect(nowMs).toBeGreaterThan(0);
    expect(nowMs - upMs).toBeLessThan(2_000);
    expect(calls().monotonicMs()).toBeGreaterThanOrEqual(nowMs);
  });
});
