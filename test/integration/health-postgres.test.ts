// Health checks by role against real PostgreSQL servers: a primary and its replica, a switch, every way to log in.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { issue, makeCa } from "../support/certs.ts";
import { hasPostgres, Postgres, psql } from "../support/peers/postgres.ts";
import { proxyTo } from "../support/peers/proxy-config.ts";
import { Product } from "../support/product.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);
const FAST = { intervalMs: 100, timeoutMs: 10_000 };
const WHICH = "SELECT current_setting('port')";

describe.skipIf(!hasPostgres())("postgres: a primary and its replica", () => {
  test("clients reach the primary; when it hangs they are cut, and reach the one that is promoted", async () => {
    await using a = await Postgres.primary({ hba: ["host all checker 127.0.0.1/32 trust"] });
    expect(await a.sql("CREATE USER checker")).toBe("");
    await using b = await Postgres.replicaOf(a);
    const healthCheck = { kind: "postgres", user: "checker", ...FAST, fall: 3, timeoutMs: 1_500 };
    const config = proxyTo({ to: [b.port, a.port], client: { healthCheck }, top: { workers: 2 } });
    await using product = await Product.start(config);
    const which = () => psql(product.port(), WHICH);
    for (let count = 0; count < 6; count += 1) expect(await which()).toBe(`${a.port}`);

    const held = psql(product.port(), "SELECT pg_sleep(60)");
    await until("it sleeps", async () => {
      const active = await a.sql(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%sleep(60)%'",
      );
      return Number(active) > 1;
    });
    a.hang();
    const { reason } = await product.line(
      (line) => line.msg === "endpoint unhealthy" && line.level === "warn",
    );
    expect(reason).toBe("timeout: it did not let the check log in");
    expect(await held).toMatch(/server closed the connection|Connection reset/);

    // Nobody is the primary now: who comes waits.
    const waiting = which();
    await until("a client waits", async () => (await product.metric("l5d_balancer_waiters")) === 1);
    await b.promote();
    expect(await waiting).toBe(`${b.port}`);
    await a.kill();
    for (let count = 0; count < 6; count += 1) expect(await which()).toBe(`${b.port}`);

    // The old one comes back as it was, as a primary: that is told.
    await a.start();
    await product.line(({ msg }) => msg === "several endpoints say that they have the role");
    await a.kill();
    await a.becomeReplicaOf(b);
    const address = `127.0.0.1:${a.port}`;
    await until("the old one is known to be a replica", async () => {
      const status = await (await product.admin("/status.json")).text();
      return status.includes("it is a replica (in recovery)") && status.includes(address);
    });
    for (let count = 0; count < 6; count += 1) expect(await which()).toBe(`${b.port}`);
  });
});

describe.skipIf(!hasPostgres())("postgres: logging in", () => {
  let postgres: Postgres;
  let ca = "";

  beforeAll(async () => {
    const authority = await makeCa();
    const { certPem, keyPem } = await issue(authority, { names: ["db.example.com"] });
    ca = authority.certPem;
    postgres = await Postgres.primary({
      files: { "cert.pem": certPem, "key.pem": keyPem },
      settings: { ssl: "on", ssl_cert_file: "../cert.pem", ssl_key_file: "../key.pem" },
      hba: [
        "host all trusted 127.0.0.1/32 trust",
        "host all hashed 127.0.0.1/32 md5",
        "host all cleartext 127.0.0.1/32 password",
        "hostssl all scram 127.0.0.1/32 scram-sha-256",
        "host all scram 127.0.0.1/32 reject",
      ],
    });
    await postgres.sql("CREATE USER trusted");
    await postgres.sql("CREATE USER cleartext PASSWORD 'sésame'");
    await postgres.sql("CREATE USER scram PASSWORD 'sésame'");
    await postgres.sql("SET password_encryption = md5; CREATE USER hashed PASSWORD 'sésame'");
  });

  afterAll(() => postgres[Symbol.asyncDispose]());

  /** What the first check with these keys says: `healthy`, or why not. */
  async function check(keys: Readonly<Record<string, unknown>>): Promise<string> {
    const healthCheck = { kind: "postgres", ...FAST, fall: 1, ...keys };
    const files = { password: "sésame\n", wrong: "sesame\n", "ca.pem": ca };
    const config = proxyTo({ to: [postgres.port], client: { healthCheck } });
    await using product = await Product.start(config, { files });
    const line = await product.line(({ msg }) => /^endpoint (?:un)?healthy$/.test(msg));
    expect(await (await product.admin("/config.json")).text()).not.toContain("sésame");
    return line.msg === "endpoint healthy" ? "healthy" : String(line["reason"]);
  }

  const tls = { dnsName: "db.example.com", trustCerts: ["ca.pem"] };
  const passwordFile = "password";

  test.each([
    ["without a password", { user: "trusted" }],
    ["without a password, by TLS", { user: "trusted", tls }],
    ["by md5", { user: "hashed", passwordFile }],
    ["by SCRAM, by TLS", { user: "scram", passwordFile, tls }],
    ["by a password in clear text, by TLS", { user: "cleartext", passwordFile, tls }],
  ])("%s", async (_, keys) => {
    expect(await check(keys)).toBe("healthy");
  });

  test.each([
    [{ user: "scram", passwordFile }, /^FATAL: pg_hba.conf rejects connection .*\(28000\)$/],
    [
      { user: "scram", passwordFile: "wrong", tls },
      /^FATAL: password authentication failed .*\(28P01\)$/,
    ],
    [{ user: "hashed" }, /^it asks for a password, and there is no passwordFile$/],
    [
      { user: "cleartext", passwordFile },
      /^it asks for the password in clear text, which is sent over TLS only$/,
    ],
    [{ user: "trusted", database: "none" }, /^FATAL: database "none" does not exist \(3D000\)$/],
    [{ user: "trusted", tls: { ...tls, dnsName: "other.example.com" } }, /^tls: /],
    [{ user: "trusted", role: "replica" }, /^it is the primary$/],
  ])("says why not: %p", async (keys, reason) => {
    expect(await check(keys)).toMatch(reason);
  });
});
