import { describe, expect, test } from "bun:test";
import { checkThreadLimit, type LimitFiles, ThreadLimitError } from "./thread-limit.ts";

/** A /proc with these files, of a process 7 of user 1000 with 8 threads. */
function files(more: Readonly<Record<string, string>>): LimitFiles {
  const all: Readonly<Record<string, string>> = {
    "/proc/self/status": status(1000, 8),
    "/proc/7/status": status(1000, 8),
    "/proc/self/limits": limits("unlimited"),
    "/proc/self/cgroup": "0::/\n",
    ...more,
  };
  const pids = Object.keys(all).flatMap((path) => /^\/proc\/(\d+)\/status/.exec(path)?.[1] ?? []);
  return {
    read: (path) => all[path],
    list: (path) => (path === "/proc" ? [...pids, "self", "meminfo"] : []),
  };
}

function status(uid: number, threads: number, capabilities = "0"): string {
  const ids = Array.from({ length: 4 }, () => uid).join("\t");
  return `Name:\tbun\nUid:\t${ids}\nThreads:\t${threads}\nCapEff:\t${capabilities.padStart(16, "0")}\n`;
}

function limits(soft: string): string {
  return `Limit  Soft Limit  Hard Limit  Units\nMax processes             ${soft}  200  processes\n`;
}

/** What is said against two workers, which need five more threads. */
function complaint(more: Readonly<Record<string, string>>): string | undefined {
  try {
    checkThreadLimit(2, files(more));
    return undefined;
  } catch (error) {
    if (!(error instanceof ThreadLimitError)) throw error;
    return error.message;
  }
}

describe("checkThreadLimit()", () => {
  test("counts the threads of all processes of the user", () => {
    const others = { "/proc/8/status": status(1000, 30), "/proc/9/status": status(1001, 500) };
    expect(complaint({ ...others, "/proc/self/limits": limits("43") })).toBeUndefined();
    expect(complaint({ ...others, "/proc/self/limits": limits("42") })).toBe(
      "2 workers need 5 more threads, and the system allows 4: raise the limit of processes and threads (ulimit -u, pids.max of the control group), or set fewer workers",
    );
    expect(complaint({ ...others, "/proc/self/limits": limits("10") })).toContain("allows 0:");
  });

  test("knows who is not held to the limit", () => {
    const low = { "/proc/self/limits": limits("1") };
    expect(complaint(low)).toBeDefined();
    expect(complaint({ ...low, "/proc/self/status": status(0, 8) })).toBeUndefined();
    for (const capability of ["200000", "1000000"]) {
      const mine = status(1000, 8, capability);
      expect(complaint({ ...low, "/proc/self/status": mine })).toBeUndefined();
    }
    expect(complaint({ ...low, "/proc/self/status": status(1000, 8, "400") })).toBeDefined();
  });

  for (const [version, line, root] of [
    ["2", "0::/a/b", "/sys/fs/cgroup"],
    ["1", "8:pids:/a/b", "/sys/fs/cgroup/pids"],
  ] as const) {
    test(`looks at all control groups around the process, version ${version}`, () => {
      const within = (folder: string, most: string, used: string) =>
        complaint({
          "/proc/self/cgroup": `4:memory:/m\n${line}\n`,
          [`${root}${folder}/pids.max`]: `${most}\n`,
          [`${root}${folder}/pids.current`]: `${used}\n`,
        });
      for (const folder of ["/a/b", "/a", ""]) {
        expect(within(folder, "20", "16")).toContain("the system allows 4:");
        expect(within(folder, "20", "15")).toBeUndefined();
        expect(within(folder, "max", "15")).toBeUndefined();
      }
      expect(within("/c", "20", "16")).toBeUndefined();
    });
  }

  test("does not stand in the way where nothing can be read", () => {
    expect(() => checkThreadLimit(100, { read: () => undefined, list: () => [] })).not.toThrow();
    const odd = { read: () => "nonsense 0::: Max processes x CapEff: zz", list: () => ["1"] };
    expect(() => checkThreadLimit(100, odd)).not.toThrow();
    expect(() => checkThreadLimit(1)).not.toThrow();
  });
});
