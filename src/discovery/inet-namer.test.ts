import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { Samples } from "../../test/support/samples.ts";
import { seededRng } from "../lib/rng.ts";
import type { Resolution } from "../naming/resolution.ts";
import { silentLogger } from "../telemetry/log.ts";
import { LINGER_MS } from "./followed-names.ts";
import type { HostAnswer } from "./host-lookup.ts";
import { InetNamer } from "./inet-namer.ts";
import { NamerMetrics } from "./namer-metrics.ts";

describe("InetNamer", () => {
  let clock: FakeClock;
  let asked: string[];
  let answer: HostAnswer;
  let namer: InetNamer;
  let abort: AbortController;

  beforeEach(() => {
    clock = new FakeClock();
    asked = [];
    answer = { state: "found", ips: ["10.0.0.1"] };
    abort = new AbortController();
    namer = new InetNamer({
      clock,
      rng: seededRng(1),
      log: silentLogger,
      metrics: new NamerMetrics(new Samples().registry, "/$"),
      lookup: async (host) => {
        asked.push(host);
        return answer;
      },
    });
  });

  afterEach(() => {
    abort.abort();
    clock.advance(LINGER_MS);
    expect(clock.pending).toBe(0);
  });

  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  /** Follows an id; the answers so far. */
  async function follow(...id: readonly string[]): Promise<Resolution[]> {
    const answers: Resolution[] = [];
    namer.addresses(id, abort.signal, (it) => answers.push(it));
    expect(answers).toEqual([]);
    await turn();
    return answers;
  }

  async function pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 1_000) {
      clock.advance(1_000);
      await turn();
    }
  }

  const bound = (ip: string, port: number): Resolution => ({
    state: "bound",
    endpoints: [{ ip, port, weight: 1 }],
  });

  test("knows the ids of inet, fixedinet and rinet", async () => {
    expect(await follow("inet", "127.0.0.1", "8080")).toEqual([bound("127.0.0.1", 8080)]);
    expect(await follow("fixedinet", "::1", "80")).toEqual([bound("::1", 80)]);
    expect(await follow("io.buoyant.rinet", "80", "10.0.0.7")).toEqual([bound("10.0.0.7", 80)]);
    expect(await follow("io.buoyant.rinet", "80", "web.example")).toEqual([bound("10.0.0.1", 80)]);
    expect(await follow("inet", "80")).toEqual([bound("10.0.0.1", 80)]);
    expect(asked).toEqual(["web.example", "localhost"]);
  });

  test("any other id is neg, and nothing is followed for it", async () => {
    for (const id of [
      [],
      ["inet"],
      ["inet", "x"],
      ["nil"],
      ["io.buoyant.rinet", "80"],
      ["x", "y"],
    ]) {
      expect(await follow(...id)).toEqual([{ state: "neg" }]);
    }
    expect(namer.status().names).toBe(0);
  });

  test("a host that does not exist is neg", async () => {
    answer = { state: "unknown" };
    expect(await follow("inet", "no.such.host", "80")).toEqual([{ state: "neg" }]);
  });

  test("looks a host up again and again, once for all who ask", async () => {
    const all = [];
    for (let n = 0; n < 20; n++) all.push(await follow("inet", "web.example", "80"));
    expect(asked.length).toBe(1);
    answer = { state: "found", ips: ["10.0.0.2"] };
    await pass(10_000);
    for (const answers of all) expect(answers.at(-1)).toEqual(bound("10.0.0.2", 80));
    expect(asked.length).toBeLessThan(5);
  });

  test("fixedinet is looked up until there is an answer, which then counts for ever and is confirmed", async () => {
    answer = { state: "failed", cause: "EAI_AGAIN" };
    const answers = await follow("fixedinet", "web.example", "80");
    expect(answers).toMatchObject([{ state: "failed" }]);
    answer = { state: "found", ips: ["10.0.0.1"] };
    await pass(10_000);
    const lookups = asked.length;
    answer = { state: "found", ips: ["10.0.0.2"] };
    await pass(60_000);
    expect(asked.length).toBe(lookups);
    expect(answers.at(-1)).toEqual(bound("10.0.0.1", 80));
    expect(answers.length).toBeGreaterThan(10);
    expect(namer.status().silent).toBe(0);
  });
});
