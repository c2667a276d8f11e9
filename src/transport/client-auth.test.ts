// Certificates of clients against OpenSSL: what we rely on in Bun, and who is refused.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Ca, type Issued, issue, makeCa } from "../../test/support/certs.ts";
import { makeCrl } from "../../test/support/tls/crl.ts";
import { makeIntermediate } from "../../test/support/tls/intermediate.ts";
import { type Seen, sClient } from "../../test/support/tls/openssl.ts";
import { codeOf } from "../../test/support/tls/recorder.ts";
import { has } from "../../test/support/tls/tools.ts";
import { until } from "../../test/support/until.ts";
import { type BunListener, listen, ownerHandlers } from "./bun.ts";
import type { ClientAuthSettings } from "./client-auth.ts";
import type { IdentityPem } from "./identity-pem.ts";
import { createServerTls, type ServerTlsSettings } from "./server-tls.ts";
import { createStartTls } from "./server-upgrade.ts";
import type { HandshakeOwner, Socket } from "./socket.ts";

setDefaultTimeout(60_000);
const withOpenssl = test.skipIf(!has("openssl"));
const VERSIONS = ["-tls1_2", "-tls1_3"] as const;
const DAY_MS = 86_400_000;
/** OpenSSL's numbers for TLS 1.2 and 1.3: handshake_failure and certificate_required. */
const NO_CERTIFICATE = { "-tls1_2": 40, "-tls1_3": 116 };

const folder = mkdtempSync(join(tmpdir(), "client-auth-"));
const listeners: BunListener[] = [];
let ca: Ca;
let otherCa: Ca;
let own: IdentityPem;
let other: IdentityPem;

const identity = ({ certPem, keyPem }: Issued): IdentityPem => ({
  pairs: [{ certificateChainPem: certPem, privateKeyPem: keyPem }],
});

beforeAll(async () => {
  ca = await makeCa("Clients");
  otherCa = await makeCa("Others");
  own = identity(await issue(ca, { names: ["own.test"] }));
  other = identity(await issue(ca, { names: ["other.test"] }));
  await client("good", issue(ca, { names: ["good.test"], uris: ["spiffe://td/ns/a"] }));
  await client("second", issue(ca, { names: ["second.test"] }));
  await client("stranger", issue(otherCa, { names: ["good.test"] }));
  await client("expired", issue(ca, { names: ["good.test"], days: -1 }));
});

afterAll(() => {
  for (const listener of listeners) listener.stop(true);
  rmSync(folder, { recursive: true });
});

/** Writes a client's certificate for `as`. */
async function client(name: string, issued: Promise<Issued>, chain = ""): Promise<Issued> {
  const { certPem, keyPem } = await issued;
  writeFileSync(join(folder, `${name}.pem`), certPem + keyPem);
  if (chain !== "") writeFileSync(join(folder, `${name}.chain`), chain);
  return issued;
}

/** OpenSSL's arguments for a client's certificate. */
function as(name: string): readonly string[] {
  const pem = join(folder, `${name}.pem`);
  return ["-cert", pem, "-key", pem];
}

/** Greets whoever is let in, writes down why others are not, and ends. */
class Doorman implements HandshakeOwner {
  readonly #seen: string[];
  socket: Socket | undefined;

  constructor(seen: string[], socket?: Socket) {
    this.#seen = seen;
    this.socket = socket;
  }

  onHandshake(failure: Error | undefined): void {
    this.#seen.push(failure === undefined ? "let in" : codeOf(failure));
    if (failure !== undefined) return this.socket?.terminate();
    this.socket?.write(Buffer.from("hello"));
    this.socket?.shutdown();
  }

  onData(): void {
    this.#seen.push("data");
  }

  onDrain(): void {}
  onEnd(): void {}
  onClose(): void {}
}

const auth = (settings: Partial<ClientAuthSettings> = {}): ClientAuthSettings => ({
  ...{ required: true, trustPem: [ca.certPem], crlPem: [], allow: undefined },
  ...settings,
});

/** A server; `asked` answers what it has found of each client, in order, since it was last called. */
function serve(
  settings: Partial<ServerTlsSettings>,
  options: { readonly wallTime?: () => number; readonly isUpgraded?: boolean } = {},
) {
  const seen: string[] = [];
  const { wallTime = Date.now, isUpgraded = false } = options;
  const none = { alpnProtocols: [], defaultIdentity: own, identities: [] };
  const state = { tls: createServerTls({ ...none, ...settings }, wallTime) };
  const plain: HandshakeOwner = {
    ...new Doorman(seen),
    onHandshake() {},
    onData() {},
    onDrain() {},
    onEnd() {},
    onClose() {},
  };
  const listener = listen(
    { hostname: "127.0.0.1", port: 0 },
    {
      ...ownerHandlers,
      ...(isUpgraded ? {} : state.tls.callbacks),
      ...(isUpgraded ? {} : { handshake: state.tls.callbacks.handshake ?? (() => {}) }),
      open(socket) {
        socket.data = new Doorman(seen, socket);
        if (!isUpgraded) return;
        socket.data = plain;
        const doorman = new Doorman(seen);
        const start = createStartTls(state.tls, () => {});
        doorman.socket = start(socket, doorman, new Uint8Array(0));
      },
      error() {},
    },
    isUpgraded ? undefined : state.tls.first,
  );
  listeners.push(listener);
  return {
    port: listener.port,
    async connect(...args: readonly string[]): Promise<Seen & { readonly found: string }> {
      seen.length = 0;
      const result = await sClient(listener.port, "-ign_eof", ...args);
      await until("the server has judged", () => seen.length > 0);
      return { ...result, found: seen.join(" ") };
    },
  };
}

const ways = [
  ["a listener", {}],
  ["a connection that goes over to TLS", { isUpgraded: true }],
] as const;

for (const [way, options] of ways) {
  describe(`on ${way}, where a certificate is needed`, () => {
    for (const version of VERSIONS) {
      withOpenssl(`one of the authority is good, with ${version}`, async () => {
        const server = serve({ clientAuth: auth() }, options);
        expect((await server.connect(version, ...as("good"))).found).toBe("let in");
      });

      withOpenssl(`none is refused by an alert that says so, with ${version}`, async () => {
        const server = serve({ clientAuth: auth() }, options);
        const seen = await server.connect(version);
        expect(seen.alert).toBe(NO_CERTIFICATE[version]);
        expect(seen.found).toBe("EPROTO");
      });

      for (const [name, code] of [
        ["stranger", "UNABLE_TO_GET_ISSUER_CERT_LOCALLY"],
        ["expired", "CERT_HAS_EXPIRED"],
      ] as const) {
        withOpenssl(`that of ${name} is refused as ${code}, with ${version}`, async () => {
          const server = serve({ clientAuth: auth() }, options);
          expect((await server.connect(version, ...as(name))).found).toBe(code);
        });
      }
    }
  });

  describe(`on ${way}, where a certificate is asked for`, () => {
    for (const version of VERSIONS) {
      withOpenssl(`none is good, and so is a good one, but no other, with ${version}`, async () => {
        const server = serve({ clientAuth: auth({ required: false }) }, options);
        expect((await server.connect(version)).found).toBe("let in");
        expect((await server.connect(version, ...as("good"))).found).toBe("let in");
        const stranger = await server.connect(version, ...as("stranger"));
        expect(stranger.found).toBe("UNABLE_TO_GET_ISSUER_CERT_LOCALLY");
        const late = await server.connect(version, ...as("expired"));
        expect(late.found).toBe("CERT_HAS_EXPIRED");
      });
    }
  });
}

withOpenssl("an authority that is no root is enough for what it has issued", async () => {
  const below = await makeIntermediate(ca, "Below");
  await client("below", issue(below, { names: ["below.test"] }));
  const server = serve({ clientAuth: auth({ trustPem: [below.certPem] }) });
  expect((await server.connect(...as("below"))).found).toBe("let in");
  expect((await server.connect(...as("good"))).found).not.toBe("let in");
});

describe("rules about names", () => {
  for (const [allow, found] of [
    [["spiffe://td/ns/*"], "let in"],
    [["DNS:other.test", "DNS:*.test"], "let in"],
    [["spiffe://td/ns/b", "DNS:bad.test"], "CLIENT_NOT_ALLOWED"],
  ] as const) {
    for (const version of VERSIONS) {
      withOpenssl(`${allow.join(", ")}: ${found}, with ${version}`, async () => {
        const server = serve({ clientAuth: auth({ allow }) });
        expect((await server.connect(version, ...as("good"))).found).toBe(found);
      });
    }
  }
});

describe("lists of revoked certificates", () => {
  withOpenssl("refuse those in them, and no others", async () => {
    const revoked = await client("revoked", issue(ca, { names: ["revoked.test"] }));
    const server = serve({ clientAuth: auth({ crlPem: [await makeCrl(ca, [revoked])] }) });
    for (const version of VERSIONS) {
      expect((await server.connect(version, ...as("revoked"))).found).toBe("CERT_REVOKED");
      expect((await server.connect(version, ...as("good"))).found).toBe("let in");
    }
  });

  withOpenssl("let nobody in once they are out of date, or of another authority", async () => {
    const old = serve({ clientAuth: auth({ crlPem: [await makeCrl(ca, [], { days: -1 })] }) });
    expect((await old.connect(...as("good"))).found).toBe("CRL_HAS_EXPIRED");
    const wrong = serve({ clientAuth: auth({ crlPem: [await makeCrl(otherCa, [])] }) });
    expect((await wrong.connect(...as("good"))).found).toBe("UNABLE_TO_GET_CRL");
  });

  withOpenssl("must be signed by the authority", async () => {
    const namesake = await makeCa("Clients");
    const crl = await makeCrl(ca, [], { signer: namesake });
    const server = serve({ clientAuth: auth({ crlPem: [crl] }) });
    expect((await server.connect(...as("good"))).found).toBe("CRL_SIGNATURE_FAILURE");
  });

  withOpenssl("are needed of the root too, where another authority stands between", async () => {
    const below = await makeIntermediate(ca, "Between");
    const issued = await issue(below, { names: ["chained.test"] });
    await client("chained", Promise.resolve(issued), below.certPem);
    const chained = [...as("chained"), "-cert_chain", join(folder, "chained.chain")];
    const lists = [await makeCrl(below, []), await makeCrl(ca, [])];
    const both = serve({ clientAuth: auth({ crlPem: lists }) });
    expect((await both.connect(...chained)).found).toBe("let in");
    const one = serve({ clientAuth: auth({ crlPem: lists.slice(0, 1) }) });
    expect((await one.connect(...chained)).found).toBe("UNABLE_TO_GET_CRL");
  });
});

/** A server on which each name asks for something else. */
function manyNames(options: { readonly wallTime?: () => number } = {}) {
  const named = (serverName: string, clientAuth?: ClientAuthSettings | "none") => ({
    serverName,
    identity: other,
    clientAuth,
  });
  return serve(
    {
      clientAuth: auth(),
      identities: [
        named("same.test"),
        named("none.test", "none"),
        named("asks.test", auth({ required: false })),
        named("others.test", auth({ trustPem: [otherCa.certPem] })),
        named("strict.test", auth({ allow: ["DNS:second.test"] })),
        named("*.wild.test", "none"),
      ],
    },
    options,
  );
}

describe("by the name that is asked for", () => {
  for (const version of VERSIONS) {
    withOpenssl(
      `each name asks for its own, with ${version}`,
      async () => {
        const server = manyNames();
        const ask = async (name: string, who?: string) => {
          const certificate = who === undefined ? [] : as(who);
          return (await server.connect(version, "-servername", name, ...certificate)).found;
        };
        expect(await ask("same.test", "good")).toBe("let in");
        expect(await ask("same.test")).toBe("EPROTO");
        expect(await ask("none.test")).toBe("let in");
        expect(await ask("NONE.test")).toBe("let in");
        expect(await ask("a.wild.test")).toBe("let in");
        expect(await ask("asks.test")).toBe("let in");
        expect(await ask("asks.test", "stranger")).toBe("UNABLE_TO_GET_ISSUER_CERT_LOCALLY");
        expect(await ask("others.test", "stranger")).toBe("let in");
        expect(await ask("others.test", "good")).toBe("UNABLE_TO_GET_ISSUER_CERT_LOCALLY");
        expect(await ask("strict.test", "second")).toBe("let in");
        expect(await ask("strict.test", "good")).toBe("CLIENT_NOT_ALLOWED");
        expect(await ask("unknown.test")).toBe("EPROTO");
        expect(await ask("unknown.test", "good")).toBe("let in");
        expect((await server.connect(version)).found).toBe("EPROTO");
      },
      60_000,
    );

    withOpenssl(
      `a name may ask where the server does not, with ${version}`,
      async () => {
        const named = { serverName: "strict.test", identity: other };
        const server = serve({ identities: [{ ...named, clientAuth: auth() }] });
        const session = join(folder, `open${version}`);
        expect((await server.connect(version, "-sess_out", session)).found).toBe("let in");
        const strict = [version, "-servername", "strict.test"];
        expect((await server.connect(...strict)).found).toBe("EPROTO");
        expect((await server.connect(...strict, "-sess_in", session)).found).toBe("EPROTO");
        expect((await server.connect(...strict, ...as("good"))).found).toBe("let in");
        expect((await server.connect(version, "-servername", "x.test")).found).toBe("let in");
      },
      60_000,
    );

    withOpenssl(
      `a session of one name lets nobody into another, with ${version}`,
      async () => {
        const server = manyNames();
        const session = join(folder, `session${version}`);
        const begin = async (name: string, who?: string) => {
          const certificate = who === undefined ? [] : as(who);
          const args = ["-servername", name, "-sess_out", session, ...certificate];
          expect((await server.connect(version, ...args)).found).toBe("let in");
        };
        const resume = async (name: string) =>
          (await server.connect(version, "-servername", name, "-sess_in", session)).found;
        await begin("same.test", "good");
        // The session stands for the certificate that it began with.
        expect(await resume("same.test")).toBe("let in");
        expect(await resume("strict.test")).not.toBe("let in");
        expect(await resume("others.test")).not.toBe("let in");
        for (const open of ["none.test", "a.wild.test", "asks.test"]) {
          await begin(open);
          for (const closed of ["same.test", "strict.test", "others.test", "unknown.test"])
            expect([open, closed, await resume(closed)]).not.toContain("let in");
        }
        await begin("others.test", "stranger");
        expect(await resume("same.test")).not.toBe("let in");
        expect(await resume("unknown.test")).not.toBe("let in");
      },
      60_000,
    );

    withOpenssl(`a session ends with the certificate it began with, with ${version}`, async () => {
      let nowMs = Date.now();
      const server = manyNames({ wallTime: () => nowMs });
      const session = join(folder, `old${version}`);
      const args = [version, "-servername", "same.test"];
      await server.connect(...args, "-sess_out", session, ...as("good"));
      expect((await server.connect(...args, "-sess_in", session)).found).toBe("let in");
      nowMs += 31 * DAY_MS;
      expect((await server.connect(...args, "-sess_in", session)).found).toBe("CERT_HAS_EXPIRED");
    });
  }
});

describe("policy", () => {
  withOpenssl("a server for TLS 1.3 alone says so to others", async () => {
    const server = serve({ minVersion: "1.3" });
    expect((await sClient(server.port, "-tls1_2")).alert).toBe(70);
    expect(await sClient(server.port, "-tls1_3")).toMatchObject({ ok: true, version: "TLSv1.3" });
  });

  withOpenssl(
    "a client that offers other protocols is refused where that is asked for",
    async () => {
      const strict = serve({ alpnProtocols: ["h2"], alpnMismatch: "refuse" });
      for (const version of VERSIONS) {
        const refused = await sClient(strict.port, version, "-alpn", "http/1.1");
        expect(refused).toMatchObject({ ok: false, alert: 120 });
        const fits = await sClient(strict.port, version, "-alpn", "http/1.1,h2");
        expect(fits).toMatchObject({ ok: true, alpn: "h2" });
        expect((await sClient(strict.port, version)).ok).toBe(true);
      }
    },
  );

  withOpenssl("nobody signs with SHA-1", async () => {
    const server = serve({ defaultIdentity: identity(await issue(ca, { algorithm: "rsa" })) });
    const sha1 = ["-tls1_2", "-cipher", "ALL:@SECLEVEL=0", "-sigalgs", "RSA+SHA1"];
    expect((await sClient(server.port, ...sha1)).ok).toBe(false);
    const asking = serve({ clientAuth: auth() });
    const signing = ["-cipher", "ALL:@SECLEVEL=0", "-client_sigalgs", "ECDSA+SHA1", ...as("good")];
    expect((await asking.connect("-tls1_2", ...signing)).found).not.toBe("let in");
  });
});
