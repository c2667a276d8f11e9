// A configuration that uses every key of linkerd-tcp 0.1.1 still loads, and means what it meant.
import { expect, test } from "bun:test";
import { clientFor } from "../../src/config/client-for.ts";
import { issue, makeCa } from "../support/certs.ts";
import { configFrom, problemsIn } from "../support/config-text.ts";

const OLD = `
admin:
  port: 9989
  ip: 0.0.0.0
  metricsIntervalSecs: 10
  graceSecs: 30

routers:
  - label: default
    interpreter:
      kind: io.l5d.namerd.http
      baseUrl: http://localhost:4180
      namespace: default
      periodSecs: 20
    servers:
      - port: 7474
        dstName: /svc/default
        connectTimeoutMs: 500
        connectionLifetimeSecs: 900
        maxConcurrency: 50
      - port: 7575
        ip: 0.0.0.0
        dstName: /svc/google
        tls:
          alpnProtocols: [http/1.1]
          defaultIdentity:
            privateKey: private.pem
            certs:
              - cert.pem
              - ../eg-ca/ca-chain.cert.pem
          identities:
            www.example.com:
              privateKey: private.pem
              certs: [cert.pem]
    client:
      kind: io.l5d.static
      configs:
        - prefix: /svc
          maxWaiters: 7
          minConnections: 2
          failFast: {maxConsecutiveFailures: 3}
        - prefix: /svc/google
          connectTimeoutMs: 400
          failFast: {failurePenaltySecs: 5}
          tls:
            dnsName: www.google.com
            trustCerts: [../eg-ca/ca-chain.cert.pem]
  - label: other
    interpreter: {kind: io.l5d.namerd.http, baseUrl: "http://localhost:4180", namespace: b, periodSecs: 1}
    servers: []
    client: {kind: io.l5d.global, connectTimeoutMs: 1, maxWaiters: 1, minConnections: 0, failFast: {}}

bufferSizeBytes: 8192
`;

test("A configuration with every key of 0.1.1 loads, and means what it meant", async () => {
  const ca = await makeCa();
  const own = await issue(ca, { names: ["www.example.com"], algorithm: "rsa" });
  const files = {
    "/etc/l5d/private.pem": own.traditionalKeyPem,
    "/etc/l5d/cert.pem": own.certPem,
    "/etc/eg-ca/ca-chain.cert.pem": ca.certPem,
  };
  expect(problemsIn(OLD, files)).toHaveLength(1);
  const config = configFrom(OLD, files);
  expect(config).toMatchObject({
    admin: { ip: "0.0.0.0", port: 9989, graceMs: 30_000 },
    bufferSizeBytes: 8192,
  });
  const [router, other] = config.routers;
  expect(router?.servers).toMatchObject([
    { port: 7474, connectTimeoutMs: 500, connectionLifetimeMs: 900_000, maxConcurrency: 50 },
    { port: 7575, ip: "0.0.0.0", tls: { alpnProtocols: ["http/1.1"] } },
  ]);
  expect(clientFor(router?.client ?? [], "/svc/google")).toMatchObject({
    tls: { dnsName: "www.google.com" },
    connectTimeoutMs: 400,
    maxWaiters: 7,
    minConnections: 2,
    accrual: {
      rule: { kind: "consecutiveFailures", failures: 3 },
      backoff: { kind: "constant", ms: 5_000 },
    },
  });
  expect(clientFor(other?.client ?? [], "/any")).toMatchObject({
    connectTimeoutMs: 1,
    maxWaiters: 1,
  });
});
