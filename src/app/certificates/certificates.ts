// The certificates of the configuration in effect: when they end, and what their files say now. Loaded by import() where
// there are any.
import type { CertificateStatus, RefusedCertificateStatus } from "../../admin/admin-port.ts";
import { readAgainInChild } from "../../config/load-in-child.ts";
import type { LoadedMaterial } from "../../config/load-result.ts";
import { Expiry, type ExpiryParts } from "./expiry.ts";
import { Rotation, type RotationParts } from "./rotation.ts";

export type CertificatesParts = ExpiryParts & Pick<RotationParts, "rotate">;

export class Certificates {
  readonly #clock: ExpiryParts["clock"];
  readonly #expiry: Expiry;
  readonly #rotation: Rotation;

  constructor(parts: CertificatesParts) {
    this.#clock = parts.clock;
    this.#expiry = new Expiry(parts);
    this.#rotation = new Rotation({
      ...parts,
      readAgain: readAgainInChild,
      onUse: ({ certificates }) => this.#expiry.use(certificates),
    });
  }

  /** A configuration was put into effect that took this from PEM files, which are followed if `isFollowed`. */
  use(material: LoadedMaterial | undefined, isFollowed: boolean): void {
    this.#expiry.use(material?.certificates ?? []);
    if (material === undefined) this.#rotation.stop();
    else this.#rotation.use(material, isFollowed);
  }

  stop(): void {
    this.#expiry.stop();
    this.#rotation.stop();
  }

  /** Those in use, the ones that end first first. */
  status(): readonly CertificateStatus[] {
    const nowMs = this.#clock.wallTime();
    return this.#expiry.certificates.map(({ file, role, name, notAfterMs }) => ({
      file,
      role,
      name,
      notAfter: new Date(notAfterMs).toISOString(),
      secondsLeft: Math.floor((notAfterMs - nowMs) / 1000),
    }));
  }

  refused(): readonly RefusedCertificateStatus[] {
    return this.#rotation.refused.map(({ unit, problems, isKept }) => ({ unit, problems, isKept }));
  }
}
