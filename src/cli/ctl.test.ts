// The command against a real admin server whose application notes what it is asked.
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import type { AdminPort, ReloadAnswer } from "../admin/admin-port.ts";
import {
  type ConnectionStatus,
  ControlError,
  type ControlPort,
  type OverrideStatus,
} from "../admin/control-port.ts";
import { AdminServer } from "../admin/server.ts";
import { fakeControl } from "../../test/support/fake-control.ts";
import { systemClock } from "../lib/clock.ts";
import { silentLogger } from "../telemetry/log.ts";
import { parseArgs } from "./args.ts";
import { ctl } from "./ctl.ts";

const RELOADED: ReloadAnswer = {
  result: "applied",
  message: "in effect",
  summary: ["+ server 0.0.0.0:80"],
  configuration: { generation: 2, fingerprint: "abc" },
};

const calls: unknown[][] = [];
let control: ControlPort = fakeControl(calls);
const app: AdminPort = {
  metrics: () => "",
  status: () => {
    throw new Error("not asked for here");
  },
  config: () => null,
  shutdown: () => {},
  abort: () => {},
  upgrade: () => Promise.resolve({ result: "refused", message: "not here" }),
  handOver: () => {},
  reload: () => Promise.resolve(RELOADED),
  plan: () => Promise.resolve({ ...RELOADED, result: "planned" }),
  get control() {
    return control;
  },
};
const server = new AdminServer({
  ip: "127.0.0.1",
  port: 0,
  app,
  log: silentLogger,
  clock: systemClock,
});

beforeEach(() => {
  calls.length = 0;
  control = fakeControl(calls);
});
afterAll(() => server.stop());

/** What the command prints, with its exit code; or what is wrong with its words. */
async function run(line: string): Promise<{ code: number; out: string; err: string }> {
  const words = ["ctl", ...line.split(" "), "--admin-addr", `127.0.0.1:${server.address.port}`];
  return await runWords(words);
}

async function runWords(words: readonly string[]) {
  const command = parseArgs(words, { isFile: () => false, isDirectory: () => false });
  if (command.command !== "ctl") {
    const [err = ""] = command.command === "usage-error" ? command.message.split("\n") : [];
    return { code: 64, out: "", err };
  }
  let [out, err] = ["", ""];
  const code = await ctl(command, {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
  });
  return { code, out, err };
}

const CONNECTION: ConnectionStatus = {
  id: "0.7",
  client: "10.1.2.3:5000",
  server: "0.0.0.0:80",
  router: "r",
  dst: "/svc/web",
  endpoint: undefined,
  state: "waiting",
  ageSeconds: 7_300,
  idleSeconds: 59.9,
  rxBytes: 1_536,
  txBytes: 3,
};

describe("ctl asks", () => {
  const endpoint = { ip: "10.0.0.1", port: 80 };
  const anywhere = { endpoint, router: undefined, dst: undefined };

  test.each<[string, unknown[]]>([
    ["connections", ["connections", {}, "age", 100]],
    [
      "connections --source 10.0.0.0/8 --endpoint 10.0.0.1:80 --min-age 60 --sort bytes --limit 5",
      ["connections", { source: "10.0.0.0/8", endpoint, minAgeMs: 60_000 }, "bytes", 5],
    ],
    ["kill 0.1 0.2", ["end", { ids: ["0.1", "0.2"] }, { kind: "cut" }]],
    ["kill --all", ["end", {}, { kind: "cut" }]],
    [
      "drain --endpoint 10.0.0.1:80 --window 30 --max-per-sec 10 --deadline 60 --stop-new",
      [
        "end",
        { endpoint },
        {
          kind: "drain",
          stopNew: true,
          windowMs: 30_000,
          maxPerSecond: 10,
          deadlineMs: 60_000,
        },
      ],
    ],
    ["weight 10.0.0.1:80 0.5 --for 60", ["override", anywhere, { weight: 0.5 }, 60_000]],
    ["weight 10.0.0.1:80 default", ["override", anywhere, { weight: null }, undefined]],
    [
      "disable 10.0.0.1:80 --dst /svc/web --router r",
      ["override", { endpoint, router: "r", dst: "/svc/web" }, { enabled: false }, undefined],
    ],
    ["enable 10.0.0.1:80", ["override", anywhere, { enabled: null }, undefined]],
    ["overrides", ["overrides"]],
  ])("%s", async (line, call) => {
    expect(await run(line)).toMatchObject({ code: 0, err: "" });
    expect(calls).toEqual([call]);
  });
});

describe("ctl prints", () => {
  test("connections as a table, and how many more there are", async () => {
    control = {
      ...control,
      connections: () => Promise.resolve({ total: 9, connections: [CONNECTION] }),
    };
    const { out } = await run("connections");
    expect(out).toBe(
      "ID   CLIENT         SERVER      DESTINATION  ENDPOINT  STATE    AGE  IDLE  RX    TX\n" +
        "0.7  10.1.2.3:5000  0.0.0.0:80  /svc/web     -         waiting  2h   59s   1.5K  3\n" +
        "8 more; see --limit\n",
    );
    const none = { total: 0, connections: [], missingWorkers: 1 };
    control = { ...control, connections: () => Promise.resolve(none) };
    expect((await run("connections")).out).toBe(
      "no connections\n1 of the workers did not answer: theirs are not here\n",
    );
  });

  test("overrides beside what the names say", async () => {
    const override: OverrideStatus = {
      endpoint: "10.0.0.1:80",
      router: undefined,
      dst: undefined,
      weight: 0,
      enabled: undefined,
      expiresInSeconds: 90,
      applies: [{ router: "r", dst: "/svc/web", resolvedWeight: 2 }],
    };
    control = { ...control, overrides: () => [override] };
    expect((await run("overrides")).out.split("\n")[1]).toBe(
      "10.0.0.1:80  everywhere  0       -        in 1m    /svc/web weight 2",
    );
  });

  test("what a reload would change, and has changed", async () => {
    expect((await run("plan")).out).toBe("planned: in effect\n+ server 0.0.0.0:80\n");
    expect((await run("reload")).out).toBe("applied: in effect\n+ server 0.0.0.0:80\n");
  });

  test("JSON where it is asked for", async () => {
    expect((await run("connections --json")).out).toBe('{"total":0,"connections":[]}\n');
  });

  test("nothing that a terminal would obey", async () => {
    const rude = { ...CONNECTION, dst: "/svc/\u001b[31mred\nline" };
    control = { ...control, connections: () => Promise.resolve({ total: 1, connections: [rude] }) };
    expect((await run("connections")).out).not.toContain("\u001b");
  });
});

describe("ctl says what is wrong", () => {
  test.each([
    ["conections", "did you mean connections?"],
    ["weight 10.0.0.1:80", "ctl weight needs an endpoint and a weight"],
    ["kill --sort age", "--sort does not go with ctl kill"],
    ["connections 0.1", "unexpected 0.1 after ctl connections"],
    ["enable", "ctl enable needs an endpoint"],
  ])("of ctl %s", async (line, text) => {
    const { code, err } = await run(line);
    expect(code).toBe(64);
    expect(err).toContain(text);
  });

  test("when the proxy refuses", async () => {
    expect(await run("kill")).toEqual({
      code: 65,
      out: "",
      err: expect.stringContaining("linkerd-tcp: this would end all connections"),
    });
    control = {
      ...control,
      overrides: () => {
        throw new ControlError("UNKNOWN_TARGET", "there is no such thing");
      },
    };
    expect((await run("overrides")).err).toBe("linkerd-tcp: there is no such thing\n");
  });

  test("when nobody listens", async () => {
    const { code, err } = await runWords(["ctl", "overrides", "--admin-addr", "127.0.0.1:1"]);
    expect(code).toBe(69);
    expect(err).toContain("cannot reach the admin port at http://127.0.0.1:1");
  });
});
