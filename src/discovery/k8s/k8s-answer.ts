// What a name of the namer `io.l5d.k8s` stands for, from what is known of its slices and of its Service. Pure.
import type { Resolution } from "../../naming/resolution.ts";
import type { K8sName } from "./k8s-name.ts";
import { endpointsOf, type Service, type Slice } from "./k8s-slices.ts";
import type { K8sState } from "./k8s-watch.ts";

export interface K8sAnswer {
  readonly resolution: Resolution;
  /** Why it may be out of date; undefined while it is not. */
  readonly failing: string | undefined;
  /** Endpoints left out because their address cannot be used. */
  readonly skipped: number;
}

/**
 * The answer for a name; `service` is its Service, for names with the number of a port. `neg`: there is no such service or
 * port. Bound to nothing: there is, and no endpoint can be used for now. `failed`: none will ever be, or nothing has ever
 * been known.
 */
export function k8sAnswer(
  name: K8sName,
  slices: K8sState<Slice>,
  service: K8sState<Service> | undefined,
): K8sAnswer {
  if (slices.state !== "known") return { resolution: slices, failing: undefined, skipped: 0 };
  if (service !== undefined && service.state !== "known")
    return { resolution: service, failing: undefined, skipped: 0 };
  const failing = slices.failing ?? service?.failing;
  const neg: K8sAnswer = { resolution: { state: "neg" }, failing, skipped: 0 };
  const portName = portNameOf(name, service?.items.get(name.service));
  if (portName === undefined) return neg;
  const all = [...slices.items.values()];
  const { known, endpoints, skipped } = endpointsOf(all, portName);
  if (!known && !mayComeToHave(name, all)) return neg;
  if (endpoints.length > 0 || skipped === 0) {
    return { resolution: { state: "bound", endpoints }, failing, skipped };
  }
  const cause = `none of the ${skipped} addresses of ${name.service} in ${name.namespace} can be used`;
  return { resolution: { state: "failed", cause }, failing, skipped };
}

function portNameOf({ port }: K8sName, service: Service | undefined): string | undefined {
  return typeof port === "string" ? port : service?.portNames.get(port);
}

/** Whether a port that is in no slice can be one of the service. */
function mayComeToHave({ port, label }: K8sName, slices: readonly Slice[]): boolean {
  // The Service has it. It does not tell whether anything of it has the label.
  if (typeof port === "number") return slices.length > 0 || label === undefined;
  // The controller makes a slice without ports for a service that has no pods.
  return slices.length > 0 && !slices.some(({ anyPort }) => anyPort);
}
