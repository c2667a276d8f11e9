// Every default of the configuration, once. Free of the schema library: the data plane and the quick form read it too.

/** Defaults in the units of the configuration file; 0 stands for "no limit" where the schema says so. */
export const DEFAULTS = {
  bufferSizeBytes: 16_384,
  workers: 1,
  reloadOnChange: false,
  admin: { ip: "127.0.0.1", port: 9989, metricsIntervalSecs: 60, graceSecs: 10 },
  namerd: { namespace: "default", periodSecs: 60, requestTimeoutMs: 10_000 },
  fs: { prefix: "/svc" },
  namers: {
    host: "localhost",
    refreshIntervalSeconds: 5,
    consulPort: 8_500,
    k8sPort: 8_001,
    etcdPort: 2_379,
    etcdPrefix: "/services",
    namespaceVariable: "POD_NAMESPACE",
  },
  namerdServer: { adminPort: 9_991, port: 4_180, etcdPrefix: "/namerd/dtabs" },
  endpoint: { weight: 1 },
  server: {
    ip: "127.0.0.1",
    connectTimeoutMs: 10_000,
    connectionLifetimeSecs: 0,
    idleTimeoutSecs: 0,
    maxConcurrency: 100_000,
  },
  serverTls: { handshakeTimeoutMs: 10_000 },
  proxyProtocol: { required: true, timeoutMs: 3_000 },
  client: {
    connectTimeoutMs: 3_000,
    maxWaiters: 1_000_000,
    minConnections: 0,
    maxConsecutiveFailures: 5,
    failurePenaltySecs: 60,
    loadBalancer: "p2c",
  },
  // As in linkerd 1.x, where it has them.
  loadBalancer: {
    maxEffort: 5,
    decayTimeMs: 10_000,
    minAperture: 1,
    lowLoad: 0.5,
    highLoad: 2,
    smoothWindowMs: 5_000,
    maxLoadFactor: 1.25,
  },
} as const;

/** What `0` means for a limit. */
export function limit(value: number): number {
  return value === 0 ? Number.POSITIVE_INFINITY : value;
}

/** A number of seconds in milliseconds. */
export function seconds(value: number): number {
  return value * 1000;
}
