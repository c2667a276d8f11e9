import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Issued, issue, makeCa } from "../../test/support/certs.ts";
import { sClient } from "../../test/support/tls/openssl.ts";
import { recordingHandlers } from "../../test/support/tls/recorder.ts";
import { has } from "../../test/support/tls/tools.ts";
import { type BunListener, listen } from "./bun.ts";
import {
  alpnChooser,
  chooseIdentity,
  createServerTls,
  readAlpn,
  type ServerTlsSettings,
} from "./server-tls.ts";
import type { IdentityPem } from "./identity-pem.ts";

const withOpenssl = test.skipIf(!has("openssl"));

// Any code units; what fast-check calls binary text takes seconds to prepare.
const anyText = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 60 })
  .map((units) => String.fromCharCode(...units));

describe("chooseIdentity", () => {
  const exact = new Map([
    ["web.example.com", "exact"],
    ["localhost", "local"],
  ]);
  const wildcards = new Map([
    [".example.com", "wildcard"],
    [".a.example.com", "deeper"],
  ]);
  const choose = (name: string) => chooseIdentity(exact, wildcards, name);

  for (const [name, identity] of [
    ["web.example.com", "exact"],
    ["WEB.EXAMPLE.COM", "exact"],
    ["localhost", "local"],
    ["other.example.com", "wildcard"],
    ["Other.Example.Com", "wildcard"],
    ["x.a.example.com", "deeper"],
    ["a.example.com", "wildcard"],
    ["example.com", undefined],
    [".example.com", undefined],
    ["x.b.example.com", undefined],
    ["web.example.com.", "exact"],
    ["Other.example.com.", "wildcard"],
    ["web.example.com..", undefined],
    ["", undefined],
    [".", undefined],
    ["*.example.com", "wildcard"],
    ["\u00e9.example.com", undefined],
    // The sign for kelvin, in lower case a k.
    ["boo\u212a.example.com", undefined],
    ["a b.example.com", undefined],
  ] as const) {
    test(`gives ${identity ?? "nothing"} for "${name}"`, () => {
      expect(choose(name)).toBe(identity);
    });
  }

  test("an exact name is never passed over for a wildcard, nor anything else found for two labels", () => {
    const label = fc.stringMatching(/^[a-zA-Z0-9-]{1,12}$/);
    fc.assert(
      fc.property(label, label, (first, second) => {
        const name = `${first}.example.com`;
        const own = new Map([[name.toLowerCase(), "own"]]);
        expect(chooseIdentity(own, wildcards, name)).toBe("own");
        expect(choose(`${first}.${second}.example.org`)).toBeUndefined();
      }),
    );
  });

  test("takes any text", () => {
    fc.assert(
      fc.property(anyText, (name) => {
        choose(name);
      }),
    );
  });
});

describe("readAlpn", () => {
  const wire = (names: readonly string[]) =>
    Buffer.concat(names.map((name) => Buffer.from([name.length, ...Buffer.from(name, "latin1")])));
  const name = fc
    .uint8Array({ minLength: 1, maxLength: 255 })
    .map((bytes) => Buffer.from(bytes).toString("latin1"));

  test("reads back what was written", () => {
    fc.assert(
      fc.property(fc.array(name, { maxLength: 20 }), (names) => {
        expect(readAlpn(wire(names))).toEqual(names);
      }),
    );
  });

  test("takes any bytes, and what it finds stands in them", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        const names = readAlpn(bytes);
        expect(Buffer.from(bytes).toString("latin1")).toStartWith(wire(names).toString("latin1"));
      }),
    );
  });

  test("leaves out what is cut short", () => {
    fc.assert(
      fc.property(fc.array(name, { minLength: 1, maxLength: 5 }), fc.nat(), (names, cut) => {
        const bytes = wire(names);
        const left = readAlpn(bytes.subarray(0, cut % bytes.length));
        expect(left).toEqual(names.slice(0, left.length));
        expect(left.length).toBeLessThan(names.length);
      }),
    );
  });

  test("stops at an empty name, which is not allowed", () => {
    expect(readAlpn(Uint8Array.of(2, 104, 50, 0, 1, 97))).toEqual(["h2"]);
    expect(readAlpn(Uint8Array.of())).toEqual([]);
    expect(readAlpn(Uint8Array.of(0))).toEqual([]);
    expect(readAlpn(Uint8Array.of(255))).toEqual([]);
  });

  test("keeps bytes above 127 apart from others", () => {
    expect(readAlpn(Uint8Array.of(1, 0xff))).toEqual(["\u00ff"]);
  });
});

describe("alpnChooser", () => {
  const choose = alpnChooser(["h2", "http/1.1"]);
  const offer = (...names: readonly string[]) =>
    choose(
      {},
      "",
      Buffer.from(names.map((name) => String.fromCharCode(name.length) + name).join("")),
    );

  test("takes the first of ours that is offered", () => {
    expect(offer("http/1.1", "h2")).toBe("h2");
    expect(offer("spdy/3", "http/1.1")).toBe("http/1.1");
  });

  test("answers false when there is none, so that the handshake goes on without", () => {
    expect(offer("spdy/3", "H2", "h2c", "http/1.10")).toBe(false);
    expect(offer()).toBe(false);
  });

  test("never chooses what was not offered, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const chosen = choose({}, "", bytes);
        if (typeof chosen === "string") expect(readAlpn(bytes)).toContain(chosen);
      }),
    );
  });
});

/** How its options are used: by a socket that listens for the first time, and by those after it. */
const FORMS = ["first", "shared"] as const;

describe("createServerTls", () => {
  let rsa: IdentityPem;
  let ecdsa: IdentityPem;
  const listeners: BunListener[] = [];

  beforeAll(async () => {
    const ca = await makeCa();
    const pem = ({ certPem, keyPem }: Issued) => ({
      pairs: [{ certificateChainPem: certPem, privateKeyPem: keyPem }],
    });
    rsa = pem(await issue(ca, { names: ["rsa.test"], algorithm: "rsa" }));
    ecdsa = pem(await issue(ca, { names: ["ecdsa.test"] }));
  });

  afterAll(() => {
    for (const listener of listeners) listener.stop(true);
  });

  /** The port of a listener with this TLS, which closes when its client ends. */
  function serve(settings: Partial<ServerTlsSettings>, form: "first" | "shared"): number {
    const none = { alpnProtocols: [], defaultIdentity: undefined, identities: [] };
    const tls = createServerTls({ ...none, ...settings }, Date.now);
    const handlers = { ...recordingHandlers([]), ...tls.callbacks, handshake() {} };
    const listener = listen(
      { hostname: "127.0.0.1", port: 0 },
      { ...handlers, end: (socket) => socket.close() },
      form === "first" ? tls.first : tls.shared(),
    );
    listeners.push(listener);
    return listener.port;
  }

  test("throws OpenSSL's error for a key of another certificate", () => {
    const [one] = rsa.pairs;
    const [two] = ecdsa.pairs;
    const mixed = { pairs: [{ ...one, privateKeyPem: two?.privateKeyPem }] } as IdentityPem;
    const identities = [{ serverName: "a.test", identity: mixed }];
    for (const form of FORMS) {
      expect(() => serve({ defaultIdentity: mixed }, form)).toThrow();
      expect(() => serve({ identities }, form)).toThrow();
    }
  });

  for (const [what, sni, form] of [
    ["the only identity, as it was written,", undefined, "first"],
    ["the only identity", undefined, "shared"],
    ["the default identity", "other.test", "shared"],
    ["an identity by name", "named.test", "shared"],
    ["an identity by wildcard", "x.wild.test", "shared"],
  ] as const) {
    withOpenssl(`holds ${what} to ephemeral keys with authenticated encryption`, async () => {
      const named = [
        { serverName: "named.test", identity: rsa },
        { serverName: "*.wild.test", identity: rsa },
      ];
      const identities = sni === undefined ? [] : named;
      const port = serve({ defaultIdentity: rsa, identities }, form);
      const args = ["-tls1_2", ...(sni === undefined ? [] : ["-servername", sni])];
      for (const suite of ["AES128-SHA", "AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA"]) {
        const seen = await sClient(port, ...args, "-cipher", `${suite}:@SECLEVEL=0`);
        expect(seen).toMatchObject({ ok: false, alert: 40 });
      }
      for (const suite of ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-CHACHA20-POLY1305"]) {
        const seen = await sClient(port, ...args, "-cipher", suite);
        expect(seen).toMatchObject({ ok: true, cipher: suite });
      }
      const old = await sClient(port, ...args.slice(1), "-tls1_1", "-cipher", "ALL:@SECLEVEL=0");
      expect(old).toMatchObject({ ok: false, alert: 70 });
      expect((await sClient(port, ...args.slice(1), "-groups", "P-521")).ok).toBe(false);
      expect((await sClient(port, ...args.slice(1), "-groups", "P-384")).ok).toBe(true);
    });
  }

  test("reads the only identity once for all that listen after the first", () => {
    const settings = { alpnProtocols: [], defaultIdentity: rsa, identities: [] };
    const tls = createServerTls(settings, Date.now);
    expect(tls.first.secureContext).toBeUndefined();
    expect(tls.shared().secureContext).toBeDefined();
    expect(tls.shared()).toBe(tls.shared());
  });

  withOpenssl("lets the client's signature algorithms choose among pairs", async () => {
    for (const form of FORMS) {
      const port = serve({ defaultIdentity: { pairs: [...rsa.pairs, ...ecdsa.pairs] } }, form);
      for (const [algorithm, name] of [
        ["rsa_pss_rsae_sha256", "rsa.test"],
        ["ecdsa_secp256r1_sha256", "ecdsa.test"],
      ] as const) {
        for (const version of ["-tls1_2", "-tls1_3"]) {
          expect((await sClient(port, version, "-sigalgs", algorithm)).name).toBe(name);
        }
      }
    }
  });

  test("keeps the contexts of identities that are what they were, and no others", () => {
    const named = { serverName: "named.test", identity: ecdsa };
    const settings = { alpnProtocols: [], defaultIdentity: rsa, identities: [named] };
    const first = createServerTls(settings, Date.now);
    const other = createServerTls(settings, Date.now);
    const next = { ...settings, identities: [{ ...named, identity: rsa }] };
    const second = createServerTls(next, Date.now, first);
    const third = createServerTls(settings, Date.now, second);
    const contextFor = ({ callbacks }: typeof first) =>
      callbacks.serverName?.(undefined, "named.test", undefined as never);
    expect(second.shared().secureContext).toBe(first.shared().secureContext as never);
    expect(third.shared().secureContext).toBe(first.shared().secureContext as never);
    expect(other.shared().secureContext).not.toBe(first.shared().secureContext as never);
    expect(contextFor(second)).toBe(first.shared().secureContext as never);
    expect(contextFor(third)).not.toBe(contextFor(first) as never);
  });

  withOpenssl("without a default refuses a client that no identity fits", async () => {
    const port = serve({ identities: [{ serverName: "named.test", identity: ecdsa }] }, "first");
    expect((await sClient(port)).ok).toBe(false);
    expect((await sClient(port, "-servername", "other.test")).ok).toBe(false);
    expect((await sClient(port, "-servername", "NAMED.test")).name).toBe("ecdsa.test");
  });
});
