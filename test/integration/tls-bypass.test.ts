// A name's client authentication cannot be passed by with another spelling of it.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Ca, issue, makeCa } from "../support/certs.ts";
import { Product } from "../support/product.ts";
import { identityFiles } from "../support/tls/config.ts";
import { has, run } from "../support/tls/tools.ts";

setDefaultTimeout(60_000);
const withOpenssl = test.skipIf(!has("openssl"));

const running = new AsyncDisposableStack();
let clients: Ca;
let product: Product;

/** An endpoint that says this to everybody, and ends; its address. */
function saying(text: string): string {
  const listener = Bun.listen({
    ...{ hostname: "127.0.0.1", port: 0 },
    socket: { open: (socket) => void socket.end(text), data() {} },
  });
  running.defer(() => listener.stop(true));
  return `127.0.0.1:${listener.port}`;
}

beforeAll(async () => {
  const ca = await makeCa("Servers");
  clients = await makeCa("Clients");
  const own = identityFiles("own", await issue(ca, { names: ["own.test"] }));
  const named = identityFiles("bank", await issue(ca, { names: ["bank.test"] }));
  const auth = { requireClientAuth: true, clientAuth: { trustCerts: ["clients.pem"] } };
  product = running.use(
    await Product.start(
      {
        admin: { port: 0 },
        routers: [
          {
            label: "r",
            interpreter: {
              kind: "io.l5d.static",
              names: { "/svc/bank": [saying("the bank")], "/svc/open": [saying("open")] },
            },
            servers: [
              {
                port: 0,
                tls: {
                  defaultIdentity: own.identity,
                  identities: {
                    "bank.test": { ...named.identity, ...auth },
                    "*.bank.test": { ...named.identity, ...auth },
                  },
                },
                routes: [{ match: { sni: ["bank.test", "*.bank.test"] }, dstName: "/svc/bank" }],
                dstName: "/svc/open",
              },
            ],
          },
        ],
      },
      { files: { ...own.files, ...named.files, "clients.pem": clients.certPem } },
    ),
  );
});

afterAll(() => running.disposeAsync());

/** What the endpoint says to a client without a certificate that asks for this name. */
async function ask(name: string, version: string): Promise<string> {
  const to = ["-connect", `127.0.0.1:${product.port()}`, "-servername", name];
  return (await run(["openssl", "s_client", ...to, version, "-quiet"])).stdout;
}

/** The last but one begins with the sign for kelvin, in lower case a k. */
const SPELLINGS = [
  "bank.test",
  "BANK.test",
  "bank.test.",
  "Bank.Test.",
  "ban\u212a.test",
  "x.bank.test.",
];

for (const version of ["-tls1_2", "-tls1_3"]) {
  for (const name of SPELLINGS) {
    withOpenssl(`${JSON.stringify(name)} leads nobody past it, with ${version}`, async () => {
      expect(await ask("own.test", version)).toBe("open");
      expect(await ask(name, version)).not.toContain("bank");
    });
  }
}
