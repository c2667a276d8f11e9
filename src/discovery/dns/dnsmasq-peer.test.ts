// Against dnsmasq: what it answers, when it is asked, and what happens while it is gone.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { FakeClock } from "../../../test/support/fake-clock.ts";
import { Dnsmasq, hasDnsmasq } from "../../../test/support/peers/dnsmasq.ts";
import { until } from "../../../test/support/until.ts";
import { systemClock } from "../../lib/clock.ts";
import { seededRng } from "../../lib/rng.ts";
import type { Resolution } from "../../naming/resolution.ts";
import { type Logger, silentLogger } from "../../telemetry/log.ts";
import { dnsSrvSource } from "./dnssrv-namer.ts";
import { HostEndpoints } from "../host-endpoints.ts";
import type { HostAnswer, HostLookup } from "../host-lookup.ts";
import { DnsClient } from "./client.ts";
import { parseResolvConf } from "./resolv-conf.ts";
import { systemLookup } from "./system-lookup.ts";
import { systemTransport } from "./transport.ts";

const NAME = "_http._tcp.web.test";
const RECORDS = [
  "--local-ttl=9",
  `--srv-host=${NAME},a.test,8080,10,60`,
  `--srv-host=${NAME},b.test,8081,10,0`,
  `--srv-host=${NAME},c.test,8082,20,10`,
  "--srv-host=_none._tcp.web.test",
  "--host-record=a.test,10.0.0.1,2001:db8::1",
  "--host-record=b.test,10.0.0.2",
  "--host-record=c.test,10.0.0.3",
];

let dnsmasq: Dnsmasq;
let clock: FakeClock;
let abort: AbortController;
let reports: Resolution[];
let warnings: string[];

async function begin(options: readonly string[]): Promise<void> {
  dnsmasq = await Dnsmasq.start(options);
}
const deps = () => {
  const log: Logger = { ...silentLogger, warn: (message) => warnings.push(message) };
  const metrics = { observeLatency() {}, skip() {} };
  return { clock, rng: seededRng(1), log, metrics };
};
function follow(name = NAME): void {
  const config = {
    kind: "io.l5d.dnssrv",
    prefix: "/#/io.l5d.dnssrv",
    refreshIntervalMs: 60_000,
    dnsHosts: [dnsmasq.address],
  } as const;
  const lookup: HostLookup = async () => ({ state: "unknown" });
  const source = dnsSrvSource(config, { ...deps(), lookup });
  source.watch([name], abort.signal, (answer) => reports.push(answer));
}
const last = (): unknown => {
  const answer = reports.at(-1);
  if (answer?.state !== "bound") return answer?.state;
  return answer.endpoints.map(({ ip, port, weight }) => `${ip} ${port} * ${weight}`);
};
const nextReport = async (): Promise<void> => {
  const before = reports.length;
  await until("there is a report", () => reports.length > before);
};

describe.skipIf(!hasDnsmasq)("against dnsmasq", () => {
  beforeEach(() => {
    clock = new FakeClock();
    abort = new AbortController();
    reports = [];
    warnings = [];
  });
  afterEach(async () => {
    abort.abort();
    await dnsmasq.kill();
    expect(clock.pending).toBe(0);
  });

  test("an SRV name has the targets of its lowest priority, by weight", async () => {
    await begin(RECORDS);
    follow();
    await nextReport();
    expect(last()).toEqual(["10.0.0.1 8080 * 30", "10.0.0.2 8081 * 0.6", "2001:db8::1 8080 * 30"]);
  });

  test("the next priority takes over when no target of the lowest exists", async () => {
    await begin(RECORDS.filter((it) => !/=[ab]\.test,/.test(it)));
    follow();
    await nextReport();
    expect(last()).toEqual(["10.0.0.3 8082 * 10"]);
  });

  test.each(["_gone._tcp.web.test", "_none._tcp.web.test", "a.test"])("%s is neg", async (name) => {
    await begin(RECORDS);
    follow(name);
    await nextReport();
    expect(last()).toBe("neg");
  });

  test("it is asked again when the time to live is over, not sooner", async () => {
    await begin(RECORDS);
    follow();
    await nextReport();
    clock.advance(8_999);
    // Nothing is on its way: a question of our own is the next in the log.
    const settings = () => ({
      servers: [{ ip: "127.0.0.1", port: dnsmasq.port }],
      timeoutMs: 5_000,
      attempts: 1,
    });
    const client = new DnsClient({ transport: systemTransport, clock: systemClock, settings });
    await client.query({ name: "marker.test", type: "A" });
    await until("the marker is logged", () => dnsmasq.queries.includes("A marker.test"));
    expect(dnsmasq.queries).toEqual([`SRV ${NAME}`, "A marker.test"]);
    clock.advance(1);
    await nextReport();
    await until("it was asked", () => dnsmasq.queries.length === 3);
    expect(dnsmasq.queries.at(-1)).toBe(`SRV ${NAME}`);
  });

  test("an answer too large for a datagram comes over TCP", async () => {
    const ports = Array.from({ length: 150 }, (_, index) => 10_000 + index);
    await begin([
      ...ports.map((port) => `--srv-host=${NAME},a.test,${port},0,1`),
      "--host-record=a.test,10.0.0.1",
    ]);
    follow();
    await nextReport();
    const answer = reports.at(-1);
    expect(answer?.state === "bound" && answer.endpoints.map(({ port }) => port)).toEqual(ports);
    // Once by each way.
    await until("both are logged", () => dnsmasq.queries.length >= 2);
    expect(dnsmasq.queries.slice(0, 2)).toEqual([`SRV ${NAME}`, `SRV ${NAME}`]);
  });

  test("its death is told at each look-up, and what it says after its return counts", async () => {
    await begin(RECORDS);
    follow();
    await nextReport();
    await dnsmasq.kill();
    clock.advance(9_000);
    await until("the failure is noticed", () => warnings.length > 0);
    // A question under way has a timer as well: what is told of it says when it is over.
    const told = (count: number): Promise<void> =>
      until("it is told and waits again", () => reports.length === count && clock.pending === 1);
    for (let failures = 1; failures < 6; failures++) {
      await told(1 + failures);
      clock.advance(30_000);
    }
    await told(7);
    const failures = Array.from({ length: 6 }, () => "failed" as const);
    expect(reports.map(({ state }) => state)).toEqual(["bound", ...failures]);
    expect(
      await dnsmasq.run(["--host-record=z.test,10.0.0.9", `--srv-host=${NAME},z.test,1,0,3`]),
    ).toBe(true);
    clock.advance(30_000);
    await until("it is back", () => reports.length > 7);
    expect(last()).toEqual(["10.0.0.9 1 * 3"]);
  });

  test("is an error before the first answer when nobody is there", async () => {
    await begin(RECORDS);
    await dnsmasq.kill();
    follow();
    await nextReport();
    const at = `the name server ${dnsmasq.address}`;
    expect(reports).toEqual([
      {
        state: "failed",
        cause: `cannot look up the SRV records of ${NAME} (${at} cannot be asked (ECONNREFUSED))`,
      },
    ]);
  });

  const lookupThere = (clockOfTries = systemClock): HostLookup => {
    const conf = { ...parseResolvConf("search test\noptions attempts:1"), timeoutMs: 5_000 };
    const servers = [{ ip: "127.0.0.1", port: dnsmasq.port }];
    return systemLookup({
      clock: clockOfTries,
      fallback: async () => ({ state: "unknown" }),
      hosts: async () => new Map(),
      resolvConf: async () => ({ ...conf, servers }),
    });
  };

  test("host names have their addresses and their times to live", async () => {
    await begin([
      "--host-record=web.test,10.0.0.1,2001:db8::1,7",
      "--cname=alias.test,web.test,3",
      "--host-record=v6.test,2001:db8::2,8",
    ]);
    const lookup = lookupThere();
    const found = (ips: readonly string[], secs: number): HostAnswer => ({
      state: "found",
      ips,
      ttlMs: secs * 1_000,
    });
    expect(await lookup("WEB.test")).toEqual(found(["10.0.0.1", "2001:db8::1"], 7));
    expect(await lookup("web")).toEqual(found(["10.0.0.1", "2001:db8::1"], 7));
    expect(await lookup("alias.test")).toEqual(found(["10.0.0.1", "2001:db8::1"], 3));
    expect(await lookup("v6.test.")).toEqual(found(["2001:db8::2"], 8));
    expect(await lookup("gone.test")).toEqual({ state: "unknown" });
  });

  test("a host is looked up again when its time to live is over, give or take a fifth", async () => {
    await begin(["--host-record=web.test,10.0.0.1,20"]);
    const hosts = new HostEndpoints({ ...deps(), lookup: lookupThere(clock) }, (answer) =>
      reports.push(answer),
    );
    hosts.set([{ host: "web.test", port: 80, weight: 1 }]);
    await nextReport();
    await until("both are logged", () => dnsmasq.queries.length === 2);
    clock.advance(15_999);
    // Confirmations, without a look-up.
    expect(reports.length).toBeGreaterThan(2);
    await dnsmasq.kill();
    await dnsmasq.run(["--host-record=web.test,10.0.0.2,20"]);
    expect(last()).toEqual(["10.0.0.1 80 * 1"]);
    clock.advance(8_001);
    await until("it has the new address", () => String(last()) === "10.0.0.2 80 * 1");
    hosts.clear();
  });
});
