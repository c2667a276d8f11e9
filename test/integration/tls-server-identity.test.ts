// Which identity and which application protocol a client of a TLS server gets. Peers: OpenSSL, Python, Node.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type Ca, issue, makeCa } from "../support/certs.ts";
import { Product } from "../support/product.ts";
import { identityFiles, proxyConfig } from "../support/tls/config.ts";
import { sClient } from "../support/tls/openssl.ts";
import { Peer } from "../support/tls/peer.ts";
import { has, run } from "../support/tls/tools.ts";

const withOpenssl = test.skipIf(!has("openssl"));
const withPython = test.skipIf(!has("python3"));
const withNode = test.skipIf(!has("node"));
const ANYTHING = "@SECLEVEL=0";

const running = new AsyncDisposableStack();
let ca: Ca;
let product: Product;

beforeAll(async () => {
  ca = await makeCa();
  const endpoint = await running.use(new Peer()).listen();
  await endpoint.echoAll();
  const identity = async (name: string, ...names: string[]) =>
    identityFiles(name, await issue(ca, { names: [`${name}.cert`, ...names] }));
  const fallback = await identity("fallback");
  const exact = await identity("exact", "web.example.com");
  const wildcard = await identity("wildcard", "*.example.com");
  const shouted = await identity("shouted", "loud.example.com");
  const identities = {
    "web.example.com": exact.identity,
    "*.example.com": wildcard.identity,
    "LOUD.Example.COM": shouted.identity,
  };
  const to = [endpoint.address];
  const defaultIdentity = fallback.identity;
  product = running.use(
    await Product.start(
      proxyConfig([
        { to, dst: "/svc/both", tls: { defaultIdentity, identities } },
        { to, dst: "/svc/names", tls: { identities } },
        { to, dst: "/svc/default", tls: { defaultIdentity } },
        { to, dst: "/svc/alpn", tls: { defaultIdentity, alpnProtocols: ["h2", "http/1.1"] } },
      ]),
      { files: { ...fallback.files, ...exact.files, ...wildcard.files, ...shouted.files } },
    ),
  );
});

afterAll(() => running.disposeAsync());

/** Common name of the certificate that a client sees which asks for `serverName`. */
async function shown(server: string, serverName?: string, ...args: string[]) {
  const sni = serverName === undefined ? [] : ["-servername", serverName];
  const seen = await sClient(product.port(server), ...sni, ...args);
  return seen.ok ? seen.name : `refused: alert ${seen.alert}`;
}

describe("a server with identities and a default", () => {
  for (const [asked, answer] of [
    ["web.example.com", "exact.cert"],
    ["other.example.com", "wildcard.cert"],
    ["loud.example.com", "shouted.cert"],
    ["elsewhere.test", "fallback.cert"],
    ["example.com", "fallback.cert"],
    ["a.b.example.com", "fallback.cert"],
    ["web.example.com.evil.test", "fallback.cert"],
    ["notexample.com", "fallback.cert"],
  ] as const) {
    withOpenssl(`shows ${answer} to a client that asks for ${asked}`, async () => {
      for (const version of ["-tls1_2", "-tls1_3"])
        expect(await shown("/svc/both", asked, version)).toBe(answer);
    });
  }

  withOpenssl("does not mind the case of a name", async () => {
    expect(await shown("/svc/both", "WEB.example.Com")).toBe("exact.cert");
    expect(await shown("/svc/both", "Other.EXAMPLE.com")).toBe("wildcard.cert");
    expect(await shown("/svc/both", "LOUD.example.com")).toBe("shouted.cert");
  });

  withOpenssl("shows the default to a client that asks for no name", async () => {
    expect(await shown("/svc/both")).toBe("fallback.cert");
  });

  withOpenssl("keeps to the same suites and versions for each of them", async () => {
    for (const name of ["web.example.com", "other.example.com", "elsewhere.test"]) {
      const sni = ["-servername", name];
      const suites = ["-cipher", `ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:${ANYTHING}`];
      const old = await sClient(product.port("/svc/both"), ...sni, "-tls1_2", ...suites);
      expect(old).toMatchObject({ ok: false, alert: 40 });
      const older = await sClient(product.port("/svc/both"), ...sni, "-tls1_1", ...suites);
      expect(older).toMatchObject({ ok: false, alert: 70 });
    }
  });
});

describe("a server with identities and no default", () => {
  withOpenssl("shows the identity that fits", async () => {
    expect(await shown("/svc/names", "web.example.com")).toBe("exact.cert");
    expect(await shown("/svc/names", "x.example.com")).toBe("wildcard.cert");
  });

  for (const [client, asked] of [
    ["that asks for another name", "elsewhere.test"],
    ["that asks for none", undefined],
  ] as const) {
    withOpenssl(`refuses a client ${client}`, async () => {
      for (const version of ["-tls1_2", "-tls1_3"])
        expect(await shown("/svc/names", asked, version)).toStartWith("refused: alert");
    });
  }
});

withOpenssl("a server with a default alone shows it whatever name is asked for", async () => {
  expect(await shown("/svc/default", "web.example.com")).toBe("fallback.cert");
  expect(await shown("/svc/default")).toBe("fallback.cert");
});

withPython("a client that verifies the name it asks for is served by each identity", async () => {
  await using peer = new Peer();
  for (const serverName of ["web.example.com", "any.example.com", "loud.example.com"]) {
    const tls = { ca: ca.certPem, serverName };
    const stream = await peer.connect(product.port("/svc/both"), { tls });
    await stream.sendText(serverName);
    expect(await stream.receive(serverName.length)).toMatchObject({ text: serverName });
  }
  const tls = { ca: ca.certPem, serverName: "elsewhere.test" };
  await expect(peer.connect(product.port("/svc/both"), { tls })).rejects.toThrow("mismatch");
});

withOpenssl("a session of one identity is not resumed as another one", async () => {
  const session = join(product.folder, "session");
  const args = ["-tls1_2", "-sess_out", session];
  await sClient(product.port("/svc/both"), "-servername", "web.example.com", ...args);
  const again = ["-tls1_2", "-sess_in", session, "-servername", "other.example.com"];
  expect(await sClient(product.port("/svc/both"), ...again)).toMatchObject({
    ok: true,
    name: "wildcard.cert",
  });
});

describe("application protocols", () => {
  const alpn = async (...args: string[]) => {
    const seen = await sClient(product.port("/svc/alpn"), ...args);
    return seen.ok ? seen.alpn : `refused: alert ${seen.alert}`;
  };

  withOpenssl("the server's preference wins over the client's", async () => {
    for (const version of ["-tls1_2", "-tls1_3"]) {
      expect(await alpn(version, "-alpn", "h2,http/1.1")).toBe("h2");
      expect(await alpn(version, "-alpn", "http/1.1,h2")).toBe("h2");
      expect(await alpn(version, "-alpn", "spdy/3,http/1.1")).toBe("http/1.1");
    }
  });

  withOpenssl("without one in common the handshake goes on and none is chosen", async () => {
    for (const version of ["-tls1_2", "-tls1_3"])
      expect(await alpn(version, "-alpn", "spdy/3,h2c,H2")).toBeUndefined();
  });

  withOpenssl("a client that offers none is served without", async () => {
    for (const version of ["-tls1_2", "-tls1_3"]) expect(await alpn(version)).toBeUndefined();
  });

  withOpenssl("a server that has none chooses none", async () => {
    const seen = await sClient(product.port("/svc/default"), "-alpn", "h2,http/1.1");
    expect(seen).toMatchObject({ ok: true, alpn: undefined });
  });

  withPython("bytes flow whether or not one was chosen", async () => {
    await using peer = new Peer();
    for (const [offered, chosen] of [
      [["http/1.1"], "http/1.1"],
      [["spdy/3"], null],
      [undefined, null],
    ] as const) {
      const tls = { ca: ca.certPem, ...(offered === undefined ? {} : { alpn: offered }) };
      const stream = await peer.connect(product.port("/svc/alpn"), { tls });
      expect(stream.info.alpn).toBe(chosen);
      await stream.sendText("ping");
      expect(await stream.receive(4)).toMatchObject({ text: "ping" });
    }
  });
});

withNode("Node's client is served, by name and with a protocol", async () => {
  const script = `
    const tls = require("node:tls");
    const [port, servername] = process.argv.slice(1);
    const ca = require("node:fs").readFileSync(0);
    const socket = tls.connect({ port, host: "127.0.0.1", servername, ca, ALPNProtocols: ["h2"] }, () => {
      const { subject } = socket.getPeerCertificate();
      socket.end(socket.getProtocol() + " " + subject.CN + " " + socket.alpnProtocol);
    });
    socket.pipe(process.stdout);`;
  const ask = async (server: string, name: string) =>
    run(["node", "-e", script, String(product.port(server)), name], { stdin: ca.certPem });
  expect((await ask("/svc/both", "web.example.com")).stdout).toBe("TLSv1.3 exact.cert false");
  expect((await ask("/svc/alpn", "fallback.cert")).stdout).toBe("TLSv1.3 fallback.cert h2");
  expect((await ask("/svc/both", "elsewhere.test")).stderr).toContain(
    "ERR_TLS_CERT_ALTNAME_INVALID",
  );
});
