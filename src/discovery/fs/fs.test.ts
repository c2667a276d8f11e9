import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../../../test/support/until.ts";
import { FakeClock } from "../../../test/support/fake-clock.ts";
import { seededRng } from "../../lib/rng.ts";
import type { Resolution } from "../../naming/resolution.ts";
import { type Logger, silentLogger } from "../../telemetry/log.ts";
import { Registry } from "../../telemetry/registry.ts";
import { FolderWatches } from "./folder-watches.ts";
import { FsResolver } from "./fs.ts";
import { ResolverMetrics } from "../metrics.ts";
import { describeResolver } from "../resolver.contract.ts";

function resolverFor(
  rootDir: string,
  clock: FakeClock,
  folders: FolderWatches,
  log: Logger = silentLogger,
  prefix = "/svc",
): FsResolver {
  return new FsResolver(
    { kind: "io.l5d.fs", rootDir, prefix },
    {
      clock,
      rng: seededRng(1),
      log,
      metrics: new ResolverMetrics(new Registry(() => {}), "", "r"),
      lookup: async (host) =>
        host === "web.example"
          ? { state: "found", ips: ["10.9.9.9", "::9"] }
          : { state: "unknown" },
      folders,
    },
  );
}

const newFolder = (): string => mkdtempSync(join(tmpdir(), "l5d-fs-"));

describeResolver("FsResolver", async (clock) => {
  const rootDir = newFolder();
  const folders = new FolderWatches();
  const write = (...addresses: readonly string[]): void => {
    const lines = addresses.map((address) => `${address.replace(":", " ")}\n`);
    writeFileSync(join(rootDir, "web"), lines.join(""));
  };
  write("10.0.0.1:80");
  return {
    resolver: resolverFor(rootDir, clock, folders),
    path: "/svc/web",
    bind: write,
    initially: ["10.0.0.1:80"],
    unknownPath: "/svc/none",
    openHandles: () => folders.size,
    close: () => rmSync(rootDir, { recursive: true }),
  };
});

describe("FsResolver", () => {
  let root: string;
  let disco: string;
  let clock: FakeClock;
  let folders: FolderWatches;
  let abort: AbortController;
  let reports: Resolution[];
  let lines: string[];

  beforeEach(() => {
    root = newFolder();
    disco = join(root, "disco");
    mkdirSync(disco);
    clock = new FakeClock();
    folders = new FolderWatches();
    abort = new AbortController();
    reports = [];
    lines = [];
  });

  afterEach(() => {
    abort.abort();
    expect(clock.pending).toBe(0);
    expect(folders.size).toBe(0);
    rmSync(root, { recursive: true, force: true });
  });

  /** Ends the watch before, if there is one. */
  function watch(path: string, prefix?: string): void {
    abort.abort();
    abort = new AbortController();
    reports = [];
    const log: Logger = {
      ...silentLogger,
      warn: (message, fields) => lines.push(`${message} ${JSON.stringify(fields?.())}`),
    };
    const resolver = resolverFor(disco, clock, folders, log, prefix);
    resolver.watch(path, abort.signal, (resolution) => reports.push(resolution));
  }

  const save = (name: string, text: string | Uint8Array): void =>
    writeFileSync(join(disco, name), text);
  const now = (): string[] | string | undefined => {
    const last = reports.at(-1);
    return last?.state === "bound"
      ? last.endpoints.map(({ ip, port }) => `${ip} ${port}`)
      : last?.state;
  };
  /** Waits for an answer, with as little time as a sign of a change needs. */
  const becomes = (wanted: string | readonly string[]): Promise<void> =>
    until(`${wanted}`, () => {
      clock.advance(1);
      return Bun.deepEquals(now(), wanted);
    });
  /** Waits for an answer that nothing announces. */
  const becomesLater = (wanted: string | readonly string[]): Promise<void> =>
    until(`${wanted}`, () => {
      clock.advance(100);
      return Bun.deepEquals(now(), wanted);
    });

  test("follows what editors and scripts do to a file", async () => {
    watch("/svc/web");
    await becomes("neg");
    save("web", "10.0.0.1 80\n");
    await becomes(["10.0.0.1 80"]);
    save("web", "10.0.0.1 80\n10.0.0.2 80\n");
    await becomes(["10.0.0.1 80", "10.0.0.2 80"]);
    save(".web.swp", "10.0.0.3 80\n");
    renameSync(join(disco, ".web.swp"), join(disco, "web"));
    await becomes(["10.0.0.3 80"]);
    renameSync(join(disco, "web"), join(disco, "web~"));
    await becomes("neg");
    renameSync(join(disco, "web~"), join(disco, "web"));
    await becomes(["10.0.0.3 80"]);
    rmSync(join(disco, "web"));
    await becomes("neg");
    save("web", "");
    await becomes([]);
  });

  test("follows a ConfigMap, whose files change by the swap of one link", async () => {
    for (const [version, ip] of [["..v1", "10.0.0.1"] as const, ["..v2", "10.0.0.2"] as const]) {
      mkdirSync(join(disco, version));
      save(join(version, "web"), `${ip} 80\n`);
    }
    symlinkSync("..v1", join(disco, "..data"));
    symlinkSync("..data/web", join(disco, "web"));
    watch("/svc/web");
    await becomes(["10.0.0.1 80"]);
    symlinkSync("..v2", join(disco, "..data_tmp"));
    renameSync(join(disco, "..data_tmp"), join(disco, "..data"));
    rmSync(join(disco, "..v1"), { recursive: true });
    await becomes(["10.0.0.2 80"]);
  });

  test("walks folders to the first file, and ignores the rest of the path", async () => {
    mkdirSync(join(disco, "eu", "west"), { recursive: true });
    save("eu/west/web", "10.0.0.1 80\n");
    watch("/svc/eu/west/web/and/more");
    await becomes(["10.0.0.1 80"]);
    save("eu/west/web", "10.0.0.2 80\n");
    await becomes(["10.0.0.2 80"]);
    expect(folders.size).toBe(3);
    renameSync(join(disco, "eu"), join(disco, "us"));
    await becomes("neg");
    expect(folders.size).toBe(1);
  });

  test("a folder is no name, nor are the folders above", async () => {
    mkdirSync(join(disco, "eu"));
    save("web", "10.0.0.1 80\n");
    writeFileSync(join(root, "secret"), "10.0.0.9 80\n");
    for (const path of ["/svc/eu", "/svc", "/", "/other/web", "/svcs/web"]) {
      watch(path);
      await becomes("neg");
    }
    for (const path of ["/svc/../secret", "/svc/./web", "/svc/..\\x2fsecret", "/svc/web\\x00"]) {
      watch(path);
      expect(now()).toBe("neg");
    }
  });

  test("knows files with unusual names, and prefixes of any length", async () => {
    save("caf\u00e9 1", "10.0.0.1 80\n");
    watch("/caf\\xc3\\xa9\\x201", "/");
    await becomes(["10.0.0.1 80"]);
    watch("/a/b/caf\\xc3\\xa9\\x201", "/a/b");
    await becomes(["10.0.0.1 80"]);
  });

  test("looks host names up", async () => {
    save("web", "web.example 80\nnope.example 80\n");
    watch("/svc/web");
    await becomes(["10.9.9.9 80", "::9 80"]);
  });

  test("tells bad lines with file and line, once, and uses the others", async () => {
    save("web", "10.0.0.1 80\n10.0.0.2\n\noops 80 90\n");
    watch("/svc/web");
    await becomes(["10.0.0.1 80"]);
    expect(lines.length).toBe(2);
    expect(lines[0]).toContain(`${join(disco, "web")}:2`);
    expect(lines[1]).toContain(`${join(disco, "web")}:4`);
    clock.advance(60_000);
    expect(lines.length).toBe(2);
  });

  test("fails where no line can be used, and says which line and why", async () => {
    save("web", "x\n");
    watch("/svc/web");
    await becomes("failed");
    expect(reports.at(-1)).toMatchObject({ cause: expect.stringContaining("web:1: the port") });
    save("web", "10.0.0.1 80\n");
    await becomes(["10.0.0.1 80"]);
  });

  test("does not tell a thousand bad lines one by one", async () => {
    save("web", "x\n".repeat(1_000));
    watch("/svc/web");
    await becomes("failed");
    expect(lines.length).toBe(6);
  });

  test("refuses files of more than 500 KB, devices and pipes", async () => {
    save("web", "#".repeat(600_000));
    watch("/svc/web");
    await becomes("failed");
    symlinkSync("/dev/zero", join(disco, "zero"));
    watch("/svc/zero");
    await becomes("failed");
    expect(Bun.spawnSync(["mkfifo", join(disco, "pipe")]).exitCode).toBe(0);
    watch("/svc/pipe");
    await becomes("failed");
  });

  test("fails where reading does", async () => {
    // An ordinary file to the eye, whose first byte nobody can read, root included.
    symlinkSync("/proc/self/mem", join(disco, "web"));
    watch("/svc/web");
    await becomes("failed");
    expect(reports.at(-1)).toMatchObject({ cause: expect.stringContaining("(EIO)") });
  });

  test("bears bytes that are no text", async () => {
    save(
      "web",
      Uint8Array.from({ length: 2_000 }, (_, index) => (index * 7) % 256),
    );
    watch("/svc/web");
    await becomes("failed");
  });

  test("bears links that lead in a circle", async () => {
    symlinkSync("web", join(disco, "web"));
    watch("/svc/web");
    await becomes("failed");
  });

  test("bears the loss of its folder, and finds it when it comes back", async () => {
    save("web", "10.0.0.1 80\n");
    watch("/svc/web");
    await becomes(["10.0.0.1 80"]);
    rmSync(disco, { recursive: true });
    await becomes("neg");
    mkdirSync(disco);
    save("web", "10.0.0.2 80\n");
    await becomesLater(["10.0.0.2 80"]);
    save("web", "10.0.0.3 80\n");
    await becomes(["10.0.0.3 80"]);
  });

  test("begins without its folder, and finds it", async () => {
    rmSync(disco, { recursive: true });
    watch("/svc/web");
    await becomes("neg");
    mkdirSync(disco);
    save("web", "10.0.0.1 80\n");
    await becomesLater(["10.0.0.1 80"]);
  });

  test("finds changes that no watch told", async () => {
    save("web", "10.0.0.1 80\n");
    // Watches of nothing: as where the system has none left.
    folders.add = () => () => {};
    watch("/svc/web");
    await becomes(["10.0.0.1 80"]);
    save("web", "10.0.0.2 80\n");
    const fromMs = clock.now();
    await becomesLater(["10.0.0.2 80"]);
    expect(clock.now() - fromMs).toBeGreaterThan(5_000);
  });

  test("reads a file that changes all the time no more often than it must", async () => {
    save("web", "10.0.0.1 80\n");
    watch("/svc/web");
    await becomes(["10.0.0.1 80"]);
    for (let n = 0; n < 100; n++) save("web", `10.0.1.${n} 80\n`);
    await becomes(["10.0.1.99 80"]);
    expect(reports.length).toBeLessThan(20);
  });

  test("reads again when it was told to while it read", async () => {
    watch("/svc/web");
    clock.advance(10_000);
    expect(reports).toEqual([]);
    await until("two answers", () => reports.length === 2);
  });

  /** Counts how often the folder is looked at. */
  function countLooks(): () => number {
    let looks = 0;
    const refresh = folders.refresh.bind(folders);
    folders.refresh = (folder) => {
      looks += 1;
      refresh(folder);
    };
    return () => looks;
  }

  test("is not woken by other files of the folder", async () => {
    save("web", "10.0.0.1 80\n");
    watch("/svc/web");
    await becomes(["10.0.0.1 80"]);
    let others = 0;
    const leave = folders.add(disco, () => others++);
    const looks = countLooks();
    save("other", "10.0.0.2 80\n");
    await until("the other file is told", () => others > 0);
    clock.advance(1_000);
    expect(looks()).toBe(0);
    save("web", "10.0.0.3 80\n");
    await becomes(["10.0.0.3 80"]);
    expect(looks()).toBeGreaterThan(0);
    leave();
  });

  test("does not read again what has not changed, and confirms it all the same", async () => {
    const read = (): number =>
      Number(/rchar: (\d+)/.exec(readFileSync("/proc/self/io", "utf8"))?.[1]);
    const size = 400_000;
    save("web", `10.0.0.1 80\n${"#".repeat(size)}`);
    watch("/svc/web");
    await becomes(["10.0.0.1 80"]);
    const looks = countLooks();
    const look = async (times: number): Promise<void> => {
      for (let n = 1; n <= times; n++) {
        const before = looks();
        clock.advance(10_000);
        await until("a look", () => looks() > before);
        // The next look begins when this one has ended.
        await Bun.file("/dev/null").text();
      }
    };
    const fromBytes = read();
    await look(2);
    // Once more, as the first read was within a step of the file's clock.
    expect(read() - fromBytes).toBeGreaterThan(size);
    const [settledBytes, confirmed] = [read(), reports.length];
    await look(10);
    expect(read() - settledBytes).toBeLessThan(size);
    expect(reports.length).toBeGreaterThanOrEqual(confirmed + 10);
    save("web", "10.0.0.2 80\n");
    await becomes(["10.0.0.2 80"]);
  });

  test("reads a file again that is as large as before, however short the time between", async () => {
    watch("/svc/web");
    for (const n of [1, 2, 3, 4, 5, 6, 7, 8]) {
      save("web", `10.0.0.${n} 80\n`);
      await becomes([`10.0.0.${n} 80`]);
    }
  });

  test("looks at many names at different times", async () => {
    let looks = 0;
    folders.add = () => () => {};
    folders.refresh = () => looks++;
    const resolver = resolverFor(disco, clock, folders);
    for (let n = 0; n < 100; n++)
      resolver.watch(`/svc/n${n}`, abort.signal, (it) => reports.push(it));
    await until("all", () => reports.length === 100);
    const atOnce: number[] = [];
    for (let ms = 0; ms < 10_000; ms += 100) {
      const before = looks;
      clock.advance(100);
      atOnce.push(looks - before);
    }
    expect(looks).toBe(100);
    expect(Math.max(...atOnce)).toBeLessThan(30);
  });

  test("knows /$/inet by itself", () => {
    watch("/$/inet/::1/8080");
    expect(now()).toEqual(["::1 8080"]);
  });
});
