// HAProxy: one process of one thread, TCP mode.
import { join } from "node:path";
import { SERVER_NAME } from "../load/dial.ts";
import {
  CIPHERS_12,
  CIPHERS_13,
  type Contender,
  MAX_CONNECTIONS,
  running,
  type Site,
} from "./contender.ts";

/** The HAProxy on this machine as its defaults have it; undefined when there is none. */
export function haproxy(): Contender | undefined {
  return find("haproxy", "");
}

/** The same with splice(2), which moves bytes between plain sockets in the kernel; off by default. */
export function haproxySplice(): Contender | undefined {
  return find("haproxy-splice", "  option splice-auto\n  option splice-response\n");
}

function find(name: string, more: string): Contender | undefined {
  const binary = Bun.which("haproxy");
  if (binary === null) return undefined;
  const version = /version (\S+)/.exec(Bun.spawnSync([binary, "-v"]).stdout.toString())?.[1];
  return {
    name,
    kind: "peer",
    version: `HAProxy ${version ?? "?"}${more === "" ? "" : " with splice"}`,
    async start(site) {
      const path = join(site.dir, "haproxy.cfg");
      await Bun.write(path, configuration(site, more));
      const child = await site.launch([binary, "-db", "-f", path]);
      return running(site, child, [child.pid]);
    },
  };
}

function configuration(site: Site, more: string): string {
  return `global
  nbthread 1
  maxconn ${MAX_CONNECTIONS}
  ssl-default-bind-options ssl-min-ver TLSv1.2
  ssl-default-bind-ciphers ${CIPHERS_12}
  ssl-default-bind-ciphersuites ${CIPHERS_13}
defaults
  mode tcp
  maxconn ${MAX_CONNECTIONS}
  backlog 4096
  timeout connect 10s
  timeout client 1h
  timeout server 1h
${more}listen plain
  bind 127.0.0.1:${site.plainPort}
  server backend 127.0.0.1:${site.backendPort}
listen tls
${tlsPort(site)}  server backend 127.0.0.1:${site.backendPort}
`;
}

function tlsPort({ variant, tlsPort: port, identity }: Site): string {
  if (variant !== "passthrough") return `  bind 127.0.0.1:${port} ssl crt ${identity.bothPath}\n`;
  // Who asks for another name is refused, so that the name is read and looked at.
  return `  bind 127.0.0.1:${port}
  tcp-request inspect-delay 5s
  tcp-request content accept if { req.ssl_sni -i ${SERVER_NAME} }
  tcp-request content reject if { req.ssl_hello_type 1 }
`;
}
