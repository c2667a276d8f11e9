// Services and EndpointSlices as an API server writes them, for the fake one.

/** An object of the API. */
export interface FakeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

export interface FakeConditions {
  readonly ready?: boolean | null;
  readonly serving?: boolean | null;
  readonly terminating?: boolean | null;
}

export interface FakeEndpoint {
  readonly ip: string;
  readonly node?: string;
  /** Default: ready, serving, not terminating. */
  readonly conditions?: FakeConditions;
}

export interface FakePort {
  readonly name?: string | null;
  readonly port?: number | null;
  readonly protocol?: string;
}

export interface SliceOptions {
  /** Addresses, or more about each. */
  readonly endpoints?: readonly (string | FakeEndpoint)[];
  /** Default: TCP 8080 by the name `http`. */
  readonly ports?: readonly FakePort[] | null;
  readonly addressType?: "IPv4" | "IPv6" | "FQDN";
  readonly labels?: Readonly<Record<string, string>>;
}

const SLICES = "discovery.k8s.io/v1";

/** A slice of `service`, as the controller makes it. */
export function endpointSlice(
  name: string,
  service: string,
  options: SliceOptions = {},
): FakeObject {
  const { endpoints = [], addressType = "IPv4", labels = {} } = options;
  const { ports = [{ name: "http", port: 8080, protocol: "TCP" }] } = options;
  return {
    kind: "EndpointSlice",
    apiVersion: SLICES,
    metadata: {
      name,
      labels: {
        ...labels,
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        "kubernetes.io/service-name": service,
      },
    },
    addressType,
    endpoints: endpoints.map(endpointOf),
    ports,
  };
}

/** A Service with these ports. */
export function service(
  name: string,
  ports: readonly { name?: string; port: number; protocol?: string; targetPort?: unknown }[],
): FakeObject {
  return {
    kind: "Service",
    apiVersion: "v1",
    metadata: { name },
    spec: { ports, selector: { app: name }, type: "ClusterIP" },
    status: { loadBalancer: {} },
  };
}

function endpointOf(endpoint: string | FakeEndpoint): unknown {
  const { ip, node, conditions } =
    typeof endpoint === "string"
      ? { ip: endpoint, node: undefined, conditions: undefined }
      : endpoint;
  return {
    addresses: [ip],
    conditions: conditions ?? { ready: true, serving: true, terminating: false },
    ...(node !== undefined && { nodeName: node }),
    targetRef: { kind: "Pod", namespace: "default", name: `pod-${ip}` },
  };
}
