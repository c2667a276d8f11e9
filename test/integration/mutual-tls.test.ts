// Certificates of clients: who is served, whoever is not, and what endpoints see of them. Peers: OpenSSL, Python, Node.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Ca, type Issued, issue, makeCa } from "../support/certs.ts";
import { Product } from "../support/product.ts";
import { identityFiles, proxyConfig } from "../support/tls/config.ts";
import { makeCrl } from "../support/tls/crl.ts";
import { sClient } from "../support/tls/openssl.ts";
import { Peer, type PeerServer } from "../support/tls/peer.ts";
import { has, run } from "../support/tls/tools.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);
const withPython = test.skipIf(!has("python3"));
const withOpenssl = test.skipIf(!has("python3") || !has("openssl"));
const withNode = test.skipIf(!has("python3") || !has("node"));
const VERSIONS = ["TLSv1_2", "TLSv1_3"] as const;
const SECRET = "for allowed clients only";
const TIME_MS = 60_000;

const running = new AsyncDisposableStack();
let ca: Ca;
let peer: Peer;
let endpoint: PeerServer;
let product: Product;
let clientCa: Ca;
const clients: Record<string, Issued> = {};

const authorities = { trustCerts: ["clients.pem"] };
/** Servers of the product; each has a destination of this name. */
const SERVERS = {
  needs: { requireClientAuth: true, clientAuth: { ...authorities, crls: ["clients.crl"] } },
  asks: { clientAuth: authorities },
  rules: {
    requireClientAuth: true,
    clientAuth: { ...authorities, allow: ["spiffe://td/ns/*/sa/web", "DNS:*.good.test"] },
  },
} as const;
type ServerName = keyof typeof SERVERS;

beforeAll(async () => {
  ca = await makeCa("Servers");
  clientCa = await makeCa("Clients");
  clients["web"] = await issue(clientCa, { names: ["web"], uris: ["spiffe://td/ns/a/sa/web"] });
  clients["job"] = await issue(clientCa, { names: ["job"], uris: ["spiffe://td/ns/a/sa/job"] });
  clients["dns"] = await issue(clientCa, { names: ["dns", "a.good.test"], algorithm: "rsa" });
  clients["tricky"] = await issue(clientCa, {
    names: ["x.test, URI:spiffe://td/ns/a/sa/web, DNS:a.good.test"],
  });
  clients["revoked"] = await issue(clientCa, { names: ["revoked"] });
  clients["expired"] = await issue(clientCa, { names: ["expired"], days: -1 });
  clients["stranger"] = await issue(await makeCa("Clients"), { uris: ["spiffe://td/ns/a/sa/web"] });
  peer = running.use(new Peer());
  endpoint = await peer.listen();
  await endpoint.echoAll();
  const own = identityFiles("own", await issue(ca, { names: ["own.test"] }));
  const named = identityFiles("named", await issue(ca, { names: ["open.test", "strict.test"] }));
  const tls = (name: ServerName) => ({
    defaultIdentity: own.identity,
    identities: {
      "open.test": { ...named.identity, clientAuth: "none" },
      "strict.test": {
        ...named.identity,
        requireClientAuth: true,
        clientAuth: { ...authorities, allow: ["DNS:job"] },
      },
    },
    ...SERVERS[name],
  });
  const to = [endpoint.address];
  const servers = (Object.keys(SERVERS) as ServerName[]).map((name) => ({
    ...{ to, dst: `/svc/${name}`, tls: tls(name) },
  }));
  const behindProxy = {
    ...{ to, dst: "/svc/header", tls: tls("rules") },
    // TLS begins in the session where headers may come, also for those who send none.
    proxyProtocol: { trusted: ["192.0.2.0/24"], required: false },
  };
  product = running.use(
    await Product.start(proxyConfig([...servers, behindProxy]), {
      env: { LINKERD_TCP_LOG: "linkerd_tcp=debug" },
      files: {
        ...own.files,
        ...named.files,
        "clients.pem": clientCa.certPem,
        "clients.crl": await makeCrl(clientCa, [clients["revoked"]]),
        ...Object.fromEntries(
          Object.entries(clients).map(([name, { certPem, keyPem }]) => [
            `client-${name}.pem`,
            certPem + keyPem,
          ]),
        ),
      },
    }),
  );
}, TIME_MS);

afterAll(() => running.disposeAsync());

/** What comes back for SECRET: SECRET itself, or nothing. */
async function ask(
  server: string,
  version: (typeof VERSIONS)[number],
  options: { readonly client?: string | undefined; readonly serverName?: string } = {},
): Promise<string> {
  const { client, serverName = "own.test" } = options;
  const issued = client === undefined ? {} : clients[client];
  const tls = { ca: ca.certPem, serverName, min: version, max: version, ...issued };
  try {
    const stream = await peer.connect(product.port(`/svc/${server}`), { tls });
    await stream.sendText(SECRET);
    const { text } = await stream.receive(SECRET.length);
    await stream.close();
    return text;
  } catch {
    return "";
  }
}

const ended = async (reason: string) =>
  (await product.metric("l5d_srv_close_reason_total", { reason })) ?? 0;

/** Asserts that a client isn't served, for this reason, and that no endpoint is asked. */
async function expectRefused(
  reason: string,
  server: string,
  version: (typeof VERSIONS)[number],
  options: Parameters<typeof ask>[2],
): Promise<void> {
  const before = await ended(reason);
  const { accepted } = await endpoint.stats();
  expect(await ask(server, version, options)).toBe("");
  await until(`one more has ended as ${reason}`, async () => (await ended(reason)) === before + 1);
  expect((await endpoint.stats()).accepted).toBe(accepted);
}

for (const version of VERSIONS) {
  describe(`with ${version}`, () => {
    withPython(
      "a server that needs certificates serves those with a good one alone",
      async () => {
        expect(await ask("needs", version, { client: "web" })).toBe(SECRET);
        expect(await ask("needs", version, { client: "dns" })).toBe(SECRET);
        for (const client of [undefined, "stranger", "expired", "revoked"])
          await expectRefused("handshake_failed", "needs", version, { client });
      },
      TIME_MS,
    );

    withPython(
      "a server that asks for certificates serves those without, and those with a good one",
      async () => {
        expect(await ask("asks", version)).toBe(SECRET);
        expect(await ask("asks", version, { client: "job" })).toBe(SECRET);
        for (const client of ["stranger", "expired"])
          await expectRefused("handshake_failed", "asks", version, { client });
      },
      TIME_MS,
    );

    for (const server of ["rules", "header"] as const) {
      withPython(
        `rules let in those whose names fit (${server})`,
        async () => {
          expect(await ask(server, version, { client: "web" })).toBe(SECRET);
          expect(await ask(server, version, { client: "dns" })).toBe(SECRET);
          for (const client of ["job", "tricky"])
            await expectRefused("client_not_allowed", server, version, { client });
          await expectRefused("handshake_failed", server, version, {});
        },
        TIME_MS,
      );

      withPython(
        `a name may ask for nothing, or have rules of its own (${server})`,
        async () => {
          expect(await ask(server, version, { serverName: "open.test" })).toBe(SECRET);
          const strict = { serverName: "strict.test" };
          expect(await ask(server, version, { ...strict, client: "job" })).toBe(SECRET);
          const web = { ...strict, client: "web" };
          await expectRefused("client_not_allowed", server, version, web);
          await expectRefused("handshake_failed", server, version, strict);
        },
        TIME_MS,
      );
    }
  });
}

withPython("the log says of whom was not allowed what it is called", async () => {
  await ask("rules", "TLSv1_3", { client: "job" });
  const line = await product.line(({ msg }) => msg === "client not allowed");
  expect(line["detail"]).toBe("no rule allows the client: DNS:job, URI:spiffe://td/ns/a/sa/job");
});

for (const version of ["-tls1_2", "-tls1_3"] as const) {
  withOpenssl(
    `no session of another name helps without a certificate, with ${version}`,
    async () => {
      // An endpoint that ends at once, so that OpenSSL waits for its tickets and then ends too.
      const greeter = await peer.listen();
      const own = identityFiles("own", await issue(ca));
      const tls = {
        ...{ defaultIdentity: own.identity, requireClientAuth: true, clientAuth: authorities },
        identities: { "open.test": { ...own.identity, clientAuth: "none" } },
      };
      await using other = await Product.start(proxyConfig([{ to: [greeter.address], tls }]), {
        files: { ...own.files, "clients.pem": ca.certPem },
      });
      const session = join(other.folder, "session");
      const first = sClient(
        other.port(),
        version,
        "-ign_eof",
        "-servername",
        "open.test",
        "-sess_out",
        session,
      );
      const stream = await greeter.accept();
      await stream.sendText("hello");
      await stream.close();
      expect((await first).ok).toBe(true);
      expect(await Bun.file(session).exists()).toBe(true);
      for (const name of [["-servername", "own.test"], []]) {
        const seen = await sClient(other.port(), version, "-ign_eof", "-sess_in", session, ...name);
        expect(seen.alert).toBe(version === "-tls1_2" ? 40 : 116);
      }
      expect((await greeter.stats()).accepted).toBe(1);
    },
    TIME_MS,
  );
}

withNode(
  "Node's client is served with its certificate, and not without",
  async () => {
    const script = `
      const tls = require("node:tls");
      const fs = require("node:fs");
      const [port, file, ca] = process.argv.slice(1);
      const pem = file === "" ? undefined : fs.readFileSync(file);
      const socket = tls.connect({ port, host: "127.0.0.1", servername: "own.test", ca, cert: pem, key: pem });
      socket.on("secureConnect", () => socket.write("ping"));
      socket.on("data", (data) => { process.stdout.write(data); socket.end(); });
      socket.on("error", (error) => process.stderr.write(error.code));`;
    const asNode = async (file: string) =>
      run(["node", "-e", script, String(product.port("/svc/rules")), file, ca.certPem]);
    const web = await asNode(join(product.folder, "client-web.pem"));
    expect(web.stdout).toBe("ping");
    expect((await asNode(join(product.folder, "client-job.pem"))).stdout).toBe("");
    const none = await asNode("");
    expect(none.stdout).toBe("");
    expect(none.stderr).toContain("ERR_SSL");
  },
  TIME_MS,
);

withPython(
  "a list of revoked certificates is followed, and when it ends is a metric",
  async () => {
    const about = { role: "crl", file: "clients.crl" };
    const ends = await product.metric("l5d_tls_certificate_not_after_timestamp_seconds", about);
    expect((ends ?? 0) * 1000 - Date.now()).toBeGreaterThan(29 * 86_400_000);
    expect(await ask("needs", "TLSv1_3", { client: "job" })).toBe(SECRET);
    const gone = [clients["revoked"], clients["job"]].filter((one) => one !== undefined);
    writeFileSync(join(product.folder, "clients.crl"), await makeCrl(clientCa, gone));
    await until(
      "it is refused",
      async () => (await ask("needs", "TLSv1_3", { client: "job" })) === "",
    );
    expect(await ask("needs", "TLSv1_3", { client: "web" })).toBe(SECRET);
  },
  TIME_MS,
);
