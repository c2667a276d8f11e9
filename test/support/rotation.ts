// Certificates of a running product that are replaced.
import { X509Certificate } from "node:crypto";
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Issued } from "./certs.ts";
import type { Product } from "./product.ts";
import { sClient } from "./tls/openssl.ts";
import { until } from "./until.ts";

/** As peers print it. */
export function serialOf(issued: Pick<Issued, "certPem">): string {
  return new X509Certificate(issued.certPem).serialNumber.toLowerCase().replace(/^0+/, "");
}

/** The serial number of the certificate that a client with these arguments of s_client is shown. */
export async function shown(port: number, ...args: string[]): Promise<string | undefined> {
  const [leaf] = (await sClient(port, ...args)).chain;
  return leaf?.serialNumber.toLowerCase().replace(/^0+/, "");
}

/** Waits until new connections are shown `issued`. */
export async function untilShown(port: number, issued: Issued, ...args: string[]): Promise<void> {
  const serial = serialOf(issued);
  await until(
    "the new certificate is shown",
    async () => (await shown(port, ...args)) === serial,
    30_000,
  );
}

/** Replaces a file of the product by a rename. */
export function replace({ folder }: Product, name: string, text: string): void {
  const path = join(folder, name);
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

/**
 * A volume as Kubernetes makes it: `tls.crt` and `tls.key` are links to `..data/…`, and `..data` is a link that is
 * replaced. The first call makes it.
 */
export function swapVolume(folder: string, { certPem, keyPem }: Issued, version: number): void {
  mkdirSync(join(folder, `..v${version}`), { recursive: true });
  writeFileSync(join(folder, `..v${version}`, "tls.crt"), certPem);
  writeFileSync(join(folder, `..v${version}`, "tls.key"), keyPem);
  symlinkSync(`..v${version}`, join(folder, "..data_tmp"));
  renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
  if (version > 1) rmSync(join(folder, `..v${version - 1}`), { recursive: true });
  else for (const name of ["tls.crt", "tls.key"]) symlinkSync(`..data/${name}`, join(folder, name));
}
