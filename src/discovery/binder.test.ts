import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { boundTo, FakeSource } from "../../test/support/fake-source.ts";
import { Samples } from "../../test/support/samples.ts";
import { type Dtab, parseDtab } from "../naming/dtab.ts";
import { type PathLabels, parsePath } from "../naming/path.ts";
import type { Resolution } from "../naming/resolution.ts";
import type { BoundTree, Outcome } from "../naming/tree.ts";
import { silentLogger } from "../telemetry/log.ts";
import { Binder } from "./binder.ts";
import { LINGER_MS } from "./followed-names.ts";
import { leafNamer } from "./leaf-namer.ts";
import type { MountedNamer } from "./lookups.ts";
import type { Namer } from "./namer.ts";
import { NamerMetrics } from "./namer-metrics.ts";

const NEG: Resolution = { state: "neg" };
const FAILED: Resolution = { state: "failed", cause: "boom" };

function labels(path: string): PathLabels {
  const parsed = parsePath(path);
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.labels;
}

function dtab(text: string): Dtab {
  const parsed = parseDtab(text);
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.dtab;
}

/** A bound tree in few words: ids with residuals, `(0.9 a & 0.1 b)`. */
function shown(tree: Outcome<BoundTree>): string {
  if (tree.state !== "ok") return tree.state === "failed" ? `failed: ${tree.cause}` : tree.state;
  return shownTree(tree.value);
}

function shownTree(tree: BoundTree): string {
  if (tree.kind === "leaf") {
    const { id, residual } = tree.value;
    return residual.length === 0 ? id : `${id} + ${residual.join("/")}`;
  }
  if (tree.kind !== "union") return tree.kind;
  return `(${tree.branches.map((it) => `${it.weight} ${shownTree(it.tree)}`).join(" & ")})`;
}

describe("Binder", () => {
  let clock: FakeClock;
  let sources: Map<string, FakeSource>;
  let binder: Binder;
  let abort: AbortController;

  beforeEach(() => {
    clock = new FakeClock();
    sources = new Map();
    abort = new AbortController();
    binder = make(mount("/#/a"), mount("/#/b"));
  });

  afterEach(() => {
    abort.abort();
    clock.advance(LINGER_MS);
    expect(clock.pending).toBe(0);
    for (const it of sources.values()) expect(it.watched).toBe(0);
  });

  function make(...namers: readonly MountedNamer[]): Binder {
    const utilities: Pick<Namer, "addresses"> = {
      addresses: (id, _signal, report) => report(boundTo(`10.9.9.9:${id[2] ?? 0}`)),
    };
    return new Binder({ namers, utilities, clock });
  }

  function mount(prefix: string, key = prefix): MountedNamer {
    const made = new FakeSource();
    sources.set(key, made);
    const metrics = new NamerMetrics(new Samples().registry, prefix);
    const deps = { clock, log: silentLogger, metrics };
    const options = { failedMeans: "source", confirmsWithinMs: Infinity } as const;
    return { prefix: labels(prefix), namer: leafNamer(prefix, made, deps, options) };
  }

  function source(key: string): FakeSource {
    const it = sources.get(key);
    if (it === undefined) throw new Error(`no source ${key}`);
    return it;
  }

  /** Until all that was said has been told: namers report in microtasks, evaluations are timers. */
  async function turn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(0);
    await new Promise((resolve) => setImmediate(resolve));
  }

  function bind(rules: string | Dtab, path: string, signal = abort.signal): string[] {
    const told: string[] = [];
    const rulesRead = typeof rules === "string" ? dtab(rules) : rules;
    binder.bind(rulesRead, labels(path), signal, (tree) => told.push(shown(tree)));
    return told;
  }

  test("binds a path by the dtab and the namers, and tells changes of the tree only", async () => {
    source("/#/a").say("web", boundTo("10.0.0.1:80"));
    const told = bind("/svc => /#/a", "/svc/web/x");
    expect(told).toEqual([]);
    await turn();
    expect(told).toEqual(["/#/a/web + x"]);
    source("/#/a").say("web", boundTo("10.0.0.2:80"));
    source("/#/a").say("web", boundTo());
    await turn();
    expect(told).toEqual(["/#/a/web + x"]);
    source("/#/a").say("web", NEG);
    await turn();
    source("/#/a").say("web", boundTo("10.0.0.1:80"));
    await turn();
    expect(told).toEqual(["/#/a/web + x", "neg", "/#/a/web + x"]);
  });

  test("an alternative is asked for when it is needed, and given up when it is not", async () => {
    source("/#/a").say("web", boundTo("10.0.0.1:80"));
    const told = bind("/svc => /#/a | /#/b", "/svc/web");
    await turn();
    expect(source("/#/b").begun).toBe(0);
    source("/#/a").say("web", NEG);
    await turn();
    expect(source("/#/b").watching("web")).toBe(1);
    // Until the alternative has answered, nothing new is known.
    expect(told).toEqual(["/#/a/web"]);
    source("/#/b").say("web", boundTo("10.0.0.2:80"));
    await turn();
    expect(told).toEqual(["/#/a/web", "/#/b/web"]);
    source("/#/a").say("web", boundTo("10.0.0.1:80"));
    await turn();
    expect(told).toEqual(["/#/a/web", "/#/b/web", "/#/a/web"]);
    clock.advance(LINGER_MS);
    expect(source("/#/b").watched).toBe(0);
    expect(source("/#/a").watching("web")).toBe(1);
  });

  test("an alternative that flaps does not ask its source each time", async () => {
    source("/#/b").say("web", boundTo("10.0.0.2:80"));
    const told = bind("/svc => /#/a | /#/b", "/svc/web");
    for (let n = 0; n < 10; n++) {
      source("/#/a").say("web", n % 2 === 0 ? NEG : boundTo("10.0.0.1:80"));
      await turn();
      clock.advance(LINGER_MS / 2);
    }
    expect(told.length).toBe(10);
    expect(source("/#/b").begun).toBe(1);
  });

  test("a union has the branches that exist, in their weights", async () => {
    const told = bind("/svc => 9 * /#/a & 1 * /#/b", "/svc/web");
    source("/#/a").say("web", boundTo("10.0.0.1:80"));
    await turn();
    source("/#/b").say("web", boundTo("10.0.0.2:80"));
    await turn();
    expect(told).toEqual(["(9 /#/a/web & 1 /#/b/web)"]);
    expect(clock.pending).toBe(0);
    source("/#/a").say("web", NEG);
    await turn();
    expect(told).toEqual(["(9 /#/a/web & 1 /#/b/web)", "/#/b/web"]);
  });

  test("branches that are known wait for the others, but not for long", async () => {
    const told = bind("/svc => 9 * /#/a & 1 * /#/b", "/svc/web");
    source("/#/a").say("web", boundTo("10.0.0.1:80"));
    await turn();
    clock.advance(999);
    expect(told).toEqual([]);
    clock.advance(1);
    await turn();
    expect(told).toEqual(["/#/a/web"]);
    // From then on what is known is told at once.
    source("/#/a").say("web", NEG);
    await turn();
    expect(told).toEqual(["/#/a/web", "neg"]);
    source("/#/b").say("web", boundTo("10.0.0.2:80"));
    await turn();
    expect(told.at(-1)).toBe("/#/b/web");
  });

  test("a name is not taken for unknown because one branch of it is, while the other is being asked for", async () => {
    source("/#/b").say("web", NEG);
    const told = bind("/svc => 9 * /#/a & 1 * /#/b", "/svc/web");
    await turn();
    source("/#/a").say("web", boundTo("10.0.0.1:80"));
    await turn();
    expect(told).toEqual(["/#/a/web"]);
  });

  test("several changes in one turn are one evaluation", async () => {
    source("/#/a").say("web", boundTo("10.0.0.1:80"));
    source("/#/b").say("web", boundTo("10.0.0.2:80"));
    const told = bind("/svc => 1 * /#/a & 1 * /#/b", "/svc/web");
    await turn();
    expect(told).toEqual(["(1 /#/a/web & 1 /#/b/web)"]);
    source("/#/a").say("web", NEG);
    source("/#/b").say("web", NEG);
    await turn();
    expect(told).toEqual(["(1 /#/a/web & 1 /#/b/web)", "neg"]);
  });

  test("a source that fails before it answered makes the binding fail, and no alternative is taken for it", async () => {
    const told = bind("/svc => /#/a | /#/b", "/svc/web");
    source("/#/a").say("web", FAILED);
    await turn();
    expect(told).toEqual(["failed: boom"]);
    expect(source("/#/b").begun).toBe(0);
  });

  test("a union goes on without the branch whose source fails", async () => {
    const told = bind("/svc => 9 * /#/a & 1 * /#/b", "/svc/web");
    source("/#/a").say("web", FAILED);
    await turn();
    expect(told).toEqual([]);
    source("/#/b").say("web", boundTo("10.0.0.2:80"));
    await turn();
    expect(told).toEqual(["/#/b/web"]);
    clock.advance(LINGER_MS);
  });

  test("rules without an end, and classes that nobody knows, fail and say why", async () => {
    const loop = bind("/svc => /svc", "/svc/web");
    const unknown = bind("/svc => /$/no.such.Cls", "/svc/web");
    await turn();
    expect(loop).toEqual(["failed: Max recursion level: 100 reached in Namer lookup"]);
    expect(unknown).toEqual(["failed: no.such.Cls"]);
  });

  test("concrete names are bound without any rule, and those of no namer are neg", async () => {
    source("/#/a").say("web", boundTo("10.0.0.1:80"));
    const all = ["/#/a/web", "/#/none/web", "/$/inet/10.0.0.7/80/x", "/svc/web"].map((path) =>
      bind("", path),
    );
    await turn();
    expect(all).toEqual([["/#/a/web"], ["neg"], ["/$/inet/10.0.0.7/80 + x"], ["neg"]]);
  });

  test("where prefixes overlap the namer that was configured last counts first, and the others after it", async () => {
    binder = make(mount("/#/x", "first"), mount("/#/x", "last"));
    source("first").say("web", boundTo("10.0.0.1:80"));
    source("first").say("api", boundTo("10.0.0.1:81"));
    source("last").say("web", boundTo("10.0.0.2:80"));
    source("last").say("api", NEG);
    source("first").say("none", NEG);
    source("last").say("none", NEG);
    const [web, api, none] = ["web", "api", "none"].map((name) => bind("", `/#/x/${name}`));
    const answers: Record<string, Resolution> = {};
    for (const name of ["web", "api", "none"]) {
      binder.addresses(labels(`/#/x/${name}`), abort.signal, (it) => (answers[name] = it));
    }
    // The last one's "no" has the first one asked, which is a second evaluation.
    await turn();
    await turn();
    expect([web, api, none]).toEqual([["/#/x/web"], ["/#/x/api"], ["neg"]]);
    expect(answers).toEqual({
      web: boundTo("10.0.0.2:80"),
      api: boundTo("10.0.0.1:81"),
      none: NEG,
    });
    source("last").say("api", boundTo("10.0.0.2:81"));
    await turn();
    expect(answers["api"]).toEqual(boundTo("10.0.0.2:81"));
    expect(api).toEqual(["/#/x/api"]);
  });

  test("addresses are those of the namer whose prefix the id has, with or without transformers", async () => {
    source("/#/a").say("web", boundTo("10.0.0.1:80"));
    const asked = [
      "/#/a/web",
      "/%/io.l5d.port/4141/#/a/web",
      "/%/io.l5d.port/4141/$/inet/h/70",
      "/$/inet/h/71",
      "/%/io.l5d.port/4141",
      "/#/none/web",
      "/svc/web",
      "/",
    ];
    const answers: (Resolution | undefined)[] = asked.map(() => undefined);
    for (const [n, id] of asked.entries()) {
      binder.addresses(labels(id), abort.signal, (it) => (answers[n] = it));
    }
    await turn();
    const web = boundTo("10.0.0.1:80");
    const [inet70, inet71] = [boundTo("10.9.9.9:70"), boundTo("10.9.9.9:71")];
    expect(answers).toEqual([web, web, inet70, inet71, NEG, NEG, NEG, NEG]);
  });

  test("confirmations of addresses are passed on", async () => {
    let reports = 0;
    binder.addresses(labels("/#/a/web"), abort.signal, () => reports++);
    await turn();
    for (let n = 0; n < 3; n++) source("/#/a").say("web", boundTo("10.0.0.1:80"));
    expect(reports).toBe(3);
  });

  test("a thousand watchers of one name share one evaluation", async () => {
    // Bushy enough that a thousand evaluations would take their time.
    const rules = Array.from({ length: 200 }, (_, n) => `/svc => /svc${n} | /#/a`).join(";");
    const shared = dtab(rules);
    let lookups = 0;
    const counting: MountedNamer = mount("/#/a");
    binder = make({
      ...counting,
      namer: {
        ...counting.namer,
        lookup: (...args) => {
          lookups++;
          counting.namer.lookup(...args);
        },
      },
    });
    const all = Array.from({ length: 1_000 }, () => bind(shared, "/svc/web"));
    source("/#/a").say("web", boundTo("10.0.0.1:80"));
    await turn();
    for (const told of all) expect(told).toEqual(["/#/a/web"]);
    expect(lookups).toBe(1);
    expect(source("/#/a").begun).toBe(1);
  });

  test("who comes later is told the present, and who leaves takes nothing from the others", async () => {
    const rules = dtab("/svc => /#/a");
    const first = new AbortController();
    source("/#/a").say("web", boundTo("10.0.0.1:80"));
    const before = bind(rules, "/svc/web", first.signal);
    await turn();
    const after = bind(rules, "/svc/web");
    await turn();
    first.abort();
    source("/#/a").say("web", NEG);
    await turn();
    expect(before).toEqual(["/#/a/web"]);
    expect(after).toEqual(["/#/a/web", "neg"]);
  });

  test("after the last watcher a path is bound anew", async () => {
    const rules = dtab("/svc => /#/a");
    for (const [answer, wanted] of [
      [boundTo("10.0.0.1:80"), "/#/a/web"],
      [NEG, "neg"],
    ] as const) {
      source("/#/a").say("web", answer);
      const one = new AbortController();
      const told = bind(rules, "/svc/web", one.signal);
      await turn();
      expect(told).toEqual([wanted]);
      one.abort();
      clock.advance(LINGER_MS);
      expect(source("/#/a").watched).toBe(0);
    }
  });

  test("tells nothing to who has left before it began", async () => {
    const told = bind("/svc => /#/a", "/svc/web", AbortSignal.abort());
    binder.addresses(labels("/#/a/web"), AbortSignal.abort(), () => told.push("addresses"));
    binder.names(AbortSignal.abort(), () => told.push("names"));
    source("/#/a").say("web", NEG);
    await turn();
    expect(told).toEqual([]);
  });

  describe("delegate()", () => {
    test("waits until no lookup is pending, shows all steps, and leaves nothing behind", async () => {
      const tree = binder.delegate(dtab("/svc => /#/a | /#/b"), labels("/svc/web"), 2_000);
      await turn();
      source("/#/a").say("web", NEG);
      await turn();
      expect(Bun.peek.status(tree)).toBe("pending");
      source("/#/b").say("web", boundTo("10.0.0.1:80"));
      await turn();
      expect(await tree).toMatchObject({
        kind: "alt",
        path: "/svc/web",
        trees: [
          { kind: "neg", path: "/#/a/web" },
          { kind: "leaf", path: "/#/b/web", bound: { id: "/#/b/web" } },
        ],
      });
      clock.advance(LINGER_MS);
      expect(clock.pending).toBe(0);
    });

    test("shows failures as steps", async () => {
      source("/#/a").say("web", FAILED);
      const tree = binder.delegate(dtab("/svc => /#/a"), labels("/svc/web"), 2_000);
      await turn();
      const text = JSON.stringify(await tree);
      expect(text).toContain('"kind":"exception"');
      expect(text).toContain("boom");
    });

    test("gives up after its time, and leaves nothing behind", async () => {
      const tree = binder.delegate(dtab("/svc => /#/a"), labels("/svc/web"), 2_000);
      await turn();
      clock.advance(1_999);
      expect(Bun.peek.status(tree)).toBe("pending");
      clock.advance(1);
      await expect(tree).rejects.toThrow("Request timed out.");
      clock.advance(LINGER_MS);
      expect(clock.pending).toBe(0);
      source("/#/a").say("web", NEG);
      await turn();
    });
  });

  describe("names()", () => {
    type Lister = (ids: readonly string[]) => void;

    function listing(prefix: string, listers: Set<Lister>): MountedNamer {
      const { namer } = mount(prefix);
      return {
        prefix: labels(prefix),
        namer: {
          ...namer,
          names: (signal, report) => {
            listers.add(report);
            signal.addEventListener("abort", () => listers.delete(report), { once: true });
          },
        },
      };
    }

    test("merges those of all namers that can list them, once all have", async () => {
      const [x, y] = [new Set<Lister>(), new Set<Lister>()];
      binder = make(listing("/#/x", x), mount("/#/b"), listing("/#/y", y));
      const told: (readonly string[])[] = [];
      const [one, other] = [new AbortController(), new AbortController()];
      binder.names(one.signal, (ids) => told.push(ids));
      binder.names(other.signal, () => {});
      await turn();
      expect([x.size, y.size]).toEqual([1, 1]);
      for (const tell of x) tell(["/#/x/b", "/#/x/a"]);
      expect(told).toEqual([]);
      for (const tell of y) tell(["/#/y/a"]);
      for (const tell of y) tell(["/#/y/a"]);
      expect(told).toEqual([["/#/x/a", "/#/x/b", "/#/y/a"]]);
      one.abort();
      expect([x.size, y.size]).toEqual([1, 1]);
      other.abort();
      expect([x.size, y.size]).toEqual([0, 0]);
    });

    test("is empty where no namer can list its names", async () => {
      const told: (readonly string[])[] = [];
      binder.names(abort.signal, (ids) => told.push(ids));
      await turn();
      expect(told).toEqual([[]]);
    });
  });
});
