// The names of the namers `io.l5d.k8s` and `io.l5d.k8s.ns`: their segments, and what they ask Kubernetes for. Pure.
import type { K8sNamerConfig } from "../../config/namer-types.ts";
import { parsePort } from "../../lib/address.ts";
import type { PathLabels } from "../../naming/path.ts";
import { readService, readSlice, type Service, type Slice } from "./k8s-slices.ts";
import type { K8sList } from "./k8s-watch.ts";

/** A name, taken apart. All parts but the label's key are such as Kubernetes allows, so that they can stand in a URL. */
export interface K8sName {
  readonly namespace: string;
  /** The name of a port of the service, or its number. */
  readonly port: string | number;
  readonly service: string;
  /** `key=value`. */
  readonly label: string | undefined;
}

// Names of namespaces, services and ports (RFC 1123), and values of labels. Case does not count: it is gone by now.
const DNS_LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const LABEL_VALUE = /^[a-z0-9]([-a-z0-9_.]{0,61}[a-z0-9])?$/;

/** How many segments a name has: `/<namespace>/<port>/<service>[/<value of the label>]`, `.ns` without the first. */
export function segmentsOf({ kind, labelSelector }: K8sNamerConfig): number {
  return (kind === "io.l5d.k8s" ? 3 : 2) + (labelSelector === undefined ? 0 : 1);
}

/** Reads a name in lower case; undefined when it is none. */
export function parseK8sName(config: K8sNamerConfig, id: PathLabels): K8sName | undefined {
  if (id.length !== segmentsOf(config)) return undefined;
  const whole = config.kind === "io.l5d.k8s" ? id : [config.namespace ?? "", ...id];
  const [namespace = "", portText = "", service = "", value = ""] = whole;
  if (!DNS_LABEL.test(namespace) || !DNS_LABEL.test(service)) return undefined;
  const port = parsePortName(portText);
  if (port === undefined) return undefined;
  const key = config.labelSelector;
  if (key === undefined) return { namespace, port, service, label: undefined };
  return LABEL_VALUE.test(value)
    ? { namespace, port, service, label: `${key}=${value}` }
    : undefined;
}

/** The slices of a name's service; the controller gives them the labels of the Service. */
export function slicesOf({ namespace, service, label }: K8sName): K8sList<Slice> {
  const own = `kubernetes.io/service-name=${service}`;
  return {
    what: `the EndpointSlices of ${service} in ${namespace}${label === undefined ? "" : ` with ${label}`}`,
    path: `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`,
    selector: `labelSelector=${encodeURIComponent(label === undefined ? own : `${own},${label}`)}`,
    read: readSlice,
  };
}

/** A name's Service as a list of one or none, since only lists can be watched. */
export function serviceOf({ namespace, service }: K8sName): K8sList<Service> {
  return {
    what: `the Service ${service} in ${namespace}`,
    path: `/api/v1/namespaces/${namespace}/services`,
    selector: `fieldSelector=${encodeURIComponent(`metadata.name=${service}`)}`,
    read: readService,
  };
}

/** The name of a port has a letter in it, so that it is no number (RFC 6335, section 5.1). */
function parsePortName(text: string): string | number | undefined {
  if (/^[0-9]+$/.test(text)) return parsePort(text);
  return DNS_LABEL.test(text) ? text : undefined;
}
