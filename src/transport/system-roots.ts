// The certificate authorities that the administrator of this system trusts. Bun brings a list of its own, which knows
// nothing of authorities that were added or taken away here.
import { readFileSync } from "node:fs";

/** Where systems keep all roots in one file: Debian, Alpine and Arch; Fedora and RHEL; SUSE; FreeBSD. */
const PLACES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
] as const;

/**
 * The system's roots in PEM: the file that `SSL_CERT_FILE` names, else the first known file that can be read;
 * undefined when there is none. Read anew each time, so that what is changed counts for what is made later.
 */
export function systemRoots(
  named = process.env["SSL_CERT_FILE"],
  places: readonly string[] = PLACES,
): string | undefined {
  for (const place of named === undefined || named === "" ? places : [named]) {
    try {
      return readFileSync(place, "utf8");
    } catch {
      // The next one may be there.
    }
  }
  return undefined;
}
