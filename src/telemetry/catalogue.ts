// Every metric of the program, in one table: names, labels, meaning, and the names of linkerd-tcp 0.1.
// docs/reference/metrics.md is generated from it.
import { BALANCER_METRICS, ENDPOINT_METRICS } from "./catalogue/balancer.ts";
import { CERTIFICATE_METRICS } from "./catalogue/certificates.ts";
import { EJECTION_METRICS } from "./catalogue/ejection.ts";
import { HEALTH_METRICS } from "./catalogue/health.ts";
import { NAMER_METRICS, RESOLVER_METRICS } from "./catalogue/naming.ts";
import { NAMERD_METRICS, PROCESS_METRICS } from "./catalogue/process.ts";
import { RELOAD_METRICS } from "./catalogue/reload.ts";
import { DRAIN_METRICS, NAME_METRICS, ROUTER_METRICS, SERVER_METRICS } from "./catalogue/server.ts";
import { DESTINATION_TLS_METRICS, SERVER_TLS_METRICS } from "./catalogue/tls.ts";
import type { MetricDefinition } from "./metrics.ts";

/** All definitions, in the order of the metrics page. */
export const CATALOGUE: readonly MetricDefinition[] = [
  RESOLVER_METRICS,
  NAMER_METRICS,
  ROUTER_METRICS,
  NAME_METRICS,
  SERVER_METRICS,
  SERVER_TLS_METRICS,
  DRAIN_METRICS,
  BALANCER_METRICS,
  DESTINATION_TLS_METRICS,
  ENDPOINT_METRICS,
  EJECTION_METRICS,
  HEALTH_METRICS,
  NAMERD_METRICS,
  RELOAD_METRICS,
  CERTIFICATE_METRICS,
  PROCESS_METRICS,
].flatMap((group): MetricDefinition[] => Object.values(group));
