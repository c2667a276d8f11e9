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

/** Roots and the file that they are from. */
export interface SystemRoots {
  readonly file: string;
  /** PEM; empty where a file that was asked for cannot be read. */
  readonly pem: string;
}

/**
 * The system's roots: the file that `SSL_CERT_FILE` names, else the first known file that can be read; undefined when
 * there is none. A named file that cannot be read is empty: that trusts nobody, where undefined would trust Bun's list
 * instead of what was asked for. Read anew each time, so that changes count for what is made later.
 */
export function systemRoots(
  named = process.env["SSL_CERT_FILE"],
  places: readonly string[] = PLACES,
): SystemRoots | undefined {
  if (named !== undefined && named !== "") return { file: named, pem: read(named) ?? "" };
  for (const file of places) {
    const pem = read(file);
    if (pem !== undefined) return { file, pem };
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
