// Every default of the configuration, once. Free of the schema library: the data plane and the quick form read it too.

/** Defaults in the units of the configuration file; 0 stands for "no limit" where the schema says so. */
export const DEFAULTS = {
  bufferSizeBytes: 16_384,
  workers: 1,
  reloadOnChange: false,
  followCertificates: true,
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
    connectionLifetimeJitterPercent: 10,
    idleTimeoutSecs: 0,
    halfClosedTimeoutSecs: 3_600,
    maxConcurrency: 100_000,
  },
  socketOptions: {
    keepAlive: true,
    keepAliveIdleSecs: 60,
    keepAliveIntervalSecs: 10,
    keepAliveProbes: 6,
    userTimeoutMs: 0,
  },
  drain: { windowSecs: 30, maxPerSec: 0, deadlineSecs: 300 },
  // As in linkerd 1.x.
  bindingCache: { paths: 1_000, idleTtlSecs: 600 },
  limits: { ipv4PrefixLength: 32, ipv6PrefixLength: 64 },
  passthrough: { helloTimeoutMs: 5_000 },
  serverTls: { handshakeTimeoutMs: 10_000 },
  proxyProtocol: { required: true, timeoutMs: 3_000 },
  client: {
    connectTimeoutMs: 3_000,
    maxWaiters: 1_000_000,
    minConnections: 0,
    // As in linkerd 1.x.
    retryBudget: { minRetriesPerSec: 10, percentCanRetry: 0.2, ttlSecs: 10 },
    // 0: no limit.
    maxConnectionsPerEndpoint: 0,
    maxConsecutiveFailures: 5,
    failurePenaltySecs: 60,
    panicThresholdPercent: 0,
    loadBalancer: "p2c",
  },
  healthCheck: {
    intervalMs: 5_000,
    timeoutMs: 2_000,
    rise: 2,
    // A server that says of itself that it has the role is believed at once.
    roleRise: 1,
    fall: 3,
    port: 0,
    path: "/",
    expectStatus: ["200-399"],
    database: "postgres",
  },
  // As in linkerd 1.x, where it has them.
  failureAccrual: {
    failures: 5,
    constantMs: 0,
    minMs: 5_000,
    maxMs: 300_000,
    maxEjectedPercent: 100,
    dryRun: false,
  },
  slowStart: { windowSecs: 0, minPercent: 10 },
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
