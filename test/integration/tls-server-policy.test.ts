// What a server with TLS accepts and shows: versions, suites, groups, keys, chains. Peers: OpenSSL, hand-made hellos.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Ca, issue, makeCa } from "../support/certs.ts";
import { Product } from "../support/product.ts";
import { identityFiles, proxyConfig } from "../support/tls/config.ts";
import { makeIntermediate } from "../support/tls/intermediate.ts";
import { sClient } from "../support/tls/openssl.ts";
import { Peer } from "../support/tls/peer.ts";
import {
  type Answer,
  GROUPS,
  type Hello,
  offer,
  TLS_1_1,
  TLS_1_2,
  TLS_1_3,
} from "../support/tls/raw-hello.ts";
import { has } from "../support/tls/tools.ts";

const withOpenssl = test.skipIf(!has("openssl"));
const ALERT = { handshakeFailure: 40, protocolVersion: 70 };
/** TLS_AES_128_GCM_SHA256, of TLS 1.3. */
const AES_128_1_3 = 0x1301;
/** TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 and its kin for ECDSA. */
const ECDHE_RSA_AES_128 = 0xc02f;
const ECDHE_ECDSA_AES_128 = 0xc02b;
// Lets OpenSSL's own policy offer anything.
const ANYTHING = "@SECLEVEL=0";

const running = new AsyncDisposableStack();
let ca: Ca;
let product: Product;
const ports = { ecdsa: 0, rsa: 0, pkcs1: 0, sec1: 0, oneFile: 0, twoFiles: 0 };

beforeAll(async () => {
  const endpoint = await running.use(new Peer()).listen();
  await endpoint.echoAll();
  ca = await makeCa();
  const intermediate = await makeIntermediate(ca);
  const ecdsa = await issue(ca, { names: ["ecdsa.test"] });
  const rsa = await issue(ca, { names: ["rsa.test"], algorithm: "rsa" });
  const below = await issue(intermediate, { names: ["chain.test"] });
  const chained = { ...below, certPem: below.certPem + intermediate.certPem };
  const identities = {
    ecdsa: identityFiles("ecdsa", ecdsa),
    rsa: identityFiles("rsa", rsa),
    pkcs1: identityFiles("pkcs1", rsa, { key: rsa.traditionalKeyPem }),
    sec1: identityFiles("sec1", ecdsa, { key: ecdsa.traditionalKeyPem }),
    oneFile: identityFiles("one", chained),
    twoFiles: identityFiles("two", below, { chain: [intermediate.certPem] }),
  } satisfies Record<keyof typeof ports, unknown>;
  const all = Object.entries(identities);
  product = running.use(
    await Product.start(
      proxyConfig(
        all.map(([name, { identity }]) => ({
          to: [endpoint.address],
          dst: `/svc/${name}`,
          tls: { defaultIdentity: identity },
        })),
      ),
      { files: Object.assign({}, ...all.map(([, { files }]) => files)) as Record<string, string> },
    ),
  );
  for (const name of Object.keys(ports) as (keyof typeof ports)[])
    ports[name] = product.port(`/svc/${name}`);
});

afterAll(() => running.disposeAsync());

describe("versions", () => {
  for (const version of ["1.2", "1.3"]) {
    withOpenssl(`TLS ${version} is spoken`, async () => {
      const seen = await sClient(ports.ecdsa, `-tls${version.replace(".", "_")}`);
      expect(seen).toMatchObject({ ok: true, version: `TLSv${version}` });
    });
  }

  for (const [version, flag] of [
    ["1.0", "-tls1"],
    ["1.1", "-tls1_1"],
  ] as const) {
    withOpenssl(`TLS ${version} is refused with the alert that says so`, async () => {
      for (const port of [ports.ecdsa, ports.rsa]) {
        const seen = await sClient(port, flag, "-cipher", `ALL:${ANYTHING}`);
        expect(seen).toMatchObject({ ok: false, alert: ALERT.protocolVersion });
      }
    });
  }

  test("a hello that says TLS 1.1, whatever suites it offers, is refused", async () => {
    const answer = await offer(ports.ecdsa, {
      legacyVersion: TLS_1_1,
      ciphers: [ECDHE_ECDSA_AES_128, 0x002f],
      groups: [GROUPS.X25519],
    });
    expect(answer).toEqual({ kind: "alert", description: ALERT.protocolVersion });
  });

  test("a client that offers 1.2 and 1.3 gets 1.3", async () => {
    const answer = await offer(ports.ecdsa, {
      versions: [TLS_1_2, TLS_1_3],
      ciphers: [ECDHE_ECDSA_AES_128, AES_128_1_3],
      groups: [GROUPS.X25519],
    });
    expect(answer).toMatchObject({ kind: "hello", version: TLS_1_3, cipher: AES_128_1_3 });
  });
});

describe("suites", () => {
  for (const cipher of ["AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"]) {
    for (const key of ["ECDSA", "RSA"] as const) {
      const suite = `ECDHE-${key}-${cipher}`;
      withOpenssl(`${suite} is allowed in TLS 1.2`, async () => {
        const port = key === "RSA" ? ports.rsa : ports.ecdsa;
        const seen = await sClient(port, "-tls1_2", "-cipher", suite);
        expect(seen).toMatchObject({ ok: true, version: "TLSv1.2", cipher: suite });
      });
    }
  }

  for (const suite of [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
  ]) {
    withOpenssl(`${suite} is allowed in TLS 1.3`, async () => {
      const seen = await sClient(ports.ecdsa, "-tls1_3", "-ciphersuites", suite);
      expect(seen).toMatchObject({ ok: true, cipher: suite });
    });
  }

  for (const [what, suites] of Object.entries({
    "RSA key exchange": "AES128-SHA:AES256-SHA:AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA256",
    "CBC with ECDHE":
      "ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-SHA:ECDHE-RSA-AES128-SHA256:ECDHE-RSA-AES256-SHA384:" +
      "ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:ECDHE-ECDSA-AES128-SHA256",
    "finite-field DH": "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-SHA",
    "CCM, which is AEAD but not on the list": "ECDHE-ECDSA-AES128-CCM:ECDHE-ECDSA-AES256-CCM8",
    "no authentication": "aNULL",
    "no encryption": "eNULL",
    "pre-shared keys": "PSK",
  })) {
    withOpenssl(`${what} is refused`, async () => {
      for (const port of [ports.ecdsa, ports.rsa]) {
        const seen = await sClient(
          port,
          "-tls1_2",
          "-cipher",
          `${suites}:${ANYTHING}`,
          "-psk",
          "ab",
        );
        expect(seen).toMatchObject({ ok: false, alert: ALERT.handshakeFailure });
      }
    });
  }

  test("3DES and RC4, which no library here still offers, are refused", async () => {
    const answer = await offer(ports.rsa, {
      ciphers: [0x000a, 0xc012, 0x0005, 0xc011],
      groups: [GROUPS.X25519],
    });
    expect(answer).toEqual({ kind: "alert", description: ALERT.handshakeFailure });
  });
});

describe("groups", () => {
  const in13 = (...groups: readonly number[]): Hello => ({
    versions: [TLS_1_3],
    ciphers: [AES_128_1_3],
    groups,
  });
  // In TLS 1.2 the groups limit the curves of certificates too (RFC 8422 §5.1.1), so that RSA is the clearer one.
  const in12 = (...groups: readonly number[]): Hello => ({ ciphers: [ECDHE_RSA_AES_128], groups });

  for (const [flag, group] of [
    ["X25519", "X25519"],
    ["P-256", "ECDH, prime256v1"],
    ["P-384", "ECDH, secp384r1"],
  ] as const) {
    for (const version of ["-tls1_2", "-tls1_3"]) {
      withOpenssl(`a handshake over ${flag} is done with ${version}`, async () => {
        const seen = await sClient(ports.rsa, version, "-groups", flag);
        expect(seen).toMatchObject({ ok: true, group });
      });
    }
  }

  for (const name of ["X25519MLKEM768", "X25519", "P-256", "P-384"] as const) {
    test(`${name} alone is accepted in TLS 1.3`, async () => {
      const group = GROUPS[name];
      const answer = await offer(ports.ecdsa, in13(group));
      expect(answer).toMatchObject({ kind: "hello", version: TLS_1_3, group });
    });
  }

  for (const name of ["P-521", "X448", "ffdhe2048"] as const) {
    test(`${name} alone is refused`, async () => {
      const refused: Answer = { kind: "alert", description: ALERT.handshakeFailure };
      expect(await offer(ports.ecdsa, in13(GROUPS[name]))).toEqual(refused);
      expect(await offer(ports.rsa, in12(GROUPS[name]))).toEqual(refused);
    });
  }

  test("the hybrid of X25519 and ML-KEM is preferred to all others, however the client orders them", async () => {
    const { X25519MLKEM768: hybrid, X25519, "P-256": p256 } = GROUPS;
    for (const groups of [
      [hybrid, X25519, p256],
      [p256, X25519, hybrid],
    ]) {
      expect(await offer(ports.ecdsa, in13(...groups))).toMatchObject({ group: hybrid });
    }
  });

  test("the hybrid is left out in TLS 1.2, where it does not exist", async () => {
    const answer = await offer(ports.rsa, in12(GROUPS.X25519MLKEM768, GROUPS.X25519));
    expect(answer).toMatchObject({ kind: "hello", version: TLS_1_2, group: GROUPS.X25519 });
  });

  test("a whole handshake over the hybrid is done with a client that offers nothing else", async () => {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const options = {
      hostname: "127.0.0.1",
      port: ports.ecdsa,
      tls: { ca: ca.certPem, serverName: "ecdsa.test", ecdhCurve: "X25519MLKEM768" },
      socket: {
        data() {},
        handshake(socket: { end(): void }, ok: boolean) {
          resolve(ok);
          socket.end();
        },
        close: () => resolve(false),
      },
    };
    await Bun.connect(options as never);
    expect(await promise).toBe(true);
  });
});

describe("identities", () => {
  const verified = ["-verify_return_error", "-verifyCAfile"];
  const caFile = () => `${product.folder}/ca.pem`;

  for (const [server, signature] of [
    ["ecdsa", "ECDSA"],
    ["sec1", "ECDSA"],
    ["rsa", "RSA-PSS"],
    ["pkcs1", "RSA-PSS"],
  ] as const) {
    withOpenssl(`the key of the server ${server} signs handshakes that verify`, async () => {
      await Bun.write(caFile(), ca.certPem);
      const name = signature === "ECDSA" ? "ecdsa.test" : "rsa.test";
      const seen = await sClient(ports[server], ...verified, caFile(), "-verify_hostname", name);
      expect(seen).toMatchObject({ ok: true, signature, name });
      expect(seen.chain).toHaveLength(1);
    });
  }

  for (const server of ["oneFile", "twoFiles"] as const) {
    withOpenssl(`a chain with an intermediate is sent whole (${server})`, async () => {
      await Bun.write(caFile(), ca.certPem);
      for (const version of ["-tls1_2", "-tls1_3"]) {
        const seen = await sClient(ports[server], version, ...verified, caFile());
        expect(seen.verified).toBe(true);
        expect(seen.chain.map(({ subject }) => subject)).toEqual([
          "CN=chain.test",
          "CN=Test intermediate",
        ]);
      }
    });
  }
});

test("the same client, refused by one server, is served by one with the other kind of key", async () => {
  await using peer = new Peer();
  const tls = { ca: ca.certPem, ciphers: "ECDHE-RSA-AES128-GCM-SHA256", max: "TLSv1_2" };
  await expect(peer.connect(ports.ecdsa, { tls })).rejects.toThrow("HANDSHAKE_FAILURE");
  const stream = await peer.connect(ports.rsa, { tls: { ...tls, serverName: "rsa.test" } });
  expect(stream.info).toMatchObject({ version: "TLSv1.2", cipher: tls.ciphers });
});
