// What a fake Consul knows, and how Consul's two endpoints print it.

export interface FakeCheck {
  readonly id: string;
  readonly status: string;
}

/** An instance of a service; what is left out is as an ordinary service has it. */
export interface FakeInstance {
  /** Of the service; empty for none. */
  readonly address?: string;
  readonly port?: number;
  readonly nodeAddress?: string;
  readonly tags?: readonly string[];
  readonly checks?: readonly FakeCheck[];
  readonly weights?: { readonly Passing: number; readonly Warning: number };
  readonly nodeMeta?: Readonly<Record<string, string>>;
  readonly serviceMeta?: Readonly<Record<string, string>>;
}

/** `"10.0.0.1:80"`, in good health. */
export function instance(address: string, rest: FakeInstance = {}): FakeInstance {
  const colon = address.lastIndexOf(":");
  return { address: address.slice(0, colon), port: Number(address.slice(colon + 1)), ...rest };
}

/** A check of that status, the ordinary one of a service. */
export function check(status: string, id = "service:web"): FakeCheck {
  return { id, status };
}

/** A list as `/v1/catalog/service/<service>` or `/v1/health/service/<service>` gives it. */
export function printInstances(
  service: string,
  list: readonly FakeInstance[],
  endpoint: "catalog" | "health",
): string {
  return JSON.stringify(
    list.map((it, at) =>
      endpoint === "catalog" ? catalogEntry(service, it, at) : healthEntry(service, it, at),
    ),
  );
}

function catalogEntry(service: string, it: FakeInstance, at: number): object {
  return {
    ID: `40e4a748-2192-161a-0510-${String(at).padStart(12, "0")}`,
    Node: `node-${at}`,
    Address: it.nodeAddress ?? "192.168.0.1",
    Datacenter: "dc1",
    TaggedAddresses: { lan: it.nodeAddress ?? "192.168.0.1" },
    NodeMeta: it.nodeMeta ?? null,
    ServiceKind: "",
    ServiceID: `${service}-${at}`,
    ServiceName: service,
    ServiceTags: it.tags ?? [],
    ServiceAddress: it.address ?? "",
    ...(it.weights && { ServiceWeights: it.weights }),
    ServiceMeta: it.serviceMeta ?? {},
    ServicePort: it.port ?? 0,
    CreateIndex: 10,
    ModifyIndex: 11,
  };
}

function healthEntry(service: string, it: FakeInstance, at: number): object {
  return {
    Node: {
      Node: `node-${at}`,
      Address: it.nodeAddress ?? "192.168.0.1",
      Datacenter: "dc1",
      Meta: it.nodeMeta ?? null,
    },
    Service: {
      ID: `${service}-${at}`,
      Service: service,
      Tags: it.tags ?? null,
      Address: it.address ?? "",
      Meta: it.serviceMeta ?? {},
      Port: it.port ?? 0,
      ...(it.weights && { Weights: it.weights }),
    },
    Checks: [check("passing", "serfHealth"), ...(it.checks ?? [])].map(({ id, status }) => ({
      Node: `node-${at}`,
      CheckID: id,
      Name: id,
      Status: status,
      Output: "",
    })),
  };
}

/** Those that a query with these parameters is given. */
export function filterInstances(
  list: readonly FakeInstance[],
  query: URLSearchParams,
): readonly FakeInstance[] {
  const tag = query.get("tag")?.toLowerCase();
  return list.filter(({ tags = [], checks = [] }) => {
    if (tag !== undefined && !tags.some((it) => it.toLowerCase() === tag)) return false;
    return query.get("passing") !== "true" || checks.every(({ status }) => status === "passing");
  });
}
