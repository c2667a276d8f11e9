import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { resolve } from "node:path";
import { Peer } from "../../test/support/tls/peer.ts";
import { statesOf, TCP } from "../../test/support/tls/recorder.ts";
import { has, run } from "../../test/support/tls/tools.ts";
import { until } from "../../test/support/until.ts";
import { adopt, BindError, bind } from "./bind.ts";
import { libc } from "./libc.ts";

const withPython = test.skipIf(!has("python3"));
const withFfi = test.skipIf(libc === undefined || !has("python3"));
const mayUnshare =
  Bun.which("unshare") !== null && Bun.spawnSync(["unshare", "-r", "true"]).exitCode === 0;
const withNamespace = test.skipIf(!mayUnshare);
const BIND = resolve(import.meta.dir, "bind.ts");

let peer: Peer;
beforeAll(() => {
  peer = new Peer();
});
afterAll(async () => peer[Symbol.asyncDispose]());

/** The error of `act`, which must be one. */
function errorOf(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  throw new Error("did not throw");
}

/** Binds in a process of its own that has `free` descriptors left or no `privileges`, and answers what came of it. */
async function bindElsewhere(
  options: {
    readonly free?: number;
    readonly env?: Readonly<Record<string, string>>;
    readonly port?: number;
    readonly privileges?: false;
  } = {},
): Promise<Readonly<Record<string, unknown>>> {
  const script = `
    const { openSync, closeSync } = require("node:fs");
    const { bind } = await import(${JSON.stringify(BIND)});
    const taken = [];
    try {
      while (${options.free !== undefined}) taken.push(openSync("/dev/null"));
    } catch {}
    for (let n = 0; n < ${options.free ?? 0}; n += 1) closeSync(taken.pop());
    try {
      const { fd, port } = bind("127.0.0.1", ${options.port ?? 0});
      console.log(JSON.stringify({ fd, port }));
    } catch ({ name, code, message }) {
      console.log(JSON.stringify({ name, code, message }));
    }
    process.exit(0);`;
  const shell = ["sh", "-c", 'ulimit -n 128; exec "$@"', "sh"];
  // Root of a namespace of its own has no rights over the ports of the system.
  const below = options.privileges === false ? ["unshare", "-r"] : [];
  const command = [...shell, ...below, process.execPath, "-e", script];
  const { stdout, stderr } = await run(command, { env: options.env ?? {} });
  if (stdout === "") throw new Error(stderr);
  return JSON.parse(stdout) as Readonly<Record<string, unknown>>;
}

withFfi(
  "port 0 gives a real port, where connections wait until somebody accepts them",
  async () => {
    const bound = bind("127.0.0.1", 0);
    expect(bound).toMatchObject({ ip: "127.0.0.1" });
    expect(bound.port).toBeGreaterThan(0);
    expect(bound.fd).toBeGreaterThan(2);
    const stream = await peer.connect(bound.port);
    await stream.sendText("waiting");
    bound.close();
    expect(await stream.receive()).toMatchObject({ end: "reset" });
    await expect(peer.connect(bound.port)).rejects.toThrow("Connection refused");
  },
);

withFfi("more than 512 connections may wait, if the system lets them", async () => {
  const most = Number(await Bun.file("/proc/sys/net/core/somaxconn").text());
  const bound = bind("127.0.0.1", 0);
  const count = Math.min(600, most);
  const streams = await Promise.all(Array.from({ length: count }, () => peer.connect(bound.port)));
  expect(streams).toHaveLength(count);
  bound.close();
});

withPython("an IPv6 address is bound as well as an IPv4 one", async () => {
  const bound = bind("::1", 0);
  const stream = await peer.connect(bound.port, { host: "::1" }).catch(() => undefined);
  expect(stream !== undefined || bound.fd === undefined).toBe(true);
  bound.close();
});

test("a port is free again once it is closed", async () => {
  const first = bind("127.0.0.1", 0);
  first.close();
  const second = bind("127.0.0.1", first.port);
  expect(second.port).toBe(first.port);
  second.close();
  await until("nothing listens", async () => !(await statesOf(first.port)).includes(TCP.listen));
});

describe("what cannot be bound is a BindError that says why", () => {
  test("an address in use", () => {
    const blocker = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const error = errorOf(() => bind("127.0.0.1", blocker.port));
    expect(error).toBeInstanceOf(BindError);
    expect(error).toMatchObject({ code: "EADDRINUSE" });
    expect(String(error)).toContain(`127.0.0.1:${blocker.port}`);
    expect(String(error)).toContain("in use");
    blocker.stop(true);
  });

  test("an address that this host does not have", () => {
    for (const [ip, printed] of [
      ["192.0.2.1", "192.0.2.1:0"],
      ["2001:db8::1", "[2001:db8::1]:0"],
    ] as const) {
      const error = errorOf(() => bind(ip, 0));
      expect(error).toMatchObject({ name: "BindError", code: "EADDRNOTAVAIL" });
      expect(String(error)).toContain(printed);
      expect(String(error)).toContain("does not have that address");
    }
  });

  for (const free of [0, 1]) {
    withFfi(`no descriptors left, or too few (${free})`, async () => {
      const outcome = await bindElsewhere({ free });
      expect(outcome).toMatchObject({ name: "BindError", code: "EMFILE" });
      expect(outcome["message"]).toContain("ulimit -n");
    });
  }

  withNamespace("a port that needs privileges", async () => {
    const outcome = await bindElsewhere({ port: 80, privileges: false });
    expect(outcome).toMatchObject({ name: "BindError", code: "EACCES" });
    expect(outcome["message"]).toContain("privileges");
  });

  withFfi("and two descriptors are enough", async () => {
    expect(await bindElsewhere({ free: 2 })).toMatchObject({ fd: expect.any(Number) as number });
  });
});

withPython("without FFI the port is found and left for workers to listen on", async () => {
  const outcome = await bindElsewhere({ env: { LINKERD_TCP_FFI: "off" } });
  expect(outcome).toEqual({ port: outcome["port"] });
  expect(outcome["port"]).toBeGreaterThan(0);
});

withFfi(
  "a socket is closed once, an adopted one too: its number may be somebody else's by then",
  () => {
    const first = bind("127.0.0.1", 0);
    const copy = libc?.dup(first.fd ?? -1) ?? -1;
    const adopted = adopt(copy, "127.0.0.1", first.port);
    adopted.close();
    const next = libc?.dup(first.fd ?? -1);
    expect(next).toBe(copy);
    adopted.close();
    const third = libc?.dup(first.fd ?? -1);
    expect(third).not.toBe(copy);
    for (const fd of [next, third]) libc?.close(fd ?? -1);
    first.close();
  },
);
