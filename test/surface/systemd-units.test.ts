// The units in examples/systemd: systemd understands them, and the command line understands what they call.
import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "../../src/cli/args.ts";
import { EXIT } from "../../src/cli/exit-codes.ts";
import { ROOT } from "../../tools/source-tree.ts";
import { has } from "../support/peers/tools.ts";

const UNITS = ["linkerd-tcp.service", "linkerd-tcp.socket"] as const;
const PROGRAM = "/opt/linkerd-tcp/bin/linkerd-tcp";
const CONFIG = "/etc/linkerd-tcp/config.yml";

const texts = UNITS.map((unit) => readFileSync(join(ROOT, "examples/systemd", unit), "utf8"));
const [service = "", socket = ""] = texts;

/** The values of a directive, in their order. */
function values(text: string, directive: string): readonly string[] {
  return Array.from(
    text.matchAll(new RegExp(`^${directive}=(.*)$`, "gm")),
    ([, value = ""]) => value,
  );
}

describe("examples/systemd", () => {
  test.skipIf(!has("systemd-analyze"))("is what systemd takes without a word", async () => {
    const folder = mkdtempSync(join(tmpdir(), "l5d-units-"));
    // The program is not installed where the units say.
    for (const [index, unit] of UNITS.entries())
      writeFileSync(join(folder, unit), (texts[index] ?? "").replaceAll(PROGRAM, "/bin/true"));
    const paths = UNITS.map((unit) => join(folder, unit));
    const command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", ...paths];
    const child = Bun.spawn(command, { stdio: ["ignore", "pipe", "pipe"] });
    const said = (await child.stdout.text()) + (await child.stderr.text());
    expect({ code: await child.exited, said }).toEqual({ code: 0, said: "" });
    rmSync(folder, { recursive: true });
  });

  test("calls the program with arguments that it takes", () => {
    const files = { isFile: (path: string) => path === CONFIG, isDirectory: () => false };
    const calls = [...values(service, "ExecStartPre"), ...values(service, "ExecStart")];
    const commands = calls.map((call) => {
      const [program, ...args] = call.split(" ");
      expect(program).toBe(PROGRAM);
      return parseArgs(args, files);
    });
    expect(commands).toEqual([
      { command: "check", path: CONFIG },
      { command: "run", path: CONFIG },
    ]);
  });

  test("does not start again what would fail again", () => {
    const codes = values(service, "RestartPreventExitStatus").join(" ").split(" ").map(Number);
    expect(codes).toEqual([EXIT.usage, EXIT.noInput, EXIT.badConfig]);
  });

  test("allows what an upgrade and the watchdog need", () => {
    expect(values(service, "Type")).toEqual(["notify"]);
    expect(values(service, "NotifyAccess")).toEqual(["main"]);
    expect(values(service, "KillMode")).toEqual(["mixed"]);
    expect(values(service, "RestrictAddressFamilies").join().split(" ")).toContain("AF_UNIX");
    expect(service).not.toMatch(/^MemoryDenyWriteExecute=/m);
    expect(values(service, "Sockets")).toEqual(["linkerd-tcp.socket"]);
  });

  test("names addresses in full, as sockets go to servers by address", () => {
    const streams = values(socket, "ListenStream");
    expect(streams).not.toHaveLength(0);
    expect(streams.filter((stream) => !/^(\d+\.\d+\.\d+\.\d+|\[.*\]):\d+$/.test(stream))).toEqual(
      [],
    );
  });
});
