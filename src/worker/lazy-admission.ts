// The admission of a server on a worker, made when there first is something to ask it.
import type { Overload } from "../admission/overload.ts";
import type { AdmissionOf } from "./admission.ts";
import type { WorkerParts } from "./parts.ts";

/** As `admissionOf`, which is loaded only where there are limits or overload to be watched for. */
export function lazyAdmission(
  parts: WorkerParts,
  router: string,
  address: string,
  overload: Overload | undefined,
): AdmissionOf {
  let made: AdmissionOf | undefined;
  return {
    by(limits) {
      if (limits === undefined && overload === undefined && made === undefined) return undefined;
      made ??= parts.features.get("limits").admissionOf(parts, router, address, overload);
      return made.by(limits);
    },
    release: () => made?.release(),
  };
}
