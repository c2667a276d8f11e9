// The identities that proxies show: certificates of one authority, made anew for each run.
import { join } from "node:path";
import { issue, makeCa } from "../test/support/certs.ts";
import { SERVER_NAME } from "./load/dial.ts";

/** Where an identity is. */
export interface Identity {
  /** PEM text of the authority that signed it, for the client to trust. */
  readonly trust: string;
  readonly certPath: string;
  readonly keyPath: string;
  /** Certificate and key in one file, as HAProxy wants it. */
  readonly bothPath: string;
}

/** By their keys: ECDSA on P-256, and RSA of 2,048 bits. */
export interface Identities {
  readonly ecdsa: Identity;
  readonly rsa: Identity;
}

/** Makes identities and writes them below `dir`. */
export async function makeIdentities(dir: string): Promise<Identities> {
  const ca = await makeCa("bench");
  const make = async (algorithm: keyof Identities): Promise<Identity> => {
    const { certPem, keyPem } = await issue(ca, { names: [SERVER_NAME], algorithm });
    const certPath = join(dir, `${algorithm}-cert.pem`);
    const keyPath = join(dir, `${algorithm}-key.pem`);
    const bothPath = join(dir, `${algorithm}-both.pem`);
    await Bun.write(certPath, certPem);
    await Bun.write(keyPath, keyPem);
    await Bun.write(bothPath, certPem + keyPem);
    return { trust: ca.certPem, certPath, keyPath, bothPath };
  };
  return { ecdsa: await make("ecdsa"), rsa: await make("rsa") };
}
