import { afterEach, describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { until } from "../../test/support/until.ts";
import { libc } from "../transport/libc.ts";
import { Predecessor } from "./predecessor.ts";
import { readFromPredecessor } from "./upgrade-messages.ts";

const admin = { ip: "127.0.0.1", port: 1 };
const children: Bun.Subprocess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

/** A shell in the place of the other process: what it reads comes out, and `say` makes it write. */
function setUp() {
  const script = "cat <&3 & while read line; do echo $line >&3; done; kill $!";
  const child = Bun.spawn(["sh", "-c", script], { stdio: ["pipe", "pipe", "inherit", "pipe"] });
  children.push(child);
  let heard = "";
  const follow = async (): Promise<void> => {
    for await (const bytes of child.stdout) heard += new TextDecoder().decode(bytes);
  };
  void follow();
  const clock = new FakeClock();
  const [, , , channelFd] = child.stdio as readonly unknown[];
  const predecessor = new Predecessor({ channelFd: Number(channelFd), admin }, clock);
  return {
    predecessor,
    clock,
    heard: () => heard,
    say: (line: string) => {
      void child.stdin.write(`${line}\n`);
      void child.stdin.flush();
    },
    end: () => child.stdin.end(),
  };
}

const NAME = { router: "r", path: "/svc/a" };

test("what the other process passes on is read as far as it can be", () => {
  const override = { ip: "10.0.0.1", port: 80, enabled: false, leftMs: 5 };
  const overrides = [
    override,
    { ...override, leftMs: -1, weight: "2", path: "/a" },
    { ip: 7 },
    null,
  ];
  expect(readFromPredecessor(JSON.stringify({ type: "go", overrides }))).toEqual({
    type: "go",
    overrides: [override, { ip: "10.0.0.1", port: 80, enabled: false, path: "/a" }],
  });
  expect(readFromPredecessor('{"type":"go","overrides":1}')).toEqual({ type: "go", overrides: [] });
  expect(readFromPredecessor('{"type":"went"}')).toBeUndefined();
});

describe.skipIf(libc === undefined)("the process before", () => {
  test("is told when all names are resolved, and then says that this one may accept", async () => {
    const { predecessor, clock, heard, say } = setUp();
    let unresolved = [NAME];
    let mayAccept = false;
    const prepared = predecessor.prepared(() => unresolved).then(() => (mayAccept = true));
    clock.advance(5_000);
    expect(heard()).toBe("");
    unresolved = [];
    clock.advance(100);
    await until("it is told", () => heard() === '{"type":"prepared","unresolved":[]}\n');
    say("something else");
    // Of an older version, which passes no overrides.
    say('{"type":"go"}');
    expect(mayAccept).toBe(false);
    await prepared;
    predecessor.ready();
    await until("it is told", () => heard().endsWith('\n{"type":"ready"}\n'));
    expect(clock.pending).toBe(0);
  });

  test("is told after ten seconds which names are not", async () => {
    const { predecessor, clock, heard } = setUp();
    void predecessor.prepared(() => [NAME]);
    clock.advance(10_100);
    const line = '{"type":"prepared","unresolved":[{"router":"r","path":"/svc/a"}]}\n';
    await until("it is told", () => heard() === line);
  });

  test("holds nobody up when it is gone", async () => {
    const { predecessor, end } = setUp();
    const prepared = predecessor.prepared(() => []);
    await end();
    await prepared;
    predecessor.failed("too late");
  });

  test("is told why this one ends", async () => {
    const { predecessor, heard } = setUp();
    predecessor.failed("line 3\nis wrong");
    await until(
      "it is told",
      () => heard() === '{"type":"failed","message":"line 3\\nis wrong"}\n',
    );
  });
});
