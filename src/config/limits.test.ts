import { describe, expect, test } from "bun:test";
import { configFrom, problemsIn } from "../../test/support/config-text.ts";

const NAMES = "{kind: io.l5d.static, names: {/svc/web: [127.0.0.1:1]}}";

/** A file whose server has `limits`. */
const file = (limits: string, top = ""): string => `
${top}
routers:
  - label: r
    interpreter: ${NAMES}
    servers: [{port: 1, dstName: /svc/web, limits: ${limits}}]
`;
const limitsOf = (limits: string, files?: Readonly<Record<string, string>>) =>
  configFrom(file(limits), files).routers[0]?.servers[0]?.limits;

describe("limits of a server", () => {
  test("are none until they are set", () => {
    expect(limitsOf("{}")).toEqual({
      allow: undefined,
      deny: [],
      rate: undefined,
      perSource: undefined,
      networks: [],
      dryRun: false,
    });
    expect(limitsOf("{perSource: {}}")?.perSource).toEqual({
      maxConnections: Number.POSITIVE_INFINITY,
      rate: undefined,
      ipv4PrefixLength: 32,
      ipv6PrefixLength: 64,
    });
  });

  test("have canonical blocks, and a second's worth as burst", () => {
    const limits = `{allow: ['FD00::/8', 192.0.2.1], deny: ['::ffff:10.0.0.0/104'], connectionsPerSec: 0.5,
      perSource: {maxConnections: 3, connectionsPerSec: 2.5}, dryRun: true,
      networks: [{cidr: 192.0.2.0/24, maxConnections: 9, connectionsPerSec: 10, burst: 4}]}`;
    expect(limitsOf(limits)).toMatchObject({
      allow: ["fd00::/8", "192.0.2.1/32"],
      deny: ["10.0.0.0/8"],
      rate: { perSec: 0.5, burst: 1 },
      perSource: { maxConnections: 3, rate: { perSec: 2.5, burst: 3 } },
      networks: [{ cidr: "192.0.2.0/24", maxConnections: 9, rate: { perSec: 10, burst: 4 } }],
      dryRun: true,
    });
  });

  test("take lists from files, beside their own", () => {
    const files = {
      "/etc/l5d/deny.txt": "# scanners\n10.0.0.0/8\r\n\n  2001:db8::/32 # and these\n",
      "/lists/allow": "192.0.2.0/24\n",
    };
    const limits = limitsOf(
      "{deny: [203.0.113.7], denyFile: deny.txt, allowFile: /lists/allow}",
      files,
    );
    expect(limits?.deny).toEqual(["203.0.113.7/32", "10.0.0.0/8", "2001:db8::/32"]);
    expect(limits?.allow).toEqual(["192.0.2.0/24"]);
    // One that is empty adds nobody to those that stand beside it.
    const both = limitsOf("{allow: [10.0.0.0/8], allowFile: none}", { "/etc/l5d/none": "#\n" });
    expect(both?.allow).toEqual(["10.0.0.0/8"]);
  });

  test.each([
    ["{allow: []}", "expected a list of at least one block of addresses"],
    ["{deny: [10.0.0.1/8]}", "it has bits beyond its length; write 10.0.0.0/8"],
    ["{connectionsPerSec: -1}", "expected a number of connections, or 0 for no limit"],
    ["{perSource: {ipv4PrefixLength: 33}}", "expected a number of bits from 1 to 32"],
    ["{perSource: {maxConnection: 3}}", "maxConnections"],
    ["{networks: [{maxConnections: 3}]}", "missing: expected a block of addresses"],
    [
      "{networks: [{cidr: 10.0.0.0/8, maxConnections: 1}, {cidr: 10.0.0.0/8, maxConnections: 2}]}",
      "10.0.0.0/8 has limits already",
    ],
    ["{allowFile: none.txt}", "none.txt: expected at least one block of addresses"],
    ["{allowFile: bad.txt}", "bad.txt, line 2: expected a block of addresses"],
    ["{allowFile: gone.txt}", "gone.txt: there is no such file"],
    ["{denyFile: gone.txt}", "gone.txt: there is no such file"],
    [
      "{denyFile: bad.txt}",
      'bad.txt, line 2: expected a block of addresses such as 10.0.0.0/8, found "web.local"',
    ],
  ])("refuses %s", (limits, problem) => {
    const files = {
      "/etc/l5d/bad.txt": "10.0.0.0/8\nweb.local\nmore.local\n",
      "/etc/l5d/none.txt": "# nobody yet\n",
    };
    const problems = problemsIn(file(limits), files);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(problem);
  });

  test.each([
    ["{burst: 3}", "burst: has no effect without connectionsPerSec"],
    ["{networks: [{cidr: 10.0.0.0/8}]}", "no limit is set for 10.0.0.0/8"],
    ["{allow: [10.1.0.0/16], deny: [10.0.0.0/8]}", "10.1.0.0/16 is denied, and deny wins"],
  ])("warns of %s", (limits, warning) => {
    const warnings = problemsIn(file(limits));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(warning);
  });

  test("with 10,000 blocks load in a moment", () => {
    const lines = Array.from({ length: 10_000 }, (_, at) => `10.${at >> 8}.${at & 255}.0/24`);
    const limits = limitsOf("{denyFile: long.txt}", { "/etc/l5d/long.txt": lines.join("\n") });
    expect(limits?.deny).toHaveLength(10_000);
  });
});

describe("overload", () => {
  const overload = (text: string) => configFrom(file("{}", `overload: ${text}`)).overload;

  test("is off unless a limit is set", () => {
    expect(configFrom(file("{}")).overload).toBeUndefined();
    expect(overload("{dryRun: true}")).toBeUndefined();
    expect(overload("{maxLoopLagMs: 100}")).toEqual({
      maxLoopLagMs: 100,
      maxMemoryBytes: Number.POSITIVE_INFINITY,
      dryRun: false,
    });
    expect(overload("{maxMemoryMb: 2, dryRun: true}")).toEqual({
      maxLoopLagMs: Number.POSITIVE_INFINITY,
      maxMemoryBytes: 2_097_152,
      dryRun: true,
    });
  });
});
