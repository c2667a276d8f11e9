import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { issue, makeCa } from "../../test/support/certs.ts";
import { loadConfigText } from "../../test/support/config-text.ts";
import { check, reportCheck } from "./check.ts";

const ca = await makeCa();
const web = await issue(ca, { names: ["localhost", "*.example.com"] });
const FILES = {
  "/etc/l5d/web.pem": web.certPem,
  "/etc/l5d/web.key": web.keyPem,
  "/etc/l5d/ca.pem": ca.certPem,
};

function printed(text: string): {
  readonly code: number;
  readonly out: string;
  readonly err: string;
} {
  let out = "";
  let err = "";
  const code = reportCheck(loadConfigText(text, FILES), {
    out: (part) => void (out += part),
    err: (part) => void (err += part),
  });
  return { code, out, err };
}

const GOOD = `
workers: 2
routers:
- label: web
  interpreter:
    kind: io.l5d.namerd.http
    baseUrl: http://user:secret@namerd:4180/
    periodSecs: 20
  servers:
  - {port: 7474, dstName: /svc/web, connectTimeoutMs: 500, idleTimeoutSecs: 60}
  - port: 7575
    ip: "::"
    dstName: /svc/tls
    tls:
      alpnProtocols: [h2]
      defaultIdentity: {certs: [web.pem], privateKey: web.key}
      identities: {"*.example.com": {certs: [web.pem], privateKey: web.key}}
  client:
    kind: io.l5d.static
    configs:
    - {prefix: /svc, connectTimeoutMs: 0, maxWaiters: 10, slowStart: {windowSecs: 30}, panicThresholdPercent: 40}
    - {prefix: /svc/tls, tls: {dnsName: web.local, trustCerts: [ca.pem]}, failFast: {maxConsecutiveFailures: 1}}
    - {prefix: /svc/none}
- label: fixed
  interpreter: {kind: io.l5d.static, names: {/svc/a: ["a:1", "[::1]:2 * 0.5"], /svc/b: []}}
  servers: [{port: 1, dstName: /svc/a}, {port: 2, dstName: /svc/b}]
- label: files
  interpreter: {kind: io.l5d.fs, rootDir: /disco}
  servers: []
`;

describe("reportCheck()", () => {
  test("says what the rules of a server are, and settings of each destination", () => {
    const { out } = printed(`
routers:
- label: edge
  interpreter: {kind: io.l5d.namerd.http, baseUrl: "http://namerd"}
  servers:
  - port: 7443
    passthrough: {}
    routes: [{match: {sni: [a.x]}, dstName: /svc/a}, {match: {source: [10.0.0.0/8]}, answer: close}]
    dstName: "/svc/{sni}"
    otherwise: {silent: /svc/mail}
`);
    expect(out).toContain("127.0.0.1:7443 -> /svc/{sni} (TLS passed through, hello within 5 s)");
    expect(out).toContain(`
    sni a.x -> /svc/a
    source 10.0.0.0/8 -> close
    no TLS -> reset
    no server name -> reset
    silent -> /svc/mail
  to /svc/a: plain TCP`);
    expect(out).toContain("to /svc/mail: plain TCP");
  });

  test("says what would be served, and warns of what would not", () => {
    const { code, out, err } = printed(GOOD);
    expect(code).toBe(0);
    expect(err).toBe(`\
l5d.yml:23:16: warning: routers[0].client.configs[2].prefix: no dstName of this router is covered by /svc/none
l5d.yml:29:12: warning: routers[2].servers: there are no servers, so the router serves nothing
`);
    expect(out).toBe(`\
The configuration is good. 3 routers:

router web
  names: namerd at http://***@namerd:4180, namespace default, polled every 20 s
  127.0.0.1:7474 -> /svc/web
    endpoint within 500 ms, idle for 60 s, life of any time, at most 100000 connections
  [::]:7575 -> /svc/tls (TLS for *.example.com, any other name; ALPN h2)
    endpoint within 10 s, idle for any time, life of any time, at most 100000 connections
  to /svc/web: plain TCP, connect within any time, out for 60 s after 5 failures, slow start over 30 s, panic below 40 %, at most 10 waiting, 0 kept warm
  to /svc/tls: TLS as web.local with its own roots, connect within any time, out for 60 s after 1 failure, slow start over 30 s, panic below 40 %, at most 10 waiting, 0 kept warm

router fixed
  names: in the configuration itself
  127.0.0.1:1 -> /svc/a
    endpoint within 10 s, idle for any time, life of any time, at most 100000 connections
  127.0.0.1:2 -> /svc/b
    endpoint within 10 s, idle for any time, life of any time, at most 100000 connections
  to /svc/a: plain TCP, connect within 3 s, out for 60 s after 5 failures, at most 1000000 waiting, 0 kept warm
    endpoints: a:1, [::1]:2 * 0.5
  to /svc/b: plain TCP, connect within 3 s, out for 60 s after 5 failures, at most 1000000 waiting, 0 kept warm
    endpoints: none

router files
  names: files of /disco, below /svc

admin server on 127.0.0.1:9989, shutdown within 10 s
2 worker threads
`);
  });

  test("prints the problems of a bad configuration, and its code is 78", () => {
    expect(printed("routers: 1")).toEqual({
      code: 78,
      out: "",
      err: "l5d.yml:1:10: error: routers: expected a list, found 1\n1 error\n",
    });
  });
});

describe("check()", () => {
  test("reads a file; its code is 66 when it cannot", async () => {
    const folder = mkdtempSync(join(tmpdir(), "l5d-check-"));
    const silent = { out: () => undefined, err: () => undefined };
    writeFileSync(join(folder, "good.yml"), "routers: []");
    expect(await check(join(folder, "good.yml"), silent)).toBe(0);
    expect(await check(join(folder, "none.yml"), silent)).toBe(66);
    rmSync(folder, { recursive: true });
  });
});
