// What a destination needs on a worker whose endpoints speak TLS.
import { isTlsName } from "../config/rule-prefix.ts";
import type { ClientTlsConfig } from "../config/tls-types.ts";
import type { Connector } from "../transport/connector.ts";
import type { TlsOptions } from "../transport/bun.ts";
import { ClientTls } from "../transport/client-tls.ts";
import { RefusingConnector } from "../transport/refusing-connector.ts";

/** Makes connectors for the destinations of a worker. */
export class EndpointTls {
  readonly #clientTls = new ClientTls();

  /** The one that `connect` makes; or one that refuses, where the captures of a name have made none of a host. */
  connector(config: ClientTlsConfig, connect: (tls: TlsOptions) => Connector): Connector {
    if (!isTlsName(config.dnsName)) return new RefusingConnector("dnsName is no host name");
    return connect(this.#clientTls.options(config));
  }
}
