import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { has } from "../../test/support/peers/tools.ts";

setDefaultTimeout(30_000);

const LINES = 1_000;
const CHILD = `
  import { openLogOutput } from ${JSON.stringify(join(import.meta.dir, "log-output.ts"))};
  import { readFileSync } from "node:fs";
  const flags = () => /flags:\\s*(\\d+)/.exec(readFileSync("/proc/self/fdinfo/2", "utf8"))?.[1];
  const before = flags();
  const { target, sink } = openLogOutput();
  const line = "x".repeat(4095) + "\\n";
  let taken = 0;
  for (let count = 0; count < ${LINES}; count++) if (sink(line)) taken++;
  console.log(JSON.stringify({ by: target.by, taken, unchanged: flags() === before }));
`;

// Starts a program whose standard error nobody reads until it has ended, and then says what there was to be read.
const STALLED = `
import json, os, pty, select, socket, subprocess, sys, tempfile, termios
kind, *command = sys.argv[1:]
kept = []
if kind == "socket":
    reader, writer = socket.socketpair()
    kept, reader, writer = [reader, writer], reader.fileno(), writer.fileno()
elif kind == "pipe":
    reader, writer = os.pipe()
elif kind == "fifo":
    path = os.path.join(tempfile.mkdtemp(), "fifo")
    os.mkfifo(path, 0o600)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(path, os.O_WRONLY)
else:
    reader, writer = pty.openpty()
    termios.tcflow(writer, termios.TCOOFF)
def drop():
    if kind != "socket":
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=writer, preexec_fn=drop, cwd="/")
try:
    out, _ = child.communicate(timeout=20)
except subprocess.TimeoutExpired:
    child.kill()
    sys.exit("it waits for its reader")
got = b""
while select.select([reader], [], [], 0)[0]:
    got += os.read(reader, 65536)
lines = got.split(b"\\n")
whole = sum(1 for line in lines if line == b"x" * 4095)
print(json.dumps({**json.loads(out), "read": len(got), "whole": whole}))
`;

/** What a program did that logs to a standard error of this kind, and what of it arrived. */
async function logToStalled(kind: string): Promise<Record<string, unknown>> {
  const command = [process.execPath, "--no-env-file", "-e", CHILD];
  const python = Bun.spawn(["python3", "-c", STALLED, kind, ...command], { stderr: "pipe" });
  const [out, err] = await Promise.all([python.stdout.text(), python.stderr.text()]);
  if ((await python.exited) !== 0) throw new Error(err);
  return JSON.parse(out) as Record<string, unknown>;
}

test.skipIf(!has("python3"))("a socket whose reader stalls costs lines, not time", async () => {
  const { by, taken, unchanged, read, whole } = await logToStalled("socket");
  expect([by, unchanged]).toEqual(["send", true]);
  expect(taken).toBeWithin(10, LINES);
  expect([whole, read]).toEqual([taken, Number(taken) * 4096]);
});

// Only root can give a program another user's pipe.
const asRoot = test.skipIf(!has("python3") || process.getuid?.() !== 0);

for (const kind of ["pipe", "fifo"]) {
  asRoot(`a ${kind} of another user whose reader stalls costs lines, not time`, async () => {
    const { by, taken, unchanged, read, whole } = await logToStalled(kind);
    expect([by, unchanged]).toEqual(["try", true]);
    expect(taken).toBeWithin(10, LINES);
    expect([whole, read]).toEqual([taken, Number(taken) * 4096]);
  });
}

asRoot("a terminal of another user that was stopped costs lines, not time", async () => {
  expect(await logToStalled("terminal")).toMatchObject({ by: "try", taken: 0, unchanged: true });
});
