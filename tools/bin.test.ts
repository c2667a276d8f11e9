// bin/linkerd-tcp in a copy of its surroundings, called from a directory that tries to interfere.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { ROOT } from "./source-tree.ts";

const MAIN = `
  import { z } from "zod";
  import { inside } from "./inside.ts";
  process.on("SIGTERM", () => process.exit(9));
  new Worker(new URL("./thread.ts", import.meta.url)).onmessage = ({ data: thread }) => {
    const { argv, pid } = process;
    const { SECRET: secret, DEFINED: defined, LINKERD_TCP_LAUNCHER: launcher } = process.env;
    const zod = typeof z.object;
    console.log(JSON.stringify({ inside, zod, args: argv.slice(2), cwd: process.cwd(), pid, secret, defined, launcher, thread }));
    if (argv[2] !== "wait") process.exit(7);
    // The thread has ended by now, and the program would end too.
    setInterval(() => {}, 60_000);
  };`;
const EVIL = `throw new Error("the caller's code ran");`;
const HOSTILE = {
  "bunfig.toml": 'preload = ["./evil.ts"]\n[define]\n"process.env.DEFINED" = "\'yes\'"\n',
  "tsconfig.json": '{ "compilerOptions": { "baseUrl": ".", "paths": { "*": ["./evil.ts"] } } }',
  "package.json": '{ "name": "evil", "type": "commonjs", "scripts": { "demo": "false" } }',
  ".env": "SECRET=from-dotenv\n",
  ".env.local": "SECRET=from-dotenv\n",
  "evil.ts": EVIL,
  "src/main.ts": EVIL,
  "node_modules/zod/package.json": '{ "name": "zod", "main": "index.js" }',
  "node_modules/zod/index.js": EVIL,
};

let folder: string;
let root: string;
let hostile: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "linkerd-tcp-bin-"));
  root = await tree("a root with spaces", {
    "src/main.ts": MAIN,
    "src/inside.ts": "export const inside = true;",
    "src/thread.ts": `import { z } from "zod"; postMessage([typeof z.object, process.env.SECRET ?? ""]);`,
  });
  for (const name of ["bunfig.toml", "tsconfig.json"])
    copyFileSync(join(ROOT, name), join(root, name));
  symlinkSync(join(ROOT, "node_modules"), join(root, "node_modules"));
  hostile = await tree("hostile", HOSTILE);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Files in a folder of their own, with the program's script. */
async function tree(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const at = join(folder, name);
  await Promise.all(Object.entries(files).map(([path, text]) => Bun.write(join(at, path), text)));
  mkdirSync(join(at, "bin"), { recursive: true });
  copyFileSync(join(ROOT, "bin/linkerd-tcp"), join(at, "bin/linkerd-tcp"));
  return at;
}

function start(program: string, args: readonly string[]): Bun.Subprocess<"ignore", "pipe", "pipe"> {
  return Bun.spawn([program, ...args], { cwd: hostile, stdio: ["ignore", "pipe", "pipe"] });
}

/** The closing words of a program that fails. */
async function failure(program: string): Promise<string> {
  const child = start(program, []);
  const text = await child.stderr.text();
  return `${await child.exited} ${text}`;
}

describe("bin/linkerd-tcp", () => {
  test("runs its own code, whatever lies in the caller's directory", async () => {
    const args = ["demo", "--version", "-e", "a b", "--", "--no-env-file", ""];
    const child = start(join(root, "bin/linkerd-tcp"), args);
    const [text, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    expect(errors).toBe("");
    expect(JSON.parse(text)).toEqual({
      inside: true,
      zod: "function",
      args,
      cwd: hostile,
      pid: child.pid,
      launcher: `${child.pid}:${join(root, "bin/linkerd-tcp")}`,
      thread: ["function", ""],
    });
    expect(await child.exited).toBe(7);
  });

  test("finds its folder through a chain of links, relative ones too", async () => {
    const link = join(folder, "links/second");
    mkdirSync(dirname(link));
    symlinkSync(join(root, "bin/linkerd-tcp"), join(folder, "links/first"));
    symlinkSync("./first", link);
    const child = start(link, []);
    expect(JSON.parse(await child.stdout.text())).toMatchObject({
      inside: true,
      // Not where it leads to: that may be another version when the program is started anew.
      launcher: `${child.pid}:${link}`,
    });
  });

  test("tells the program what it was started as, from a relative path too", async () => {
    const command = ["../a root with spaces/bin/linkerd-tcp"];
    const child = Bun.spawn(command, { cwd: hostile, stdio: ["ignore", "pipe", "pipe"] });
    const { launcher } = JSON.parse(await child.stdout.text()) as { readonly launcher: string };
    expect(launcher).toBe(`${child.pid}:${hostile}/${command[0]}`);
  });

  test("is the program that signals reach", async () => {
    const child = start(join(root, "bin/linkerd-tcp"), ["wait"]);
    const { value } = await child.stdout.getReader().read();
    expect(JSON.parse(new TextDecoder().decode(value))).toMatchObject({ pid: child.pid });
    child.kill("SIGTERM");
    expect(await child.exited).toBe(9);
  });

  test("says what to run when there are no packages", async () => {
    const bare = await tree("bare", {});
    expect(await failure(join(bare, "bin/linkerd-tcp"))).toBe(
      `1 linkerd-tcp: its packages are not installed: run "npm ci" in ${bare}\n`,
    );
  });

  test("says what to run when npm left out the install script of Bun", async () => {
    const bun = "node_modules/.bin/bun";
    const half = await tree("half", { [bun]: `echo "Error: postinstall" >&2\nexit 1\n` });
    chmodSync(join(half, bun), 0o755);
    expect(await failure(join(half, "bin/linkerd-tcp"))).toBe(
      `1 linkerd-tcp: Bun is not unpacked: run "node node_modules/bun/install.js" in ${half}\n`,
    );
  });
});
