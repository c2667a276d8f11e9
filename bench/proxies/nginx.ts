// nginx with its stream module: one worker process, which is the one measured.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { SERVER_NAME } from "../load/dial.ts";
import { childrenOf } from "../measure.ts";
import {
  CIPHERS_12,
  CIPHERS_13,
  type Contender,
  MAX_CONNECTIONS,
  running,
  type Site,
} from "./contender.ts";

/** Where Debian puts the module when it is not compiled in. */
const MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so";

/** The nginx on this machine; undefined when there is none that can proxy TCP. */
export function nginx(): Contender | undefined {
  const binary = Bun.which("nginx");
  if (binary === null) return undefined;
  const built = Bun.spawnSync([binary, "-V"]).stderr.toString();
  const compiledIn = /--with-stream(?=\s|$)/.test(built);
  if (!compiledIn && !existsSync(MODULE)) return undefined;
  const load = compiledIn ? "" : `load_module ${MODULE};\n`;
  return {
    name: "nginx",
    kind: "peer",
    version: `nginx ${/nginx\/(\S+)/.exec(built)?.[1] ?? "?"} (stream)`,
    async start(site) {
      const path = join(site.dir, "nginx.conf");
      await Bun.write(path, load + configuration(site));
      const child = await site.launch([binary, "-p", site.dir, "-e", "stderr", "-c", path]);
      const [worker, ...more] = childrenOf(child.pid);
      if (worker === undefined || more.length > 0) throw new Error("nginx: not one worker");
      return running(site, child, [worker]);
    },
  };
}

function configuration(site: Site): string {
  // Workers change to an unprivileged user when the master is root, who could not write to our directory.
  const user = process.getuid?.() === 0 ? "user root;\n" : "";
  return `${user}daemon off;
worker_processes 1;
worker_rlimit_nofile ${3 * MAX_CONNECTIONS};
error_log stderr crit;
pid ${site.dir}/nginx.pid;
events { worker_connections ${2 * MAX_CONNECTIONS}; }
stream {
  proxy_timeout 1h;
${names(site)}  server {
    listen 127.0.0.1:${site.plainPort} backlog=4096;
    proxy_pass 127.0.0.1:${site.backendPort};
  }
  server {
${tlsPort(site)}  }
}
`;
}

function names({ variant, backendPort }: Site): string {
  if (variant !== "passthrough") return "";
  return `  map $ssl_preread_server_name $named { ${SERVER_NAME} 127.0.0.1:${backendPort}; }\n`;
}

function tlsPort({ variant, tlsPort: port, identity, backendPort }: Site): string {
  if (variant === "passthrough") {
    return `    listen 127.0.0.1:${port} backlog=4096;
    ssl_preread on;
    proxy_pass $named;
`;
  }
  return `    listen 127.0.0.1:${port} ssl backlog=4096;
    ssl_certificate ${identity.certPath};
    ssl_certificate_key ${identity.keyPath};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ${CIPHERS_12};
    ssl_conf_command Ciphersuites ${CIPHERS_13};
    proxy_pass 127.0.0.1:${backendPort};
`;
}
