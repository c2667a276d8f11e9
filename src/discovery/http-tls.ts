// How a server is trusted, from the configuration's words to those of an exchange.
import type { NamerTlsConfig } from "../config/namer-types.ts";
import type { HttpTls } from "./http-exchange.ts";

/** The same with what `HttpExchange` takes. */
export function httpTls(tls: NamerTlsConfig): HttpTls {
  const { disableValidation, commonName, trustPem, clientAuth } = tls;
  return {
    insecure: disableValidation,
    ...(commonName !== undefined && { serverName: commonName }),
    ...(trustPem !== undefined && { ca: trustPem }),
    ...(clientAuth !== undefined && { cert: clientAuth.certPem, key: clientAuth.keyPem }),
  };
}
