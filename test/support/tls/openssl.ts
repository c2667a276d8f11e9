// OpenSSL's command line as a TLS client.
import { X509Certificate } from "node:crypto";
import { run } from "./tools.ts";

/** What `openssl s_client` told of one connection. */
export interface Seen {
  /** Whether the handshake was done. */
  readonly ok: boolean;
  readonly version: string | undefined;
  readonly cipher: string | undefined;
  /** The key exchange, such as `X25519` or `ECDH, prime256v1`. */
  readonly group: string | undefined;
  readonly alpn: string | undefined;
  /** Type of the key that signed, such as `ECDSA`. */
  readonly signature: string | undefined;
  /** The certificates sent, leaf first. */
  readonly chain: readonly X509Certificate[];
  /** Common name of the first of them. */
  readonly name: string | undefined;
  /** Number of the alert that the server sent. */
  readonly alert: number | undefined;
  /** Whether OpenSSL found nothing wrong with the chain; it does not look at the name unless asked to. */
  readonly verified: boolean;
}

/** Connects to `port` and ends in order. Without `-servername` among `args` there is no SNI. */
export async function sClient(port: number, ...args: string[]): Promise<Seen> {
  const sni = args.includes("-servername") ? [] : ["-noservername"];
  const { stdout, stderr } = await run([
    ...["openssl", "s_client", "-connect", `127.0.0.1:${port}`, "-showcerts", ...sni],
    ...args,
  ]);
  const find = (pattern: RegExp): string | undefined => pattern.exec(stdout)?.[1]?.trim();
  const pems = stdout.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  const chain = pems.map((pem) => new X509Certificate(pem));
  const alert = /SSL alert number (\d+)/.exec(stderr)?.[1];
  const cipher = find(/^New, .*, Cipher is ([^(]\S*)/m);
  return {
    ok: cipher !== undefined,
    // "New, ..." tells the version that a suite is from.
    version: find(/^ *Protocol *: (.*)$/m) ?? find(/^New, (TLSv1\.3),/m),
    cipher,
    group: find(/^Server Temp Key: (.*), \d+ bits$/m),
    alpn: find(/^ALPN protocol: (.*)$/m),
    signature: find(/^Peer signature type: (.*)$/m),
    chain,
    name: chain[0]?.subject.replace("CN=", ""),
    alert: alert === undefined ? undefined : Number(alert),
    verified: stdout.includes("Verify return code: 0 (ok)"),
  };
}
