// HAProxy: one process of one thread, TCP mode.
import { join } from "node:path";
import {
  CIPHERS_12,
  CIPHERS_13,
  type Contender,
  MAX_CONNECTIONS,
  running,
  type Site,
} from "./contender.ts";

/** The HAProxy on this machine; undefined when there is none. */
export function haproxy(): Contender | undefined {
  const binary = Bun.which("haproxy");
  if (binary === null) return undefined;
  const version = /version (\S+)/.exec(Bun.spawnSync([binary, "-v"]).stdout.toString())?.[1];
  return {
    name: "haproxy",
    kind: "peer",
    version: `HAProxy ${version ?? "?"}`,
    async start(site) {
      const path = join(site.dir, "haproxy.cfg");
      await Bun.write(path, configuration(site));
      const child = await site.launch([binary, "-db", "-f", path]);
      return running(site, child, [child.pid]);
    },
  };
}

function configuration(site: Site): string {
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
listen plain
  bind 127.0.0.1:${site.plainPort}
  server backend 127.0.0.1:${site.backendPort}
listen tls
  bind 127.0.0.1:${site.tlsPort} ssl crt ${site.identity.bothPath}
  server backend 127.0.0.1:${site.backendPort}
`;
}
