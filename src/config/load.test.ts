import { afterAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { issue, makeCa } from "../../test/support/certs.ts";
import { until } from "../../test/support/until.ts";
import { ConfigLoaderError, loadConfigInChild } from "./load-in-child.ts";
import { loadConfig } from "./load.ts";
import { formatProblems } from "./problems.ts";
import { MAX_FILE_BYTES } from "./read-file.ts";

const folder = mkdtempSync(join(tmpdir(), "l5d-load-"));
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function fifo(name: string): string {
  const path = join(mkdtempSync(join(folder, "pipe-")), name);
  Bun.spawnSync(["mkfifo", path]);
  return path;
}

/** The fields of /proc/<pid>/stat after the name; undefined when there is no such process. */
function statOf(pid: number): readonly string[] | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ");
  } catch {
    return undefined;
  }
}

function isRunning(pid: number): boolean {
  const [state = "X"] = statOf(pid) ?? [];
  return !"XZ".includes(state);
}

/** The process that `parent` has started, if any. */
function childOf(parent: number): number | undefined {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map(Number).find((pid) => statOf(pid)?.[1] === String(parent));
}

const GOOD = `
routers:
- label: a
  interpreter: {kind: io.l5d.namerd.http, baseUrl: "http://user:secret@namerd:4180"}
  servers: [{port: 1, dstName: /svc/a, connectionLifetimeSecs: 0}]
`;

async function messageOf(path: string, stdin?: Uint8Array): Promise<string> {
  const result = await loadConfig(path, stdin);
  return result.ok ? "" : `${result.reason}: ${formatProblems(result.problems)}`;
}

describe("loadConfig()", () => {
  test("gives the configuration and, of its source, everything but secrets", async () => {
    const result = await loadConfig(write("good.yml", GOOD));
    expect(result).toMatchObject({ ok: true, warnings: [] });
    if (!result.ok) return;
    expect(result.config.routers[0]?.interpreter).toMatchObject({
      baseUrl: "http://user:secret@namerd:4180",
    });
    expect(JSON.stringify(result.source)).not.toContain("secret");
    expect(result.source).toMatchObject({
      routers: [{ interpreter: { baseUrl: "http://***@namerd:4180" } }],
    });
  });

  test("reads files from the directory of the configuration, and none of them into the source", async () => {
    const ca = await makeCa();
    const { certPem, keyPem } = await issue(ca);
    mkdirSync(join(folder, "certs"));
    write("certs/web.pem", certPem);
    write("certs/web.key", keyPem);
    const tls = "tls: {defaultIdentity: {certs: [certs/web.pem], privateKey: certs/web.key}}";
    const result = await loadConfig(write("tls.yml", GOOD.replace("dstName", `${tls}, dstName`)));
    expect(result.ok && result.config.routers[0]?.servers[0]?.tls?.defaultIdentity).toBeDefined();
    expect(JSON.stringify(result.ok && result.source)).not.toContain("BEGIN");
  });

  test("takes standard input, with paths from the working directory", async () => {
    const bytes = new TextEncoder().encode(GOOD);
    expect(await loadConfig("-", bytes)).toMatchObject({ ok: true });
    expect(await messageOf("-", new TextEncoder().encode("routers: 1"))).toBe(
      "invalid: <stdin>:1:10: error: routers: expected a list, found 1\n1 error",
    );
  });

  test("says why a file cannot be read", async () => {
    const missing = join(folder, "none.yml");
    expect(await messageOf(missing)).toBe(
      `unreadable: ${missing}: error: there is no such file\n1 error`,
    );
    expect(await messageOf(folder)).toContain(": error: it is a directory");
    expect(await messageOf(write("latin", new Uint8Array([0x61, 0xff])))).toContain(
      ": error: it is not text in UTF-8",
    );
  });

  test("says how a name is written, where one may have been meant", async () => {
    expect(await messageOf("/etc/svc-web")).toContain(
      "there is no such file; if it is a name to be resolved, add an option, as in: linkerd-tcp -n 127.0.0.1:4180 /etc/svc-web",
    );
  });

  test.skipIf(process.getuid?.() === 0)("says that there is no permission", async () => {
    const path = write("closed.yml", GOOD);
    chmodSync(path, 0);
    expect(await messageOf(path)).toContain("there is no permission to read it");
  });

  test("does not read for ever", async () => {
    expect(await messageOf("/dev/zero")).toBe(
      "unreadable: /dev/zero: error: it is larger than 16 MiB\n1 error",
    );
    const big = write("big", "");
    truncateSync(big, MAX_FILE_BYTES + 1);
    expect(await messageOf(big)).toContain("it is larger than 16 MiB");
    for (const file of ["/dev/zero", big]) {
      const tls = `tls: {defaultIdentity: {certs: [${file}], privateKey: ${file}}}`;
      const message = await messageOf(write("tls.yml", GOOD.replace("dstName", `${tls}, dstName`)));
      expect(message).toContain(`tls.defaultIdentity.certs[0]: ${file}: it is larger than 16 MiB`);
      expect(message).toContain(`tls.defaultIdentity.privateKey: ${file}: it is larger`);
    }
  });

  test("waits for what is written into pipes, the file's own and those that it names", async () => {
    const { certPem, keyPem } = await issue(await makeCa());
    const [config, certs, key] = [fifo("config"), fifo("certs"), fifo("key")];
    const tls = `tls: {defaultIdentity: {certs: [${certs}], privateKey: ${key}}}`;
    const loading = loadConfig(config);
    await writeFile(config, GOOD.replace("dstName", `${tls}, dstName`));
    await writeFile(certs, certPem);
    await writeFile(key, keyPem);
    const result = await loading;
    expect(result.ok && result.config.routers[0]?.servers[0]?.tls?.defaultIdentity).toBeDefined();
  });

  test("does not reject, whatever the bytes and the path", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), async (bytes) => {
        expect(await loadConfig("-", bytes)).toHaveProperty("ok");
      }),
    );
    expect(await messageOf("\0")).toStartWith("unreadable: ");
    const rootDir = GOOD.replace(/kind: [^}]*/, 'kind: io.l5d.fs, rootDir: "a\\0b"');
    expect(await messageOf("-", new TextEncoder().encode(rootDir))).toContain(
      "there is no such directory",
    );
  });
});

describe("loadConfigInChild()", () => {
  test("gives what loadConfig() gives, infinite limits included", async () => {
    const path = write("worker.yml", GOOD);
    const result = await loadConfigInChild(path);
    expect(result).toEqual(await loadConfig(path));
    expect(result.ok && result.config.routers[0]?.servers[0]?.connectionLifetimeMs).toBe(
      Number.POSITIVE_INFINITY,
    );
  });

  test("gives problems as a result", async () => {
    const result = await loadConfigInChild(join(folder, "none.yml"));
    expect(result).toMatchObject({ ok: false, reason: "unreadable" });
  });

  test("gives up what takes too long, and says what may be the reason", async () => {
    const tooLong = loadConfigInChild(fifo("never"), 300);
    await expect(tooLong).rejects.toThrow("takes longer than 0.3 s: is one of the files");
    expect(await loadConfigInChild(write("in-time.yml", GOOD), 60_000)).toMatchObject({ ok: true });
  });

  test("reads standard input on the thread that has it", async () => {
    const script = `
      const { loadConfigInChild } = await import(${JSON.stringify(join(import.meta.dir, "load-in-child.ts"))});
      const result = await loadConfigInChild("-");
      console.log(result.ok, result.config?.routers[0].label);`;
    const { stdout } = Bun.spawnSync([process.execPath, "-e", script], {
      stdin: Buffer.from(GOOD),
    });
    expect(stdout.toString()).toBe("true a\n");
  });
});

describe("the process that loads the configuration", () => {
  const tls = () =>
    `tls: {defaultIdentity: {certs: [${fifo("never")}], privateKey: ${fifo("never")}}}, dstName`;
  for (const [what, path] of [
    ["a pipe", () => fifo("never")],
    ["a certificate in a pipe", () => write("pipes.yml", GOOD.replace("dstName", tls()))],
  ] as const) {
    test(`ends with its parent while it waits for ${what}`, async () => {
      const script = `
        const { loadConfigInChild } = await import(${JSON.stringify(join(import.meta.dir, "load-in-child.ts"))});
        await loadConfigInChild(${JSON.stringify(path())});`;
      const parent = Bun.spawn([process.execPath, "-e", script], { stdin: "ignore" });
      await until("it has started", () => childOf(parent.pid) !== undefined);
      const child = childOf(parent.pid) ?? 0;
      parent.kill("SIGKILL");
      await parent.exited;
      try {
        await until("it has ended", () => !isRunning(child));
      } finally {
        if (isRunning(child)) process.kill(child, "SIGKILL");
      }
    });
  }
});

test("ConfigLoaderError has a code and its cause", () => {
  expect(new ConfigLoaderError("why")).toMatchObject({
    code: "CONFIG_LOADER_FAILED",
    cause: "why",
  });
});
