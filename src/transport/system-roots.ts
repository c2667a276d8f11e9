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
 * undefined when there is none. A named file that cannot be read is empty: that trusts nobody, where undefined would
 * trust Bun's list instead of what was asked for. Read anew each time, so that changes count for what is made later.
 */
export function systemRoots(
  named = process.env["SSL_CERT_FILE"],
  places: readonly string[] = PLACES,
): string | undefined {
  if (named !== undefined && named !== "") return read(named) ?? "";
  for (const place of places) {
    const roots = read(place);
    if (roots !== undefined) return roots;
  }
  return undefined;
}

function read(place: string): string | undefined {
  try {
    return readFileSync(place, "utf8");
  } catch {
    return undefined;
  }
}
