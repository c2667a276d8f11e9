// The identity that all proxies show: one ECDSA P-256 certificate, made anew for each run.
import { join } from "node:path";
import { issue, makeCa } from "../test/support/certs.ts";
import { SERVER_NAME } from "./load/dial.ts";

/** Where the identity is. */
export interface Identity {
  /** PEM text of the authority that signed it, for the client to trust. */
  readonly trust: string;
  readonly certPath: string;
  readonly keyPath: string;
  /** Certificate and key in one file, as HAProxy wants it. */
  readonly bothPath: string;
}

/** Makes an identity and writes it below `dir`. */
export async function makeIdentity(dir: string): Promise<Identity> {
  const ca = await makeCa("bench");
  const { certPem, keyPem } = await issue(ca, { names: [SERVER_NAME] });
  const certPath = join(dir, "cert.pem");
  const keyPath = join(dir, "key.pem");
  const bothPath = join(dir, "both.pem");
  await Bun.write(certPath, certPem);
  await Bun.write(keyPath, keyPem);
  await Bun.write(bothPath, certPem + keyPem);
  return { trust: ca.certPem, certPath, keyPath, bothPath };
}
