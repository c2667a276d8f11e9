import { describe, expect, test } from "bun:test";
import { configFrom, problemsIn } from "../../test/support/config-text.ts";
import { clientFor } from "./client-for.ts";

const NAMES = "{kind: io.l5d.static, names: {/svc/web: [127.0.0.1:1], /svc/db: [127.0.0.1:2]}}";

/** A file whose server has `server`, and whose client is `client`. */
const file = (server: string, client = "{kind: io.l5d.global}"): string => `
routers:
  - label: r
    interpreter: ${NAMES}
    servers: [{port: 1, dstName: /svc/web${server}}]
    client: ${client}
`;
const incoming = (text: string): string => file(`, proxyProtocol: ${text}`);
const outgoing = (text: string): string => file("", `{kind: io.l5d.global, ${text}}`);

describe("proxyProtocol of a server", () => {
  test("has canonical blocks, and defaults", () => {
    const [router] = configFrom(
      incoming("{trusted: [10.0.0.0/8, 'FD00::/8', 192.0.2.1, '::ffff:172.16.0.0/108']}"),
    ).routers;
    expect(router?.servers[0]?.proxyProtocol).toEqual({
      trusted: ["10.0.0.0/8", "fd00::/8", "192.0.2.1/32", "172.16.0.0/12"],
      required: true,
      timeoutMs: 3_000,
    });
    expect(configFrom(file("")).routers[0]?.servers[0]?.proxyProtocol).toBeUndefined();
  });

  test.each([
    ["{}", "missing: expected a list of blocks of addresses"],
    ["{trusted: []}", "expected a list of at least one block of addresses"],
    ["{trusted: [10.0.0.0/33]}", "expected a block of addresses such as 10.0.0.0/8 or fd00::/8"],
    ["{trusted: [web.local]}", "expected a block of addresses"],
    ["{trusted: [10.1.2.3/8]}", "it has bits beyond its length; write 10.0.0.0/8"],
    ["{trusted: ['fd00::1/64']}", "it has bits beyond its length; write fd00::/64"],
    ["{trusted: ['::ffff:10.1.2.3/104']}", "write 10.0.0.0/8"],
    ["{trusted: [10.0.0.0/8], required: maybe}", "expected true or false"],
    ["{trusted: [10.0.0.0/8], timeoutMs: 0}", "expected a whole number of milliseconds, 1 or more"],
    ["{trusted: [10.0.0.0/8], versions: [1]}", "unknown key"],
  ])("refuses %s", (text, problem) => {
    const problems = problemsIn(incoming(text));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(problem);
  });

  test("warns of trusting everybody", () => {
    expect(problemsIn(incoming("{trusted: [0.0.0.0/0, 10.0.0.0/8, '::/0']}"))).toEqual([
      expect.stringContaining("0.0.0.0/0 trusts everybody: any client may claim any address"),
      expect.stringContaining("::/0 trusts everybody"),
    ]);
  });
});

describe("proxyProtocol of a client", () => {
  test("is given to destinations by the last rule that has it", () => {
    const { client } = configFrom(
      file(
        "",
        `{kind: io.l5d.static, configs: [
          {prefix: /svc, proxyProtocol: {version: 2, tlvs: [tls, crc32c, tls]}},
          {prefix: /svc/db, proxyProtocol: {version: 1}}, {prefix: /svc/db, maxWaiters: 5}]}`,
      ),
    ).routers[0] ?? { client: [] };
    expect(clientFor(client, "/svc/web").proxyProtocol).toEqual({
      version: 2,
      tlvs: ["tls", "crc32c"],
    });
    expect(clientFor(client, "/svc/db").proxyProtocol).toEqual({ version: 1, tlvs: [] });
    expect(clientFor([], "/svc/web").proxyProtocol).toBeUndefined();
  });

  test.each([
    ["proxyProtocol: {}", "missing: expected 1 or 2"],
    ["proxyProtocol: {version: 3}", "expected 1 or 2"],
    ["proxyProtocol: {version: 2, tlvs: [sni]}", "authority, alpn, uniqueId, tls, crc32c"],
    ["proxyProtocol: {version: 1, tlvs: [tls]}", "only version 2 has TLVs, and this is version 1"],
  ])("refuses %s", (text, problem) => {
    const problems = problemsIn(outgoing(text));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(problem);
  });

  test("goes with minConnections, but not with minConnections and tls", () => {
    const plain = "proxyProtocol: {version: 2}, minConnections: 1";
    expect(problemsIn(outgoing(plain))).toEqual([]);
    const problems = problemsIn(
      outgoing(`${plain}, tls: {dnsName: web.test, trustCerts: [missing.pem]}`),
    ).filter((problem) => !problem.includes("missing.pem"));
    expect(problems).toEqual([
      expect.stringContaining("minConnections cannot be kept for /svc/web: with tls, the PROXY"),
    ]);
  });
});
