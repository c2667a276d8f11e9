import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeClock } from "../../../test/support/fake-clock.ts";
import { Samples } from "../../../test/support/samples.ts";
import { until } from "../../../test/support/until.ts";
import { seededRng } from "../../lib/rng.ts";
import { parsePath } from "../../naming/path.ts";
import type { Resolution } from "../../naming/resolution.ts";
import type { LookupTree, Outcome } from "../../naming/tree.ts";
import { type Logger, silentLogger } from "../../telemetry/log.ts";
import { FolderWatches } from "./folder-watches.ts";
import { LINGER_MS } from "../followed-names.ts";
import { FsNamer } from "./fs-namer.ts";
import { describeNamer } from "../namer.contract.ts";
import { NamerMetrics } from "../namer-metrics.ts";

const PREFIX = "/#/io.l5d.fs";

function namerFor(
  rootDir: string,
  clock: FakeClock,
  folders: FolderWatches,
  log: Logger = silentLogger,
  samples = new Samples(),
): FsNamer {
  const config = { kind: "io.l5d.fs", rootDir, prefix: "/io.l5d.fs" } as const;
  return new FsNamer(PREFIX, config, {
    clock,
    rng: seededRng(1),
    log,
    metrics: new NamerMetrics(samples.registry, PREFIX),
    lookup: async () => ({ state: "unknown" }),
    folders,
  });
}

const newFolder = (): string => mkdtempSync(join(tmpdir(), "l5d-fs-namer-"));

describeNamer("FsNamer", async (clock) => {
  const rootDir = newFolder();
  const folders = new FolderWatches();
  const bind = (addresses: readonly string[] | undefined): void => {
    if (addresses === undefined) return rmSync(join(rootDir, "web"));
    writeFileSync(join(rootDir, "web"), addresses.join("\n"));
  };
  bind(["10.0.0.1:80"]);
  return {
    namer: namerFor(rootDir, clock, folders),
    prefix: PREFIX,
    name: "web",
    initially: ["10.0.0.1:80"],
    bind,
    unknown: ["none", "at", "all"],
    openHandles: () => folders.size,
    close: () => rmSync(rootDir, { recursive: true }),
  };
});

describe("FsNamer", () => {
  let root: string;
  let clock: FakeClock;
  let folders: FolderWatches;
  let namer: FsNamer;
  let abort: AbortController;
  let lines: string[];
  let samples: Samples;

  beforeEach(() => {
    root = newFolder();
    clock = new FakeClock();
    folders = new FolderWatches();
    abort = new AbortController();
    lines = [];
    samples = new Samples();
    const warn: Logger["warn"] = (message, fields) =>
      lines.push(`${message} ${JSON.stringify(fields?.())}`);
    namer = namerFor(root, clock, folders, { ...silentLogger, warn }, samples);
  });

  afterEach(() => {
    abort.abort();
    clock.advance(LINGER_MS);
    expect(clock.pending).toBe(0);
    expect(folders.size).toBe(0);
    rmSync(root, { recursive: true, force: true });
  });

  const save = (name: string, text: string): void => writeFileSync(join(root, name), text);
  const labels = (path: string): readonly string[] => {
    const parsed = parsePath(path);
    return parsed.ok ? parsed.labels : [];
  };
  const becomes = <T>(what: string, last: () => T, wanted: T): Promise<void> =>
    until(what, () => {
      clock.advance(5);
      return Bun.deepEquals(last(), wanted);
    });

  /** Follows what a path is bound to: `id + residual`, or the kind of the tree. */
  function bound(path: string): () => string | undefined {
    let last: Outcome<LookupTree> | undefined;
    namer.lookup(labels(path), abort.signal, (tree) => (last = tree));
    return () => {
      if (last?.state !== "ok") return last?.state;
      if (last.value.kind !== "leaf" || last.value.value.kind !== "bound") return last.value.kind;
      const { id, residual } = last.value.value.name;
      return residual.length === 0 ? id : `${id} + ${residual.join("/")}`;
    };
  }

  function addresses(path: string): () => Resolution | undefined {
    let last: Resolution | undefined;
    namer.addresses(labels(path), abort.signal, (answer) => (last = answer));
    return () => last;
  }

  test("enters folders segment by segment; the id is the file's whole path, the rest is left over", async () => {
    mkdirSync(join(root, "eu", "west"), { recursive: true });
    save("eu/west/web", "10.0.0.1 80\n");
    await becomes("deep", bound("/eu/west/web"), "/#/io.l5d.fs/eu/west/web");
    await becomes("more", bound("/eu/west/web/x/y"), "/#/io.l5d.fs/eu/west/web + x/y");
    await becomes("a folder", bound("/eu/west"), "neg");
    await becomes("missing", bound("/eu/west/api"), "neg");
    await becomes("missing", bound("/us/west/web"), "neg");
    await becomes("addresses", addresses("/eu/west/web"), {
      state: "bound",
      endpoints: [{ ip: "10.0.0.1", port: 80, weight: 1 }],
    });
    await becomes("addresses below a file", addresses("/eu/west/web/x"), { state: "neg" });
    await becomes("addresses of a folder", addresses("/eu"), { state: "neg" });
  });

  test("follows a name whose file becomes a folder, and the other way round", async () => {
    save("web", "10.0.0.1 80\n");
    const it = bound("/web/a");
    await becomes("the file", it, "/#/io.l5d.fs/web + a");
    rmSync(join(root, "web"));
    mkdirSync(join(root, "web"));
    await becomes("the folder", it, "neg");
    save("web/a", "10.0.0.2 80\n");
    await becomes("the file in the folder", it, "/#/io.l5d.fs/web/a");
    rmSync(join(root, "web"), { recursive: true });
    save("web", "10.0.0.3 80\n");
    await becomes("the file again", it, "/#/io.l5d.fs/web + a");
  });

  test("watches a file once, whatever is left over of the paths that lead to it", async () => {
    save("web", "10.0.0.1 80\n");
    const all = Array.from({ length: 200 }, (_, n) => bound(`/web/${n}`));
    await until("all", () => all.every((one) => one() !== undefined));
    expect(namer.status().names).toBe(1);
    expect(all[7]?.()).toBe("/#/io.l5d.fs/web + 7");
  });

  test("a file that is replaced the way editors do it is never gone", async () => {
    save("web", "10.0.0.1 80\n");
    const seen: string[] = [];
    namer.lookup(["web"], abort.signal, (tree) =>
      seen.push(tree.state === "ok" ? tree.value.kind : tree.state),
    );
    const last = addresses("/web");
    for (let n = 2; n < 6; n++) {
      // As Vim does it: the old one is moved away, and for a moment there is none.
      renameSync(join(root, "web"), join(root, "web~"));
      clock.advance(10);
      save("web", "");
      clock.advance(10);
      save("web", `10.0.0.${n} 80\n`);
      await becomes("the new one", last, {
        state: "bound",
        endpoints: [{ ip: `10.0.0.${n}`, port: 80, weight: 1 }],
      });
    }
    expect(new Set(seen)).toEqual(new Set(["leaf"]));
  });

  test("what is met in the middle of a save is looked at twice", async () => {
    save("web", "10.0.0.1 80\n");
    const answers: Resolution[] = [];
    namer.addresses(["web"], abort.signal, (answer) => answers.push(answer));
    await until("an answer", () => answers.length === 1);
    // No sign of a change is waited for: the file is read again just now.
    save("web", "");
    clock.advance(10_000);
    await until("it is read", () => samples.value("l5d_namer_request_latency_ms") === 2);
    save("web", "10.0.0.2 80\n");
    await until("the new one", () => {
      clock.advance(5);
      return JSON.stringify(answers.at(-1)).includes("10.0.0.2");
    });
    expect(answers.every((it) => it.state === "bound" && it.endpoints.length === 1)).toBe(true);
  });

  test("an empty file is bound to nothing; one whose hosts do not exist is too", async () => {
    save("empty", "# nobody\n");
    save("unknown", "nope.example 80\n");
    for (const name of ["empty", "unknown"]) {
      await becomes(name, bound(`/${name}`), `/#/io.l5d.fs/${name}`);
      await becomes(name, addresses(`/${name}`), { state: "bound", endpoints: [] });
    }
  });

  test("a file without a good line is bound and has failed, in namerd's words; the log has file and line", async () => {
    save("bad", "# the bad one\n  x  y z # oh\n");
    save("half", "10.0.0.1 80\nx\n");
    await becomes("the id", bound("/bad"), "/#/io.l5d.fs/bad");
    const cause = "malformed address: x  y z";
    await becomes("the failure", addresses("/bad"), { state: "failed", cause });
    expect(lines.join("\n")).toContain(`${join(root, "bad")}:2`);
    await becomes("the good rest", addresses("/half"), {
      state: "bound",
      endpoints: [{ ip: "10.0.0.1", port: 80, weight: 1 }],
    });
    expect(lines.join("\n")).toContain(`${join(root, "half")}:2`);
  });

  test("a good file that is spoilt keeps its endpoints, one that is deleted does not", async () => {
    save("web", "10.0.0.1 80\n");
    const [it, tree] = [addresses("/web"), bound("/web")];
    const good = { state: "bound", endpoints: [{ ip: "10.0.0.1", port: 80, weight: 1 }] } as const;
    await becomes("the file", it, good);
    save("web", "oops\n");
    await becomes(
      "a failure",
      () => namer.status().failing,
      "/#/io.l5d.fs/web: malformed address: oops",
    );
    expect(it()).toEqual(good);
    rmSync(join(root, "web"));
    await becomes("neg", it, { state: "neg" });
    expect(tree()).toBe("neg");
    expect(namer.status()).toMatchObject({ failing: undefined, emptied: 1 });
  });

  test("a read that is stuck confirms nothing", async () => {
    save("web", "10.0.0.1 80\n");
    let confirmed = 0;
    namer.addresses(["web"], abort.signal, () => confirmed++);
    await until("an answer", () => confirmed === 1);
    // From here on no read comes to an end, as nothing but the clock moves.
    clock.advance(40_000);
    const before = confirmed;
    expect(before).toBeGreaterThan(5);
    clock.advance(60_000);
    expect(confirmed).toBe(before);
    await until("it is read again, and confirmed", () => {
      clock.advance(100);
      return confirmed > before;
    });
  });

  test("never leaves its folder", async () => {
    mkdirSync(join(root, "disco"));
    save("secret", "10.0.0.9 80\n");
    namer = namerFor(join(root, "disco"), clock, folders);
    for (const path of ["/../secret", "/./../secret", "/..\\x2fsecret", "/x\\x00", "/"]) {
      const [tree, answer] = [bound(path), addresses(path)];
      await becomes(path, tree, "neg");
      await becomes(path, answer, { state: "neg" });
    }
  });

  test("lists files and folders of its folder, sorted, without hidden ones and leftovers, as they come and go", async () => {
    for (const name of ["web", ".hidden", "web~", "#web#", "web.tmp", "web.swp", "caf\u00e9"]) {
      save(name, "");
    }
    mkdirSync(join(root, "eu"));
    save("eu/inner", "");
    symlinkSync("web", join(root, "api"));
    const told: (readonly string[])[] = [];
    namer.names(abort.signal, (ids) => told.push(ids));
    const ids = (...names: readonly string[]): string[] => names.map((name) => `${PREFIX}/${name}`);
    const cafe = "\\x63\\x61\\x66\\xc3\\xa9";
    await becomes("all", () => told.at(-1), ids(cafe, "api", "eu", "web"));
    save("web", "10.0.0.1 80\n");
    save("zoo", "");
    await becomes("one more", () => told.at(-1), ids(cafe, "api", "eu", "web", "zoo"));
    for (const name of ["web", "caf\u00e9"]) rmSync(join(root, name));
    await becomes("two less", () => told.at(-1), ids("api", "eu", "zoo"));
    rmSync(root, { recursive: true });
    await becomes("none", () => told.at(-1), []);
    mkdirSync(root);
    await until("an entry again", () => {
      save("web", "");
      clock.advance(1_000);
      return Bun.deepEquals(told.at(-1), ids("web"));
    });
    for (const [index, list] of told.entries()) expect(list).not.toEqual(told[index + 1]);
  });
});
